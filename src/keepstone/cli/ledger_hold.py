"""`keepstone ledger hold`: legal holds, which keep what they cover from pruning, expiry and erasure."""

from datetime import UTC, datetime
from pathlib import Path

import click

from keepstone.cli.on_record import (
    bounded_text,
    by_option,
    ledger_option,
    opened_key,
    put_on_record,
    reason_option,
)
from keepstone.cli.output import emit, format_option, talk
from keepstone.core.errors import UsageError


@click.group(
    epilog="""\b
Examples:
  keepstone ledger hold add --subject customer-4711 --reason "case 2026-17"
  keepstone ledger hold list
  keepstone ledger hold release 3f9c2a7b --reason "case closed\""""
)
def hold() -> None:
    """Keep records and content from being removed until somebody releases them."""


@hold.command(
    epilog="""\b
Example:
  keepstone ledger hold add --subject customer-4711 --reason "case 2026-17"
  keepstone ledger hold add --everything --reason "audit" --by legal"""
)
@click.option(
    "--subject", callback=bounded_text, help="Content and records of this subject, as the calls named it."
)
@click.option("--principal", callback=bounded_text, help="Records and content of this caller.")
@click.option("--everything", is_flag=True, help="All that is in the ledger.")
@reason_option
@by_option
@ledger_option
@format_option
def add(
    subject: str | None,
    principal: str | None,
    everything: bool,
    reason: str,
    by: str,
    directory: Path,
    output_format: str,
) -> int:
    """Put a hold in force and on record."""
    from keepstone.ledger import holds
    from keepstone.ledger.notices import Notice

    if sum((subject is not None, principal is not None, everything)) != 1:
        raise UsageError("a hold is on one of `--subject`, `--principal` and `--everything`")
    settings, key = opened_key(directory)
    cover: holds.Cover = "everything" if everything else "subject" if subject is not None else "principal"
    what = key.subject(subject) if subject is not None else principal or ""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    made = holds.Hold(holds.new_id(), cover, what, reason, by, time)
    holds.add(directory, made)
    put_on_record(settings, key, Notice("hold.added", _detail(made)))
    emit(made, output_format)
    return 0


@hold.command("list", epilog="Example: `keepstone ledger hold list --format json`")
@ledger_option
@format_option
def list_holds(directory: Path, output_format: str) -> int:
    """List the holds in force."""
    from keepstone.ledger import holds

    opened_key(directory)
    found = holds.in_force(directory)
    emit(found, output_format)
    if not found:
        talk("no hold is in force")
    return 0


@hold.command(epilog='Example: `keepstone ledger hold release 3f9c2a7b --reason "case closed"`')
@click.argument("which", metavar="ID")
@reason_option
@by_option
@ledger_option
def release(which: str, reason: str, by: str, directory: Path) -> int:
    """End a hold; what it kept goes with the next pruning."""
    from keepstone.ledger import holds
    from keepstone.ledger.notices import Notice

    settings, key = opened_key(directory)
    if not holds.exists(directory, which):
        raise UsageError("no hold of this id is in force", hint="`keepstone ledger hold list` shows the ids")
    put_on_record(settings, key, Notice("hold.released", {"hold": which, "reason": reason, "by": by}))
    holds.release(directory, which)  # last: what ends half-way must leave it in force
    talk(f"hold `{which}` is released")
    return 0


def _detail(hold: object) -> dict[str, str]:
    fields = ("id", "cover", "what", "reason", "by")
    return {("hold" if each == "id" else each): str(getattr(hold, each)) for each in fields}
