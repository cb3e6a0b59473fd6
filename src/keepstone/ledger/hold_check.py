"""Whether every legal hold that is on record still stands, or was released on record.

A hold is a file, so who can write the ledger's folder can take it away; the record of it they cannot.
"""

from dataclasses import dataclass
from pathlib import Path

from keepstone.core.errors import LedgerError
from keepstone.ledger import holds
from keepstone.ledger.record import decode
from keepstone.ledger.whole import Address, WholeReader

_ADDED, _RELEASED = "hold.added", "hold.released"


@dataclass(frozen=True, slots=True)
class HoldCheck:
    """What is wrong with the holds, and why it could not be told where it could not."""

    problems: tuple[str, ...] = ()
    unknown: str = ""


def check_holds(ledger: Path, *, pruned: bool) -> HoldCheck:
    """Compare the record with what stands; `pruned` says that records of several logs may be gone.

    A release is on record before its file goes, and an addition after its file came. So the record is read,
    then the folder, then the record again: a command at work meanwhile looks like neither.
    """
    try:
        added, released = _on_record(ledger)
        standing = {each.id: each for each in holds.in_force(ledger)}
        doubtful = {
            which: told
            for which, told in added.items()
            if which not in released and (which not in standing or told[1:] != _cover(standing[which]))
        }
        if doubtful:
            released = _on_record(ledger)[1]
    except LedgerError as error:
        return HoldCheck(unknown=f"legal holds: {error.message}")
    problems = tuple(
        f"hold `{which}` is on record (`{told[0]}`) and not released, and "
        + ("is not as it was recorded" if which in standing else "does not stand")
        for which, told in doubtful.items()
        if which not in released
    )
    if problems and pruned:
        return HoldCheck(unknown=f"{problems[0]}; a record of its release may have been pruned")
    return HoldCheck(problems)


def _on_record(ledger: Path) -> tuple[dict[str, tuple[Address, str, str]], set[str]]:
    """Return the holds that were added, with address, cover and what, and the ids of released ones."""
    added: dict[str, tuple[Address, str, str]] = {}
    released: set[str] = set()
    for address, entry in WholeReader(ledger).entries():
        if b'"event":"hold.' not in entry:
            continue
        record = decode(entry)
        if record.event == _ADDED:
            detail = record.detail
            added[detail.get("hold", "")] = (address, detail.get("cover", ""), detail.get("what", ""))
        elif record.event == _RELEASED:
            released.add(record.detail.get("hold", ""))
    return added, released


def _cover(hold: holds.Hold) -> tuple[str, str]:
    return hold.cover, hold.what
