"""`keepstone ledger`: look at the record, verify it, prove a single entry of it to somebody else."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from keepstone.cli import ledger_content, ledger_hold
from keepstone.cli.ledger_export import export, query, serve_trail
from keepstone.cli.on_record import by_option, ledger_option
from keepstone.cli.output import emit, format_option, talk
from keepstone.core.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from keepstone.ledger.record import ExchangeRecord
    from keepstone.ledger.walk import Progress
    from keepstone.ledger.whole import Address, WholeReader

# Imports of the ledger stand inside the commands: `keepstone --help` must not wait for cryptography.

_Command = TypeVar("_Command", bound=Callable[..., Any])
_FINDINGS, _UNKNOWN = 1, 3
_COLUMNS = ("index", "time", "kind", "id", "principal", "operation", "model", "outcome", "reason", "status")


_key_option = click.option(
    "--key", metavar="VKEY|FILE", help="The log's verifier key, or the file that holds it."
)


def _require_reason(reason: str | None) -> None:
    """Refuse a code that no record can have, instead of finding none."""
    from difflib import get_close_matches

    from keepstone.core.decision import ReasonCode

    codes = [each.value for each in ReasonCode]
    if reason is not None and reason not in codes:
        near = get_close_matches(reason, codes, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "docs/reference/reasons.md lists them"
        raise UsageError(f"`{reason}` is no reason code", hint=hint)


@click.group()
def ledger() -> None:
    """Show, verify, prove and export the record of every call; read, hold and erase kept content."""


for _each in (export, query, serve_trail, ledger_content.erase, ledger_content.prune, ledger_hold.hold):
    ledger.add_command(_each)


@ledger.command(
    epilog="""\b
Example:
  keepstone ledger verify
  keepstone ledger verify --key /safe/ledger.vkey --since /safe/checkpoint

\b
Exit status: 0 everything agrees, 1 something does not, 2 usage, 3 it could not be told."""
)
@ledger_option
@_key_option
@click.option(
    "--since",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint or view kept from earlier; the log must begin with what it covers.",
)
@format_option
def verify(directory: Path, key: str | None, since: Path | None, output_format: str) -> int:
    """Recompute the whole ledger from its records and say whether anything was changed."""
    from keepstone.ledger.verdict import Verdict
    from keepstone.ledger.verify_all import total, verify_all

    _require(directory)
    vkey, beside = _verifier(key, directory)
    earlier = since.read_text("utf-8", "replace") if since else None
    whole = verify_all(directory, vkey, since=earlier, progress=_progress())
    outcome = total(whole)
    notes = [*outcome.notes, *([beside] if beside else [])]
    logs = {
        name: {"verdict": each.verdict.value, "size": each.size, "root": each.root.hex()}
        for name, each in whole.logs.items()
    }
    if output_format == "json":
        problems = [{"what": each.what, "start": each.start, "stop": each.stop} for each in outcome.problems]
        emit(
            {
                "verdict": outcome.verdict.value,
                "reason": outcome.reason,
                "size": outcome.size,
                "root": outcome.root.hex(),
                "checked": outcome.checked,
                "pruned": outcome.pruned,
                "signatures": outcome.signatures,
                "problems": problems,
                "notes": notes,
                "logs": logs,
            },
            "json",
        )
    else:
        emit([{"records": each.range, "problem": each.what} for each in outcome.problems])
        click.echo(f"{outcome.verdict.value}: {outcome.reason}")
        counts = f"{outcome.size} records, {outcome.checked} recomputed, {outcome.signatures} signatures"
        if len(whole.logs) == 1:
            click.echo(f"{counts}, root {outcome.root.hex()}")
        else:
            click.echo(f"{counts}, in {len(whole.logs)} logs")
            for name, log in logs.items():
                click.echo(f"  {name}: {log['verdict']}, {log['size']} records, root {log['root']}")
        for each in notes:
            talk(f"note: {each}")
    return {Verdict.PASS: 0, Verdict.FAIL: _FINDINGS, Verdict.NOT_EVALUATED: _UNKNOWN}[outcome.verdict]


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
    output_format: str,
) -> int:
    """Show the newest records, or one by its request id or index; content only if it is asked for."""
    from keepstone.ledger.whole import WholeReader

    _require(directory)
    if content:
        if which is None:
            raise UsageError("`--content` needs the id of a call")
        emit(ledger_content.reveal(directory, which, by), output_format)
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
    emit(rows[::-1], output_format, columns=_COLUMNS)
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
            raise UsageError(f"cannot write `{out}`: {error.strerror}") from error
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

    verifier = Verifier.parse(_read_key(key))
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


def _verifier(key: str | None, directory: Path) -> tuple[str | None, str]:
    """Return the key to verify with, and a warning when it is not one that the caller brought along."""
    if key is not None:
        return _read_key(key), ""
    beside = directory.parent / "keys" / "ledger.vkey"
    if not beside.exists():
        return None, ""
    return beside.read_text("ascii", "replace").strip(), (
        f"the key was taken from `{beside}`, beside the ledger: whoever can rewrite both could forge a log "
        "that passes; keep a copy of the key elsewhere and give it with `--key`"
    )


def _read_key(key: str) -> str:
    if "+" in key:
        return key
    try:
        return Path(key).read_text("ascii", "replace").strip()
    except OSError as error:
        raise UsageError(f"the key file `{key}` cannot be read") from error


def _progress() -> "Progress":
    """Return a callback that keeps one line on a terminal up to date, and says nothing elsewhere."""

    def line(done: int, total: int) -> None:
        if sys.stderr.isatty() and (done == total or done % 25_600 == 0):
            click.echo(f"\r{done} of {total} records", nl=done == total, err=True)

    return line


def _locate(reader: "WholeReader", which: str) -> "list[Address]":
    """Return the addresses that an id or an index stands for; raise `UsageError` when there is none."""
    found: list[Address] = [index for index, _ in reader.find(which)]
    if not found and reader.holds(which):
        found = [int(which) if which.isdecimal() else which]
    if not found:
        raise UsageError(
            f"no record `{which}` in `{reader.directory}`", hint=f"it holds `{reader.size}` records"
        )
    return found


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
    return {
        "index": index,
        "time": record.time,
        "kind": record.event or record.kind,
        "id": record.id,
        "principal": record.principal.id,
        "operation": record.operation,
        "model": record.model,
        "outcome": record.outcome,
        "reason": record.reasons[0].code if record.reasons else "",
        "status": record.status or "",
    }
