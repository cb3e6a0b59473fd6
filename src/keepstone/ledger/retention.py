"""Retention: what is too old goes, records as whole bundles and content by frames, unless a hold keeps it.

A hold that cannot be read keeps everything: then nothing is removed at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keepstone.ledger import holds as legal
from keepstone.ledger import vault
from keepstone.ledger.holds import Hold
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.prune import prune
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.record import decode
from keepstone.ledger.sealing import Label
from keepstone.ledger.store import CHECKPOINT
from keepstone.ledger.view import folders
from keepstone.ledger.whole import WholeReader


@dataclass(frozen=True, slots=True)
class Removed:
    """How many records and sealed parts went, and what holds kept that would have gone.

    `held_from` is the address (`log/index`) of the first record that only a hold keeps, if any.
    """

    records: int
    parts: int
    held_parts: int
    held_from: str

    @property
    def detail(self) -> dict[str, str]:
        """Return it as the detail of an event."""
        found = {"records": str(self.records), "parts": str(self.parts)}
        if self.held_parts:
            found["held_parts"] = str(self.held_parts)
        if self.held_from:
            found["held_from"] = self.held_from
        return found


def remove_old(
    ledger: Path, key: LedgerKey, now: datetime, days: tuple[int, int], *, dry_run: bool = False
) -> Removed:
    """Remove records and content older than (records, content) days, or with `dry_run` only say so."""
    found = legal.in_force(ledger)
    limit = (now.astimezone(UTC) - timedelta(days=days[0])).isoformat()
    records, held_from = 0, ""
    for name, folder in folders(ledger).items():
        if (folder / CHECKPOINT).exists():
            first_kept, held = _first_kept(folder, limit, found)
            held_from = held_from or (f"{name}/{first_kept}" if held else "")
            records += prune(folder, key.of_shard(name), first_kept, dry_run=dry_run) if first_kept else 0
    parts, held_parts = vault.expire(
        ledger, days[1], now.astimezone(UTC).date(), _keeps(ledger, found), dry_run=dry_run
    )
    return Removed(records, parts, held_parts, held_from)


def _first_kept(log: Path, limit: str, holds: Sequence[Hold]) -> tuple[int, bool]:
    """Return the index of the first record of a log that stays, and whether it is a hold that keeps it."""
    first_kept = 0
    for index, entry in LedgerReader(log).entries():
        record = decode(entry)
        if record.time >= limit:
            break
        if legal.covering(holds, record) is not None:
            return index, True
        first_kept = index + 1
    return first_kept, False


def _keeps(ledger: Path, holds: Sequence[Hold]) -> Callable[[Label], bool]:
    """Return whether a hold keeps a sealed part."""
    if any(each.cover == "everything" for each in holds):
        return lambda _label: True
    subjects = {each.what for each in holds if each.cover == "subject"}
    principals = [each for each in holds if each.cover == "principal"]
    calls: set[str] = set()
    if principals:
        records = (decode(entry) for _, entry in WholeReader(ledger).entries())
        calls = {each.id for each in records if legal.covering(principals, each) is not None}
    return lambda label: label.subject in subjects or label.id in calls


def hold_on_subject(ledger: Path, subject: str) -> Hold | None:
    """Return a hold that forbids to erase a subject's content, None when there is none."""
    found = legal.in_force(ledger)
    for each in found:
        if each.cover == "everything" or (each.cover == "subject" and each.what == subject):
            return each
    principals = [each for each in found if each.cover == "principal"]
    if not principals:
        return None
    for _, entry in WholeReader(ledger).entries():
        record = decode(entry)
        if record.sealed.subject == subject:
            hold = legal.covering(principals, record)
            if hold is not None:
                return hold
    return None


def names_subject(ledger: Path, subject: str) -> bool:
    """Say whether any record that is left names content of a subject."""
    needle = subject.encode()
    return any(
        needle in entry and decode(entry).sealed.subject == subject
        for _, entry in WholeReader(ledger).entries()
    )
