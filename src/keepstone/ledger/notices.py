"""Notices for the ledger: what a command has done, left where whoever writes the ledger will record it.

The ledger has one writer. A command that must be on record leaves a durable notice; a running gateway records
it within a second, and where none runs, the command opens the ledger itself. Recording is done after what the
notice says is true: an erasure cut short by a crash is completed first. While a worker is being replaced,
two could record, and a command may be a third: who holds the folder's lock does.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from keepstone.core.errors import LedgerError
from keepstone.ledger.disk import Disk, alone, make_folder, translate
from keepstone.ledger.subject_keys import destroy

NOTICES = "notices"
ERASED = "content.erased"
MAX_NOTICE = 32 << 10
"""Bytes; with what else stands in a record it must fit into an entry, or nobody could ever record it."""
EVENTS = frozenset(
    {
        ERASED,
        "content.erasure_refused",
        "content.read",
        "content.expired",
        "deploy.applied",
        "deploy.apply_begun",
        "deploy.apply_failed",
        "deploy.destroy_begun",
        "deploy.destroy_failed",
        "deploy.destroyed",
        "hold.added",
        "hold.released",
        "key.created",
        "key.revoked",
        "ledger.prune_ordered",
        "ledger.pruned",
    }
)


class Notice(Struct, frozen=True):
    """An event and its detail, as they will stand in the record."""

    event: str
    detail: dict[str, str]


_decoder = msgspec.json.Decoder(Notice)


def leave(ledger: Path, notice: Notice) -> Path:
    """Write a notice durably and return its file, which is gone when it is on record."""
    data = msgspec.json.encode(notice)
    if len(data) > MAX_NOTICE:
        raise LedgerError("what would be recorded is too long", hint=f"expected at most `{MAX_NOTICE}` bytes")
    path = ledger / NOTICES / f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    try:
        make_folder(path.parent)
        Disk().place(path, data, path.parent)
    except OSError as error:
        raise translate(error, "the notice could not be written") from error
    return path


def pending(ledger: Path) -> list[tuple[Path, Notice]]:
    """Return what is to be recorded, oldest first; raise `LedgerError` for a file that is no notice."""
    found = []
    for path in sorted((ledger / NOTICES).glob("*.json")):
        try:
            notice = _decoder.decode(path.read_bytes())
        except FileNotFoundError:
            continue
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise LedgerError(f"the notice `{path.name}` cannot be read") from error
        if notice.event not in EVENTS:
            raise LedgerError(f"the notice `{path.name}` names no event that a command may leave")
        found.append((path, notice))
    return found


def fulfil(notice: Notice, subjects: Path) -> None:
    """Make true what a notice says; `subjects` is the folder of the subjects' keys."""
    if notice.event == ERASED:
        destroy(subjects, notice.detail["subject"], notice.detail["key"])


@contextmanager
def taking(ledger: Path) -> Iterator[list[tuple[Path, Notice]]]:
    """Yield what is to be recorded to one process at a time; to all others, nothing."""
    if not (ledger / NOTICES).is_dir():
        yield []
        return
    with alone(ledger / NOTICES, wait=False) as ours:
        yield pending(ledger) if ours else []


def done(path: Path) -> None:
    """Remove a notice that is on record, durably."""
    try:
        Disk().remove(path)
    except OSError as error:
        raise translate(error, "a recorded notice could not be removed") from error


def record_all(ledger: Path, subjects: Path, append: Callable[[Notice], object]) -> int:
    """Fulfil and append what is pending; return how many notices were recorded."""
    with taking(ledger) as notices:
        for path, notice in notices:
            fulfil(notice, subjects)
            append(notice)
            done(path)
        return len(notices)
