"""`keepstone ledger verify`: recompute a ledger, or a copy of it, and say whether anything was changed."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.on_record import ledger_option
from keepstone.cli.output import emit, format_option, talk
from keepstone.cli.places import place, place_options, read_key
from keepstone.core.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from keepstone.ledger.outside.objects import Objects
    from keepstone.ledger.verdict import Verification
    from keepstone.ledger.verify_all import Whole
    from keepstone.ledger.walk import Progress

_STATUS = {"PASS": 0, "FAIL": 1, "NOT_EVALUATED": 3}


@click.command(
    epilog="""\b
Example:
  keepstone ledger verify
  keepstone ledger verify --key /safe/ledger.vkey --since /safe/checkpoint
  keepstone ledger verify --key /safe/ledger.vkey --store s3://acme-ledger/prod

\b
Exit status: 0 everything agrees, 1 something does not, 2 usage, 3 it could not be told."""
)
@ledger_option
@click.option("--key", metavar="VKEY|FILE", help="The log's verifier key, or the file that holds it.")
@click.option(
    "--since",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint or view kept from earlier; the log must begin with what it covers.",
)
@click.option("--store", metavar="PLACE", help="Verify the copy in s3://BUCKET/PREFIX or a folder instead.")
@place_options
@format_option
def verify(
    directory: Path,
    key: str | None,
    since: Path | None,
    store: str | None,
    region: str,
    endpoint_url: str,
    output_format: str,
) -> int:
    """Recompute the whole ledger from its records and say whether anything was changed."""
    from keepstone.ledger.verify_all import verify_all

    vkey, beside = _verifier(key, directory)
    earlier = since.read_text("utf-8", "replace") if since else None
    if store is not None:
        return _verify_copy(place(store, region, endpoint_url), vkey, earlier, beside, output_format)
    if not directory.is_dir():
        raise UsageError(f"no ledger in `{directory}`", hint="give its folder with `--ledger`")
    whole = verify_all(directory, vkey, since=earlier, progress=_progress())
    return _tell(whole, [], [beside], output_format)


def _verify_copy(
    objects: "Objects", vkey: str | None, since: str | None, beside: str, output_format: str
) -> int:
    """Fetch a copy into a folder for the time of the command and verify it there."""
    from keepstone.ledger.note import Verifier
    from keepstone.ledger.outside.objects import UNREACHABLE
    from keepstone.ledger.outside.restore import restore
    from keepstone.ledger.verify_all import verify_all

    with TemporaryDirectory(prefix="keepstone-verify-") as name:
        folder = Path(name) / "ledger"
        try:
            found = restore(objects, folder, Verifier.parse(vkey) if vkey else None)
        except LedgerError as error:
            if error.code != UNREACHABLE:
                raise
            emit({"verdict": "NOT_EVALUATED", "reason": error.message}, output_format)
            return _STATUS["NOT_EVALUATED"]
        whole = verify_all(folder, vkey, since=since, progress=_progress())
        return _tell(whole, found.problems, [*found.notes, beside], output_format)


def _tell(whole: "Whole", problems: list[str], notes: list[str], output_format: str) -> int:
    """Print the outcome; `problems` are those that were found beside the logs themselves."""
    from keepstone.ledger.verify_all import total

    outcome = total(whole)
    verdict, reason = outcome.verdict.value, outcome.reason
    if problems and verdict != "FAIL":
        verdict, reason = "FAIL", problems[0]
    rows = [{"what": each, "start": 0, "stop": None} for each in problems]
    rows += [{"what": each.what, "start": each.start, "stop": each.stop} for each in outcome.problems]
    notes = [*outcome.notes, *(each for each in notes if each)]
    if output_format == "json":
        head = {"verdict": verdict, "reason": reason}
        emit({**head, **_figures(outcome), "problems": rows, "notes": notes, "logs": _logs(whole)}, "json")
        return _STATUS[verdict]
    emit([{"records": "", "problem": each} for each in problems])
    emit([{"records": each.range, "problem": each.what} for each in outcome.problems])
    click.echo(f"{verdict}: {reason}")
    counts = f"{outcome.size} records, {outcome.checked} recomputed, {outcome.signatures} signatures"
    if len(whole.logs) == 1:
        click.echo(f"{counts}, root {outcome.root.hex()}")
    else:
        click.echo(f"{counts}, in {len(whole.logs)} logs")
        for name, log in _logs(whole).items():
            click.echo(f"  {name}: {log['verdict']}, {log['size']} records, root {log['root']}")
    for each in notes:
        talk(f"note: {each}")
    return _STATUS[verdict]


def _figures(outcome: "Verification") -> dict[str, Any]:
    return {
        "size": outcome.size,
        "root": outcome.root.hex(),
        "checked": outcome.checked,
        "pruned": outcome.pruned,
        "signatures": outcome.signatures,
    }


def _logs(whole: "Whole") -> dict[str, dict[str, Any]]:
    return {
        name: {"verdict": each.verdict.value, "size": each.size, "root": each.root.hex()}
        for name, each in whole.logs.items()
    }


def _verifier(key: str | None, directory: Path) -> tuple[str | None, str]:
    """Return the key to verify with, and a warning when it is not one that the caller brought along."""
    if key is not None:
        return read_key(key), ""
    beside = directory.parent / "keys" / "ledger.vkey"
    if not beside.exists():
        return None, ""
    return beside.read_text("ascii", "replace").strip(), (
        f"the key was taken from `{beside}`, beside the ledger: whoever can rewrite both could forge a log "
        "that passes; keep a copy of the key elsewhere and give it with `--key`"
    )


def _progress() -> "Progress":
    """Return a callback that keeps one line on a terminal up to date, and says nothing elsewhere."""

    def line(done: int, total: int) -> None:
        if sys.stderr.isatty() and (done == total or done % 25_600 == 0):
            click.echo(f"\r{done} of {total} records", nl=done == total, err=True)

    return line
