"""Where sealed content lies: segment files apart from the log, each of one day, durable before its record.

A call's record names the segment and the hash of each frame. A frame that no record names was cut off from it
by a crash; it goes with its segment when its days are over.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from keepstone.core.errors import LedgerError
from keepstone.ledger.disk import Disk, make_folder, sync_folder, translate
from keepstone.ledger.record import Sealed
from keepstone.ledger.sealing import Frame, Label, Part, digest, frames, seal, unseal
from keepstone.ledger.subject_keys import SubjectKeys

CONTENT = "content"
_SUFFIX = ".sealed"
_PARTS: tuple[Part, ...] = ("request", "response")
_SEGMENT_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """What of one call is to be kept; an empty part is left out."""

    id: str
    subject: str
    request: bytes
    response: bytes


class Vault:
    """Seals pieces and makes them durable, many by one sync; used by one thread at a time."""

    def __init__(self, ledger: Path, log: str, keys: SubjectKeys, disk: Disk | None = None) -> None:
        self._folder = ledger / CONTENT
        self._log = log
        self._keys = keys
        self._disk = disk or Disk()
        self._descriptor: int | None = None
        self._segment = ""
        self._day = ""
        self._size = 0

    def keep(self, pieces: Sequence[Piece], now_ns: int) -> list[Sealed | LedgerError]:
        """Seal the pieces, make them durable, return what their records are to say.

        A piece whose key cannot be had is not kept: the error stands in its place, and the others go on.
        Raise `LedgerError`, and keep none of them, when the disk refuses.
        """
        made = [self._sealed(each) for each in pieces]
        data = b"".join(frame for each in made if isinstance(each, dict) for frame in each.values())
        try:
            if data:
                self._append(data, datetime.fromtimestamp(now_ns / 1e9, UTC).date().isoformat())
        except OSError as error:
            self.close()  # what is half-written ends its segment: the next one is another file
            raise translate(error, "the content could not be stored") from error
        return [
            self._named(parts, piece.subject) if isinstance(parts, dict) else parts
            for parts, piece in zip(made, pieces, strict=True)
        ]

    def _named(self, parts: dict[Part, bytes], subject: str) -> Sealed:
        hashes = (digest(parts[part]) if part in parts else "" for part in _PARTS)
        return Sealed(subject, self._segment, *hashes)

    def _sealed(self, piece: Piece) -> dict[Part, bytes] | LedgerError:
        try:
            key = self._keys.obtain(piece.subject)
        except LedgerError as error:
            return error
        parts: dict[Part, bytes] = {}
        contents: tuple[tuple[Part, bytes], ...] = (("request", piece.request), ("response", piece.response))
        for part, content in contents:
            if content:
                label = Label(self._log, piece.id, part, piece.subject, key.id)
                parts[part] = seal(key.secret, label, content)
        return parts

    def _append(self, data: bytes, day: str) -> None:
        if self._descriptor is None or day != self._day or self._size > _SEGMENT_BYTES:
            self._begin(day)
        assert self._descriptor is not None  # noqa: S101 - just begun
        self._disk.write_durably(self._descriptor, data)
        self._size += len(data)

    def _begin(self, day: str) -> None:
        self.close()
        make_folder(self._folder)
        name = f"{day}-{secrets.token_hex(8)}{_SUFFIX}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self._folder / name, flags, 0o600)
        sync_folder(self._folder)
        self._segment, self._day, self._size = name, day, 0

    def forget_destroyed(self) -> None:
        """Drop keys from memory that were destroyed by others."""
        self._keys.forget_destroyed()

    def close(self) -> None:
        """Let the open segment go."""
        if self._descriptor is not None:
            self._disk.close(self._descriptor)
            self._descriptor = None


def find(ledger: Path, note: Sealed, part: Part) -> Frame | None:
    """Return the frame that a record names, None when it is gone; raise `LedgerError` when it was changed."""
    wanted = note.request if part == "request" else note.response
    if not wanted or "/" in note.segment or not note.segment.endswith(_SUFFIX):
        return None
    try:
        data = (ledger / CONTENT / note.segment).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise translate(error, "the content cannot be read") from error
    return next((each for each in frames(data) if digest(each.data) == wanted), None)


def read(frame: Frame, keys: SubjectKeys) -> bytes:
    """Return what a frame holds; raise `LedgerError` when its key was destroyed."""
    key = keys.find(frame.label.subject)
    if key is None or key.id != frame.label.key:
        raise LedgerError(
            "the content was erased: the key it was sealed with is destroyed", code="content.erased"
        )
    return unseal(key.secret, frame.data)


def expire(
    ledger: Path, days: int, today: date, held: Callable[[Label], bool], *, dry_run: bool = False
) -> tuple[int, int]:
    """Remove frames that were kept `days` days; return how many went, and how many a hold keeps.

    A segment with held frames is replaced by one of the same name that has only them.
    """
    disk, gone, kept = Disk(), 0, 0
    limit = (today - timedelta(days=days)).isoformat()
    try:
        for path in _segments(ledger, limit):
            all_of_it = list(frames(path.read_bytes()))
            staying = [each for each in all_of_it if held(each.label)]
            gone += len(all_of_it) - len(staying)
            kept += len(staying)
            if dry_run or (staying and len(staying) == len(all_of_it)):
                continue
            if staying:
                disk.place(path, b"".join(each.data for each in staying), path.parent)
            else:
                disk.remove(path)
    except OSError as error:
        raise translate(error, "old content could not be removed") from error
    return gone, kept


def _segments(ledger: Path, limit: str) -> Iterator[Path]:
    """Yield the segments of days before `limit`."""
    for path in sorted((ledger / CONTENT).glob(f"*{_SUFFIX}")):
        if path.name[:10] < limit:
            yield path
