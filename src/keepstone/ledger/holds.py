"""Legal holds: what must not be pruned, expired or erased, until somebody releases it.

Each hold is a file of its own; adding and releasing are recorded in the ledger as well.
"""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from keepstone.core.errors import LedgerError
from keepstone.ledger.disk import Disk, make_folder, translate
from keepstone.ledger.record import ExchangeRecord

HOLDS = "holds"
Cover = Literal["subject", "principal", "everything"]


class Hold(Struct, frozen=True):
    """A hold on `what`: a subject's keyed hash, a principal's id, or nothing for everything."""

    id: str
    cover: Cover
    what: str
    reason: str
    by: str
    time: str

    def covers(self, record: ExchangeRecord) -> bool:
        """Say whether a record, and the content that it names, must stay."""
        match self.cover:
            case "everything":
                return True
            case "subject":
                return record.sealed.subject == self.what
            case "principal":
                return record.principal.id == self.what


_decoder = msgspec.json.Decoder(Hold)


def add(ledger: Path, hold: Hold) -> None:
    """Put a hold in force, durably."""
    try:
        make_folder(ledger / HOLDS)
        Disk().place(_path(ledger, hold.id), msgspec.json.encode(hold), ledger / HOLDS)
    except OSError as error:
        raise translate(error, "the hold could not be written") from error


def new_id() -> str:
    """Return an id for a hold."""
    return secrets.token_hex(4)


def in_force(ledger: Path) -> list[Hold]:
    """Return the holds, oldest first; raise `LedgerError` for one that cannot be read."""
    found = []
    for path in (ledger / HOLDS).glob("*.json"):
        try:
            found.append(_decoder.decode(path.read_bytes()))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise LedgerError(
                f"the hold `{path.name}` cannot be read, so nothing may be removed",
                hint="restore it from a copy, or release it by its id",
            ) from error
    return sorted(found, key=lambda each: (each.time, each.id))


def exists(ledger: Path, which: str) -> bool:
    """Say whether a hold of this id is in force, readable or not."""
    return _path(ledger, which).exists()


def release(ledger: Path, which: str) -> None:
    """End a hold, durably."""
    try:
        Disk().remove(_path(ledger, which))
    except OSError as error:
        raise translate(error, "the hold could not be released") from error


def covering(holds: Iterable[Hold], record: ExchangeRecord) -> Hold | None:
    """Return a hold that covers a record, None when none does."""
    return next((each for each in holds if each.covers(record)), None)


def _path(ledger: Path, which: str) -> Path:
    if not which.isalnum():
        raise LedgerError("expected a hold's id, as `keepstone ledger hold list` shows it")
    return ledger / HOLDS / f"{which}.json"
