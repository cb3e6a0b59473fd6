"""`keepstone deploy plan` and `drift`: what would change, and what somebody has changed since."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.deploy_options import accepting, dir_option, how_many, prepared
from keepstone.cli.output import emit, format_option, safe, talk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keepstone.deploy.account import Caller
    from keepstone.deploy.changes import Change, Summary
    from keepstone.deploy.costs import Estimate
    from keepstone.deploy.terraform import Terraform
    from keepstone.deploy.workspace import Workspace
    from keepstone.posture.report import Report, Row

_FINDINGS = 1


@click.command(epilog="Example: keepstone deploy plan --format json > plan-summary.json")
@dir_option
@format_option
def plan(*, folder: Path, output_format: str) -> None:
    """Plan what the policy asks for: what is created, changed and destroyed, and what it costs to have.

    The plan is kept in the folder: `apply` carries out that one and no other. Exit status: 0 whatever the
    checks say of it; `apply` refuses what fails one of high severity, `keepstone deploy check` exits with 1.
    """
    from keepstone.deploy.account import caller_of
    from keepstone.deploy.changes import read_plan, summarise
    from keepstone.deploy.verdicts import refusing, report_of
    from keepstone.deploy.workspace import PLAN, PLAN_JSON

    with prepared(folder) as (workspace, terraform):
        shown = _shown(terraform, PLAN)
        workspace.note_plan(shown)
        document = read_plan(shown)
        summary, place = summarise(document), _place(workspace, caller_of(document))
        report = report_of(folder / PLAN_JSON, datetime.now(UTC))
    if output_format == "json":
        checks = {"checks": {"counts": report.counts, "failures": report.failures}}
        emit(place | _document(summary) | checks, "json")
        return
    _tell_place(place)
    _tell(summary)
    click.echo()
    _tell_checks(report, folder / PLAN_JSON)
    if not workspace.account and place["account"]:
        pin = f'account: "{place["account"]}"'
        talk(f"note: no account is named in the policy; `{pin}` under `deployment` refuses every other one")
    if summary.changes:
        _tell_next(refusing(report, ()))


@click.command(epilog="Example: keepstone deploy drift || notify-the-platform-team")
@dir_option
@format_option
@click.pass_context
def drift(ctx: click.Context, *, folder: Path, output_format: str) -> None:
    """Say what differs between the policy and what is deployed; exits 1 when something does.

    Each difference names the checks that fail by it, or where none does, those that are about it; and always
    who should care. `unclear` is what may only follow from another difference: its value is known when that
    one is mended. A plan that waits for `apply` stays.
    """
    from keepstone.deploy.changes import read_plan, summarise
    from keepstone.deploy.workspace import PLAN

    with prepared(folder) as (workspace, terraform), workspace.beside() as beside:
        shown = read_plan(_shown(terraform, f"{beside.name}/{PLAN}"))
        summary = summarise(shown)
        rows = _concerned(beside, shown, summary)
    if output_format == "json":
        emit({"drift": bool(rows), "changes": rows}, "json")
    elif rows:
        _tell_drift(rows)
    else:
        click.echo("no drift: what is deployed is what the policy asks for")
    ctx.exit(_FINDINGS if summary.changes else 0)


def _shown(terraform: "Terraform", plan: str) -> bytes:
    """Make a plan, tell its warnings, and return its JSON."""
    talk("planning: AWS is asked for what is there")
    for each in terraform.plan(plan):
        talk(f"{each.severity}: {each.summary}: {' '.join(each.detail.split())}")
    return terraform.show(plan)


def _place(workspace: "Workspace", caller: "Caller | None") -> dict[str, str | None]:
    """Return where and as whom it was planned; an account that the plan does not tell is none."""
    return {
        "account": caller.account if caller else None,
        "region": workspace.region,
        "caller": caller.arn if caller else None,
    }


def _tell_place(place: dict[str, str | None]) -> None:
    if place["account"]:
        click.echo(f"account {place['account']}, region {place['region']}, as {safe(place['caller'])}")
        click.echo()


def _tell_next(failed: "Sequence[Row]") -> None:
    """Say what comes next: `apply`, or why it will refuse."""
    if failed:
        talk(f"next: mend what fails; `keepstone deploy apply` refuses {how_many(failed)} of high severity")
        talk(f"or accept it: `keepstone deploy apply {accepting(failed)}`, which goes on record")
    else:
        talk("next: `keepstone deploy apply`")


def _tell(summary: "Summary") -> None:
    if not summary.changes:
        click.echo("nothing changes: what is deployed is what the policy asks for")
    else:
        emit([_row(each) for each in summary.changes], fit=("resource", "attributes"))
        click.echo()
        click.echo(", ".join(f"{count} to {action}" for action, count in summary.counts.items() if count))
    if summary.cost.costs or summary.cost.unpriced:
        click.echo()
        _tell_cost(summary.cost)


def _tell_cost(cost: "Estimate") -> None:
    """Say what there is costs, used or not, and what of it has no price here."""
    rows = [
        {"what": each.what, "count": f"{each.count:g}", "USD_a_month": f"{each.amount:.2f}"}
        for each in cost.costs
    ]
    if rows:
        emit(rows)
    click.echo(
        f"about {cost.monthly:.0f} USD a month, used or not (list prices of {cost.region}, {cost.looked_at});"
        " calls, logs and traffic come on top"
    )
    for each in cost.unpriced:
        click.echo(f"not in it: {each.count} `{each.type}` ({each.why})")


def _tell_checks(report: "Report", document: Path) -> None:
    """Say how the checks judge what is planned: what fails, worst first, and how much was judged."""
    failed = [row for row in report.findings if row.verdict.value == "FAIL"]
    emit(
        [
            {"check": each.check, "severity": each.severity, "resource": each.resource, "reason": each.reason}
            for each in failed
        ],
        fit=("resource", "reason"),
    )
    counts = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count)
    click.echo(f"checks: {counts}; `keepstone deploy check {shlex.quote(str(document))}` names them")


def _concerned(folder: Path, plan: dict[str, Any], summary: "Summary") -> list[dict[str, object]]:
    """Return the changes, each with the checks it is about and who should care."""
    from keepstone.deploy.verdicts import concerns
    from keepstone.deploy.workspace import compared

    if not summary.changes:
        return []
    addresses = [each.address for each in summary.changes]
    found = concerns(*compared(folder, plan), addresses, datetime.now(UTC))
    return [
        {
            **_row(each),
            "action": "unclear" if each.only_follows else each.action.value,
            "checks": list(found[each.address].checks),
            "about": list(found[each.address].about),
            "who": list(found[each.address].who),
        }
        for each in summary.changes
    ]


def _tell_drift(rows: list[dict[str, Any]]) -> None:
    """Print differences for people; checks that only are about one stand in brackets, as no failures."""
    shown = [
        {name: value for name, value in row.items() if name != "about"}
        | {"checks": ", ".join(row["checks"]) or (row["about"] and f"({', '.join(row['about'])})")}
        for row in rows
    ]
    emit(shown, fit=("attributes", "checks"))
    if any(row["about"] for row in rows):
        click.echo("\nin brackets: no check fails by it; these judge what was changed")


def _row(change: "Change") -> dict[str, object]:
    return {
        "action": change.action.value,
        "resource": change.address.removeprefix("module.bedrock_solution."),
        "attributes": list(change.attributes),
    }


def _document(summary: "Summary") -> dict[str, object]:
    return {
        "counts": summary.counts,
        "changes": [
            {
                "action": each.action.value,
                "address": each.address,
                "type": each.type,
                "attributes": list(each.attributes),
            }
            for each in summary.changes
        ],
        "fixed_cost": {
            "usd_a_month": round(summary.cost.monthly, 2),
            "prices_of": summary.cost.looked_at,
            "region": summary.cost.region,
            "parts": list(summary.cost.costs),
            "not_priced": list(summary.cost.unpriced),
        },
    }
