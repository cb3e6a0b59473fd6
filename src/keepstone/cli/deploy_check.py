"""`keepstone deploy check`: what a Terraform plan or state says about itself, judged check by check."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepstone.cli.output import emit, format_option, talk

if TYPE_CHECKING:
    from keepstone.posture.report import Report, Row

_COLUMNS = ("check", "verdict", "severity", "resource", "reason")
_SHOWN = ("FAIL", "NOT_EVALUATED")


@click.command(
    epilog="""\b
Examples:
  terraform plan -out=plan.out && terraform show -json plan.out > plan.json
  keepstone deploy check plan.json
  terraform show -json plan.out | keepstone deploy check -
  terraform show -json > state.json && keepstone deploy check state.json --format json"""
)
@click.argument("document", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Show what passed and what does not apply, too.")
@format_option
@click.pass_context
def check(ctx: click.Context, document: Path, everything: bool, output_format: str) -> None:
    """Judge DOCUMENT, a plan or a state as `terraform show -json` writes it, before anything is applied.

    DOCUMENT is a file, a pipe, or - for standard input.

    Each check says PASS, FAIL, NOT_APPLICABLE, or NOT_EVALUATED where a value is known after apply only, or
    sensitive. Exit status: 0 when nothing of high severity fails, 1 when something does, 2 for a file that is
    neither plan nor state, 3 when nothing in it could be judged.
    """
    from keepstone.deploy.verdicts import report_of

    report = report_of(document, datetime.now(UTC))
    if output_format == "json":
        emit(report, "json")
    else:
        if report.provenance.source == "state":
            _tell_age(document)
        shown = [row for row in report.findings if everything or row.verdict.value in _SHOWN]
        emit(shown, columns=_COLUMNS, fit=("reason", "resource"))
        _tell(report)
    ctx.exit(_status(report))


def _tell_age(document: Path) -> None:
    """Say how old a state may be: it has no time of its own, so its file's stands for it."""
    when = ""
    if document.is_file():
        noted = datetime.fromtimestamp(document.stat().st_mtime, UTC)
        when = f", before {noted:%Y-%m-%d %H:%M:%S} UTC when the file was written"
    talk(
        f"this is a state, so what Terraform last wrote is judged{when}; what was changed in AWS since is "
        "not in it: `terraform apply -refresh-only` first, or `keepstone deploy drift`"
    )


def _status(report: "Report") -> int:
    if report.fails:
        return 1
    return 0 if report.counts["PASS"] + report.counts["FAIL"] else 3


def _tell(report: "Report") -> None:
    """Say what to do, and how much was judged."""
    fixes = {row.check: row for row in report.findings if row.verdict.value == "FAIL"}
    for row in fixes.values():
        talk(f"{row.check} ({row.severity.value}, {row.who}): {row.title}. {row.fix}")
    counts = ", ".join(f"{number} {name}" for name, number in report.counts.items())
    worst = ", ".join(f"{number} {name}" for name, number in report.failures.items() if number)
    talk(f"{counts}{f'; failures: {worst}' if worst else ''}")
    unknown = _unknown(report.findings)
    if unknown:
        talk(f"could not be told: {unknown}; the state after `apply` tells more")
    if not report.counts["PASS"] + report.counts["FAIL"]:
        talk("nothing in it could be judged")
    if report.unread:
        talk(f"not looked at: {', '.join(report.unread)}")


def _unknown(rows: "tuple[Row, ...]") -> str:
    found = Counter(row.check for row in rows if row.verdict.value == "NOT_EVALUATED")
    return ", ".join(f"{check} ({number})" if number > 1 else check for check, number in found.items())
