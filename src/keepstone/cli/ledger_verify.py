"""`keepstone ledger verify`: recompute a ledger, or a copy of it, and say whether anything was changed."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.on_record import ledger_option
from keepstone.cli.output import emit, format_option, talk
from keepstone.cli.places import anchor_options, anchors_named, anchors_of, place, place_options, read_key
from keepstone.core.errors import LedgerCorrupt, LedgerError, UsageError

if TYPE_CHECKING:
    from keepstone.ledger.outside.anchor import Anchor
    from keepstone.ledger.outside.objects import Objects
    from keepstone.ledger.outside.witness import WitnessAnchor
    from keepstone.ledger.verdict import Verification
    from keepstone.ledger.verify import Begin
    from keepstone.ledger.verify_all import Whole
    from keepstone.ledger.walk import Progress

_STATUS = {"PASS": 0, "FAIL": 1, "NOT_EVALUATED": 3}


@click.command(
    epilog="""\b
Example:
  keepstone ledger verify
  keepstone ledger verify --key /safe/ledger.vkey --since /safe/checkpoint
  keepstone ledger verify --key /safe/ledger.vkey --store s3://acme-ledger/prod
  keepstone ledger verify --key /safe/ledger.vkey --anchors
  keepstone ledger verify --key /safe/ledger.vkey --anchor s3://acme-anchors/prod
  keepstone ledger verify --machines --since /safe/machines.json

\b
Exit status: 0 everything agrees, 1 something does not, 2 usage, 3 it could not be told."""
)
@ledger_option
@click.option("--key", metavar="VKEY|FILE", help="The log's verifier key, or the file that holds it.")
@click.option(
    "--since",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A checkpoint, a view or a list of machines kept from earlier; what it covers must still be there.",
)
@click.option("--store", metavar="PLACE", help="Verify the copy in s3://BUCKET/PREFIX or a folder instead.")
@click.option("--anchors", is_flag=True, help="It must hold all that the policy's anchors were told.")
@click.option("--machines", is_flag=True, help="Verify the ledgers of all machines that the database knows.")
@click.option(
    "--machine",
    "shown",
    metavar="PLACE",
    multiple=True,
    help="With --machines: where a machine's ledger lies, a folder or s3://BUCKET/PREFIX; repeatable.",
)
@click.option("--database", metavar="URL", help="With --machines: PostgreSQL.  [default: KEEPSTONE_DATABASE]")
@anchor_options
@place_options
@format_option
def verify(
    directory: Path,
    key: str | None,
    since: Path | None,
    store: str | None,
    anchors: bool,
    machines: bool,
    shown: tuple[str, ...],
    database: str | None,
    policy: Path,
    places: tuple[str, ...],
    witness: tuple[tuple[str, str], ...],
    region: str,
    endpoint_url: str,
    output_format: str,
) -> int:
    """Recompute the whole ledger from its records and say whether anything was changed."""
    if machines or shown:
        from keepstone.cli.ledger_machines import Asked, verify_machines

        return verify_machines(Asked(shown, database, key, since), (region, endpoint_url), output_format)
    vkey, beside = _verifier(key, directory)
    earlier = _signed_note(since) if since else None
    asked = anchors_named(witness, places, region, endpoint_url) + (anchors_of(policy) if anchors else [])
    heard = _hear(asked, vkey)
    heard.notes += [beside] if beside else []
    if store is not None:
        return _verify_copy(place(store, region, endpoint_url), (vkey, earlier), heard, output_format)
    if not directory.is_dir():
        raise UsageError(f"no ledger in `{directory}`", hint="give its folder with `--ledger`")
    return _verify_folder(directory, (vkey, earlier), heard, output_format)


def _signed_note(path: Path) -> str:
    """Return a file's text; refuse one that is no signed note, which says nothing about the ledger."""
    from keepstone.ledger.note import split

    try:
        text = path.read_text("utf-8", "replace")
        split(text)
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read: {(error.strerror or 'failed').lower()}") from error
    except LedgerError as error:
        hint = "`--since` takes a `checkpoint` or a `view` of this ledger that was kept"
        raise UsageError(f"`{path}` is no signed checkpoint: {error.message}", hint=hint) from error
    return text


