"""`keepstone ledger machines`, and `verify --machines`: the ledgers of several machines as one."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.output import emit, format_option, talk
from keepstone.cli.places import place, read_key
from keepstone.core.errors import LedgerError, StoreError, UsageError
from keepstone.core.settings import from_environment

if TYPE_CHECKING:
    from keepstone.ledger.machines import Judged, Machine, Stated
    from keepstone.store.machines import MachineRow

STATUS = {"PASS": 0, "FAIL": 1, "NOT_EVALUATED": 3}
DATABASE = "the database"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants verified: places, and who says which machines there are."""

    places: tuple[str, ...]
    database: str | None
    keys: str | None
    since: Path | None


@click.command(
    epilog="""\b
Example:
  keepstone ledger machines
  keepstone ledger machines --format json > /safe/machines.json"""
)
@click.option("--database", metavar="URL", help="PostgreSQL.  [default: KEEPSTONE_DATABASE]")
@format_option
def machines(database: str | None, output_format: str) -> None:
    """List the machines that share a database, with what each said of its ledger last.

    Keep the JSON elsewhere: `verify --machines --since` then misses a machine that the database forgot.
    """
    from keepstone.ledger.view import open_view

    rows = _rows(_url(database))
    if output_format == "json":
        emit(rows, "json")
        return
    now = time.time_ns()
    emit(
        [
            {
                "ledger": row.ledger,
                "host": row.host,
                "records": sum(each.size for each in open_view(row.note, None).logs.values()),
                "copy": row.copy,
                "seconds_ago": (now - row.reported_ns) // 1_000_000_000,
            }
            for row in rows
        ]
    )
    if not rows:
        talk("no machine has reported; gateways do so when they share a database")


def verify_machines(asked: Asked, reach: tuple[str, str], output_format: str) -> int:
    """Verify every place and every machine that is known; return the exit status."""
    from keepstone.ledger.machines import conclude, known

    unknown: list[str] = []
    found = known(_stated(asked, unknown))
    with ExitStack() as held:
        judged = list(_judge_all(found, asked.places, reach, held))
    verdict, reason = conclude(judged)
    if unknown and verdict.value == "PASS":
        return _print(judged, "NOT_EVALUATED", unknown[0], output_format)
    return _print(judged, verdict.value, reason, output_format)


def _stated(asked: Asked, unknown: list[str]) -> "Iterator[Stated]":
    """Yield who is known: by keys that were brought along, by a list that was kept, by the database."""
    from keepstone.ledger.machines import Stated
    from keepstone.ledger.note import Verifier

    if asked.keys is not None:
        for line in filter(None, map(str.strip, read_key(asked.keys).splitlines())):
            yield Stated(Verifier.parse(line).name, line, "the key file")
    if asked.since is not None:
        for row in _kept(asked.since):
            yield Stated(row.ledger, row.verifier, f"`{asked.since}`", row.note, row.host, row.copy)
    url = asked.database or from_environment().database_url
    if not url and asked.keys is None and asked.since is None:
        raise UsageError(
            "nobody says which machines there are", hint="`--database URL`, `--since` or `--key`"
        )
    if not url:
        return
    try:
        for row in _rows(url):
            yield Stated(row.ledger, row.verifier, DATABASE, row.note, row.host, row.copy)
    except StoreError as error:
        if asked.keys is None and asked.since is None:
            raise
        unknown.append(f"which machines there are besides: {error.message}")


def _judge_all(
    found: "dict[str, Machine]", places: tuple[str, ...], reach: tuple[str, str], held: ExitStack
) -> "Iterator[Judged]":
    """Judge what lies in the places that are shown, else in the machines' own copies; then who is missing."""
    from keepstone.ledger.machines import absent, judge, ledger_name, unknown

    seen: set[str] = set()
    for each in places:
        folder = Path(each) if not each.startswith("s3://") else _fetched_any(found, each, reach, held)
        name = ledger_name(folder) if folder is not None else ""
        if folder is None or name not in found:
            yield unknown(name, each)
            continue
        seen.add(name)
        yield judge(found[name], folder, each, holds=folder == Path(each))
    for name, machine in sorted(found.items()):
        if name in seen:
            continue
        if places or not machine.copies:
            yield absent(machine)
            continue
        for copy in machine.copies:
            try:
                yield judge(machine, _fetched(machine, copy, reach, held), copy, holds=False)
            except LedgerError as error:
                yield absent(machine, f"the copy of {machine.title} cannot be read: {error.message}")


def _fetched(machine: "Machine", target: str, reach: tuple[str, str], held: ExitStack) -> Path:
    """Lay a copy down in a folder for the time of the command; raise `LedgerError` if it cannot be read."""
    from keepstone.ledger.note import Verifier
    from keepstone.ledger.outside.restore import restore

    folder = Path(held.enter_context(TemporaryDirectory(prefix="keepstone-verify-"))) / "ledger"
    done = restore(place(target, *reach), folder, Verifier.parse(machine.verifier))
    machine.problems += done.problems
    return folder


def _fetched_any(
    found: "dict[str, Machine]", target: str, reach: tuple[str, str], held: ExitStack
) -> Path | None:
    """Return the copy of whichever machine a bucket belongs to."""
    for machine in found.values():
        try:
            return _fetched(machine, target, reach, held)
        except LedgerError as error:
            talk(f"note: `{target}` is not of {machine.title}: {error.message}")
    return None


def _print(judged: "list[Judged]", verdict: str, reason: str, output_format: str) -> int:
    rows: list[dict[str, Any]] = [
        {
            "ledger": each.ledger,
            "host": each.host,
            "place": each.place,
            "verdict": each.verdict.value,
            "records": each.whole.size if each.whole else None,
            "reason": each.reason,
        }
        for each in judged
    ]
    if output_format == "json":
        for row, each in zip(rows, judged, strict=True):
            row["problems"] = each.problems
            logs = each.whole.logs if each.whole else {}
            row["logs"] = {name: {"size": log.size, "root": log.root.hex()} for name, log in logs.items()}
        records = sum(each.whole.size for each in judged if each.whole)
        emit({"verdict": verdict, "reason": reason, "records": records, "machines": rows}, "json")
    else:
        emit(rows)
        click.echo(f"{verdict}: {reason}")
        counts = Counter(each.verdict.value for each in judged)
        click.echo(", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    return STATUS[verdict]


def _url(database: str | None) -> str:
    url = database or from_environment().database_url
    if not url:
        raise UsageError("no database is named", hint="`--database URL` or KEEPSTONE_DATABASE")
    return url


def _rows(url: str) -> "list[MachineRow]":
    from keepstone.store.engine import open_database
    from keepstone.store.machines import Machines

    engine = open_database(url)
    try:
        return Machines(engine).all()
    finally:
        engine.dispose()


def _kept(path: Path) -> "list[MachineRow]":
    from keepstone.store.machines import MachineRow

    try:
        return [MachineRow(**each) for each in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        hint = "`keepstone ledger machines --format json` writes one"
        raise UsageError(f"`{path}` is no list of machines", hint=hint) from error
