"""`keepstone deploy apply` and `destroy`: what was planned is carried out; everything is taken down."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.deploy_options import accepting, dir_option, how_many, loaded, prepared
from keepstone.cli.deploy_record import APPLY, DESTROY, on_record
from keepstone.cli.on_record import bounded_text, by_option
from keepstone.cli.output import emit, format_option, talk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keepstone.deploy.terraform import Terraform


@click.command(
    epilog="""\b
Examples:
  keepstone deploy plan && keepstone deploy apply
  keepstone deploy apply --accept KS-NET-001 --reason "the range is the old office's until March" """
)
@dir_option
@click.option("--accept", "accepted", multiple=True, help="Id of a check that may fail; may be repeated.")
@click.option("--reason", default=None, callback=bounded_text, help="Why it may; stands in the record.")
@by_option
@format_option
def apply(
    *, folder: Path, accepted: tuple[str, ...], reason: str | None, by: str, output_format: str
) -> None:
    """Carry out the plan that `keepstone deploy plan` left in the folder, and no other.

    A plan that fails a check of high severity is refused unless the check is accepted, with a reason. What is
    applied, by whom and what was accepted goes on record. Interrupted half-way, an apply leaves a state from
    which the next plan and apply go on.
    """
    from keepstone.core.errors import UsageError
    from keepstone.deploy.changes import read_plan
    from keepstone.deploy.network import require_ids_of_aws
    from keepstone.deploy.terraform import Terraform
    from keepstone.deploy.workspace import PLAN, Workspace

    if accepted and reason is None:
        raise UsageError("what is accepted needs a reason", hint="`--reason` says why, for the record")
    workspace = Workspace(folder)
    workspace.require()
    with workspace.held():
        policy = loaded()
        workspace.require_plan(policy.hash)
        require_ids_of_aws(policy.document.deployment)
        terraform = Terraform(folder, talk, workspace.region, workspace.account)
        shown = terraform.show(PLAN)
        workspace.note_plan(shown)  # what is judged is read from what will be carried out
        _require_checks(folder, accepted)
        told = {"accepted": ", ".join(accepted), "reason": reason or "", "by": by}
        plan = {"plan": f"sha256:{workspace.require()['plan']}", **_whose(read_plan(shown))}
        with on_record(APPLY, workspace, plan | told):
            for each in terraform.apply(PLAN):
                talk(f"{each.severity}: {each.summary}: {' '.join(each.detail.split())}")
        talk("applied, and on record")
        workspace.drop_plan()
        outputs = terraform.outputs().get("bedrock_solution", {})
    emit({name: outputs.get(name) for name in _TOLD} if output_format == "table" else outputs, output_format)


def _whose(document: "Mapping[str, Any]") -> dict[str, str]:
    """Return the account, and as whom it was planned, for the record; nothing where that is not known."""
    from keepstone.deploy.account import caller_of

    caller = caller_of(document)
    return {"account": caller.account, "planned_as": caller.arn} if caller is not None else {}


def _require_checks(folder: Path, accepted: tuple[str, ...]) -> None:
    from keepstone.core.errors import UsageError
    from keepstone.deploy.verdicts import refusing, report_of
    from keepstone.deploy.workspace import PLAN_JSON

    failed = refusing(report_of(folder / PLAN_JSON, datetime.now(UTC)), accepted)
    for row in failed:
        talk(f"{row.check} fails at `{row.resource or 'the whole'}`: {row.reason}. {row.fix}")
    if failed:
        raise UsageError(
            f"the plan fails {how_many(failed)} of high severity",
            hint=f"mend the input, or `{accepting(failed)}`, which goes on record",
        )


_TOLD = (
    "resource_prefix",
    "region",
    "bedrock_guardrail_id",
    "bedrock_guardrail_version",
    "bedrock_access_role_arn",
    "logs_bucket_id",
)


def _where(terraform: "Terraform") -> dict[str, str]:
    """Return the account that the state is of; who was there last says nothing of who destroys."""
    return {name: value for name, value in _whose(terraform.state()).items() if name == "account"}


@click.command(epilog="Example: keepstone deploy destroy --yes-destroy production")
@dir_option
@click.option(
    "--yes-destroy", "named", default="", help="The environment's name, so that nobody destroys another one."
)
@by_option
def destroy(*, folder: Path, named: str, by: str) -> None:
    """Take everything down that the deployment made; that, and by whom, goes on record.

    Logs in the bucket have to be emptied out first.
    """
    from keepstone.core.errors import UsageError

    place = loaded().document.deployment
    if place is None or named != place.environment:
        hint = f"`--yes-destroy {place.environment}` does it" if place else "the policy has no `deployment`"
        raise UsageError("destroying takes the environment's name", hint=hint)
    with (
        prepared(folder) as (workspace, terraform),
        on_record(DESTROY, workspace, {"environment": place.environment, "by": by} | _where(terraform)),
    ):
        terraform.destroy()
    talk("destroyed; the key can be rescued until its window is over")
