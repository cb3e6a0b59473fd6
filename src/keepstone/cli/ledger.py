"""`keepstone ledger`: look at the record, verify it, prove a single entry of it to somebody else."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli import ledger_content, ledger_hold, ledger_outside
from keepstone.cli.ledger_export import export, query, serve_trail
from keepstone.cli.ledger_machines import machines
from keepstone.cli.ledger_verify import verify
from keepstone.cli.on_record import by_option, ledger_option
from keepstone.cli.output import emit, format_option, talk
from keepstone.cli.places import read_key
from keepstone.core.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from keepstone.ledger.record import ExchangeRecord
    from keepstone.ledger.whole import Address, WholeReader

# Imports of the ledger stand inside the commands: `keepstone --help` must not wait for cryptography.

_FINDINGS = 1
_COLUMNS = ("index", "time", "id", "what", "principal", "about", "outcome")
_SHORTENED = ("what", "principal", "about")
_SHORT_ID = 8
_LATER = ("by", "expires", "os_user")
"""What of an event's detail comes last, where the line may be cut."""


def _require_reason(reason: str | None) -> None:
    """Refuse a code that no record can have, instead of finding none."""
    from difflib import get_close_matches

    from keepstone.core.decision import ReasonCode

    codes = [each.value for each in ReasonCode]
    if reason is not None and reason not in codes:
        near = get_close_matches(reason, codes, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "docs/reference/reasons.md lists them"
        raise UsageError(f"`{reason}` is no reason code", hint=hint)


@click.group(
    epilog="""\b
Examples:
  keepstone ledger show --last 20 --outcome refuse
  keepstone ledger verify --key /safe/ledger.vkey --since /safe/checkpoint
  keepstone ledger prove 1c0f6a52-7e0b-4a50-9d43-3c2b6f0e9f11 --out call.tlog-proof"""
)
def ledger() -> None:
    """Show, verify, prove and export the record of every call; read, hold and erase kept content."""


for _each in (
    verify,
    machines,
    export,
    query,
    serve_trail,
    ledger_outside.restore,
    ledger_outside.anchor,
    ledger_content.erase,
    ledger_content.prune,
    ledger_hold.hold,
):
    ledger.add_command(_each)


@ledger.command(
    epilog="""\b
Example:
  keepstone ledger show --last 20 --outcome refuse
  keepstone ledger show 1c0f6a52-7e0b-4a50-9d43-3c2b6f0e9f11 --format json"""
)
@click.argument("which", metavar="[ID|INDEX]", required=False)
@ledger_option
@click.option("--last", type=click.IntRange(1, 100_000), default=10, show_default=True, help="How many.")
@click.option("--principal", help="Only calls of this caller.")
@click.option("--outcome", type=click.Choice(["allow", "transform", "refuse"]), help="Only this outcome.")
@click.option("--reason", help="Only records with this reason code.")
@click.option("--content", is_flag=True, help="What is kept of the call ID; that you read it is recorded.")
@by_option
@ledger_content.policy_option
@format_option
def show(
    which: str | None,
    directory: Path,
    last: int,
    principal: str | None,
    outcome: str | None,
    reason: str | None,
    content: bool,
    by: str,
    policy_file: Path | None,
    output_format: str,
) -> int:
    """Show the newest records, or one by its request id or index; content only if it is asked for.

    The beginning of an id is enough if it is one call's. `about` is the model of a call, the detail of an
    event.
    """
    from keepstone.ledger.whole import WholeReader

    _require(directory)
    if content:
        if which is None:
            raise UsageError("`--content` needs the id of a call")
        emit(ledger_content.reveal(directory, which, by, policy_file), output_format)
        return 0
    _require_reason(reason)
    reader = WholeReader(directory)
    if which is not None:
        found = _decoded((index, reader.entry(index)) for index in _locate(reader, which))
        rows = [_row(index, record) for index, record in found]
        for row in rows:
            emit(row, output_format)
        return 0
    rows = []
    for index, record in _decoded(reader.newest()):
        if _matches(record, principal, outcome, reason):
            rows.append(_row(index, record) if output_format == "json" else _line(index, record))
            if len(rows) == last:
                break
    emit(rows[::-1], output_format, columns=_COLUMNS, fit=_SHORTENED)
    if not rows and (principal or outcome or reason):
        talk("no record is like that")
    return 0


@ledger.command(
    epilog="""\b
Example:
  keepstone ledger prove 1c0f6a52-7e0b-4a50-9d43-3c2b6f0e9f11 --out call.tlog-proof
  keepstone ledger check-proof call.tlog-proof --key ledger.vkey"""
)
@click.argument("which", metavar="ID|INDEX")
@ledger_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write, else stdout.")
@format_option
def prove(which: str, directory: Path, out: Path | None, output_format: str) -> int:
    """Write a self-contained proof that a record is in the ledger (C2SP tlog-proof, the record in `extra`).

    Of a stream, which has two records under one id, the last one is proven; give an index for the other.
    """
    from keepstone.ledger.whole import WholeReader

    _require(directory)
    reader = WholeReader(directory)
    index = _locate(reader, which)[-1]
    text = reader.prove(index).render()
    if out is not None:
        try:
            out.write_text(text, "utf-8")
        except OSError as error:
            reason = (error.strerror or "failed").lower()
            hint = "`--out` names another file; without it the proof goes to stdout"
            raise UsageError(f"`{out}` cannot be written: {reason}", hint=hint) from error
        talk(f"proof of record {index} of {reader.size} written to {out}")
    elif output_format == "json":
        emit({"index": index, "size": reader.size, "proof": text}, "json")
    else:
        click.echo(text, nl=False)
    return 0


@ledger.command(
    "check-proof",
    epilog="""\b
Example:
  keepstone ledger check-proof call.tlog-proof --key ledger.vkey

\b
Exit status: 0 proven, 1 not proven, 2 usage.""",
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", metavar="VKEY|FILE", required=True, help="The log's verifier key, or its file.")
@format_option
def check_proof(file: Path, key: str, output_format: str) -> int:
    """Check a proof with nothing but the log's verifier key, and show the record that it proves."""
    from keepstone.ledger.note import Verifier
    from keepstone.ledger.proof import parse

    verifier = Verifier.parse(read_key(key))
    try:
        proof = parse(file.read_text("utf-8", "replace"))
        checkpoint = proof.check(verifier)
    except LedgerError as error:
        emit({"verdict": "FAIL", "reason": error.message}, output_format)
        return _FINDINGS
    head = {"verdict": "PASS", "origin": checkpoint.origin, "size": checkpoint.size}
    for index, record in _decoded([(proof.index, proof.record)]):
        emit({**head, **_row(index, record)}, output_format)
        return 0
    emit({**head, "index": proof.index}, output_format)
    return 0


def _require(directory: Path) -> None:
    if not directory.is_dir():
        raise UsageError(f"no ledger in `{directory}`", hint="give its folder with `--ledger`")


def _locate(reader: "WholeReader", which: str) -> "list[Address]":
    """Return the addresses that an id or an index stands for; raise `UsageError` when there is none."""
    found: list[Address] = [index for index, _ in reader.find(which)]
    if not found and reader.holds(which):
        found = [int(which) if which.isdecimal() else which]
    if not found and len(which) >= _SHORT_ID:
        found = _by_beginning(reader, which)
    if not found:
        raise UsageError(
            f"no record `{which}` in `{reader.directory}`", hint=f"it holds `{reader.size}` records"
        )
    return found


def _by_beginning(reader: "WholeReader", which: str) -> "list[Address]":
    """Return the addresses of the one call whose id begins so; raise `UsageError` when there are several."""
    needle = f'"id":"{which}'.encode()
    found = [
        (record.id, index)
        for index, record in _decoded((index, data) for index, data in reader.entries() if needle in data)
        if record.id.startswith(which)
    ]
    several = sorted({identity for identity, _ in found})
    if len(several) > 1:
        raise UsageError(f"several calls begin with `{which}`", hint=f"such as {', '.join(several[:3])}")
    return [index for _, index in found]


def _decoded(entries: "Iterable[tuple[Address, bytes]]") -> "Iterator[tuple[Address, ExchangeRecord]]":
    """Decode records; one that is not ours is told on stderr and left out."""
    from keepstone.ledger.record import decode

    for index, data in entries:
        try:
            yield index, decode(data)
        except LedgerError as error:
            talk(f"note: record {index}: {error.message}")


def _matches(
    record: "ExchangeRecord", principal: str | None, outcome: str | None, reason: str | None
) -> bool:
    return (
        (principal is None or record.principal.id == principal)
        and (outcome is None or record.outcome == outcome)
        and (reason is None or any(each.code == reason for each in record.reasons))
    )


def _row(index: "Address", record: "ExchangeRecord") -> dict[str, Any]:
    import msgspec

    fields: dict[str, Any] = msgspec.to_builtins(record)
    return {"index": index, **fields}


def _line(index: "Address", record: "ExchangeRecord") -> dict[str, Any]:
    part = f"{record.kind} " if record.kind in ("opened", "closed") else ""
    reason = record.reasons[0].code if record.reasons else ""
    return {
        "index": index,
        "time": record.time[:19].replace("T", " "),
        "id": record.id[:_SHORT_ID],
        "what": record.event or f"{part}{record.operation}",
        "principal": record.principal.id,
        "about": record.model or dict(sorted(record.detail.items(), key=lambda each: each[0] in _LATER)),
        "outcome": record.outcome if reason in ("", "allowed") else f"{record.outcome} {reason}",
    }