@dataclass(slots=True)
class _Heard:
    """What was found beside the logs: from places outside, and about them."""

    begins: "dict[str, list[Begin]]" = field(default_factory=dict)
    witnesses: "list[WitnessAnchor]" = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _hear(anchors: "list[Anchor]", vkey: str | None) -> _Heard:
    """Read what buckets and folders were told; witnesses are asked when the log has been verified."""
    from keepstone.ledger.note import Verifier
    from keepstone.ledger.outside.anchor import NoteAnchor, anchored
    from keepstone.ledger.outside.witness import WitnessAnchor

    heard, verifier = _Heard(), Verifier.parse(vkey) if vkey else None
    for each in anchors:
        if isinstance(each, WitnessAnchor):
            heard.witnesses.append(each)
            continue
        assert isinstance(each, NoteAnchor)  # noqa: S101 - there is no third kind
        try:
            found = anchored(each.objects, verifier)
        except LedgerError as error:
            heard.unknown.append(f"anchor `{each.where}` could not be read: {error.message}")
            continue
        heard.problems += found.problems
        for name, begins in found.begins.items():
            heard.begins.setdefault(name, []).extend(begins)
        if found.notes:
            heard.notes.append(f"anchor `{each.where}`: {found.notes} signed notes were compared")
        else:
            heard.unknown.append(f"anchor `{each.where}` holds nothing of this ledger")
    return heard


def _verify_folder(
    directory: Path,
    known: tuple[str | None, str | None],
    heard: _Heard,
    output_format: str,
    *,
    holds: bool = True,
) -> int:
    """Verify a ledger and what is known of it: the key, an earlier note, what anchors were told."""
    from keepstone.ledger.note import Verifier
    from keepstone.ledger.verify_all import verify_all

    vkey, since = known
    whole = verify_all(directory, vkey, since=since, anchored=heard.begins, holds=holds, progress=_progress())
    for each in heard.witnesses:
        if vkey is None:
            heard.unknown.append(f"witness `{each.where}` was not asked, for no verifier key was given")
            continue
        try:
            each.ask(directory, Verifier.parse(vkey))
        except LedgerCorrupt as error:
            heard.problems.append(error.message)
        except LedgerError as error:
            heard.unknown.append(error.message)
        else:
            heard.notes.append(f"witness `{each.where}` cosigned every log of it just now")
    return _tell(whole, heard, output_format)


def _verify_copy(
    objects: "Objects", known: tuple[str | None, str | None], heard: _Heard, output_format: str
) -> int:
    """Fetch a copy into a folder for the time of the command and verify it there."""
    from keepstone.ledger.note import Verifier
    from keepstone.ledger.outside.objects import UNREACHABLE
    from keepstone.ledger.outside.restore import restore

    with TemporaryDirectory(prefix="keepstone-verify-") as name:
        folder = Path(name) / "ledger"
        try:
            found = restore(objects, folder, Verifier.parse(known[0]) if known[0] else None)
        except LedgerError as error:
            if error.code != UNREACHABLE:
                raise
            emit({"verdict": "NOT_EVALUATED", "reason": error.message}, output_format)
            return _STATUS["NOT_EVALUATED"]
        heard.problems += found.problems
        heard.notes += found.notes
        _forgive_what_follows(heard, found.sizes)
        return _verify_folder(folder, known, heard, output_format, holds=False)


def _forgive_what_follows(heard: _Heard, sizes: dict[str, int]) -> None:
    """A copy comes a moment after: what anchors know beyond its end says nothing about it, and is told."""
    for name, begins in heard.begins.items():
        held = sizes.get(name, 0)
        longest = max(begins, key=lambda each: each.size)
        if longest.size > held:
            heard.unknown.append(f"log `{name}`: the copy ends at `{held}`, before {longest.where}")
        heard.begins[name] = [each for each in begins if each.size <= held]
    heard.notes += [f"witness `{each.where}` was not asked about a copy" for each in heard.witnesses]
    heard.witnesses.clear()


def _tell(whole: "Whole", heard: _Heard, output_format: str) -> int:
    """Print the outcome of the logs and of what was heard beside them."""
    from keepstone.ledger.verify_all import total

    outcome = total(whole)
    verdict, reason = outcome.verdict.value, outcome.reason
    problems = heard.problems
    if problems and verdict != "FAIL":
        verdict, reason = "FAIL", problems[0]
    elif heard.unknown and verdict == "PASS":
        verdict, reason = "NOT_EVALUATED", heard.unknown[0]
    rows = [{"what": each, "start": 0, "stop": None} for each in problems]
    rows += [{"what": each.what, "start": each.start, "stop": each.stop} for each in outcome.problems]
    notes = [*outcome.notes, *heard.notes, *heard.unknown]
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
