"""The write-ahead log's bytes: frames, and the judgement of what a crash left behind; pure.

A segment file is a row of frames. A frame is a header (magic, body length, CRC of the body, CRC of the
header) and a body; the header has its own CRC, so a damaged length is never mistaken for a frame that ends
too early. Frames are: one `segment` (where it starts, of which log), any number of `batch`es, one `seal` when
the next segment exists. A batch is written with one write and is one unit: its records together with the
signed root of the tree after them.

What a crash can leave is a prefix of a frame, or sectors of zeros where blocks never reached the disk. Only
that is torn. Everything else that does not check is damage, and damage is never repaired silently.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from keepstone.core.errors import LedgerCorrupt
from keepstone.ledger.tiles import split_entries

SEGMENT, BATCH, SEAL = b"KSs1", b"KSb1", b"KSe1"
_HEADER = struct.Struct("<4sIII")
_BATCH = struct.Struct("<QQI")
_TAIL = 32 + 64
_SECTOR = 512
_RESTORE = "keep the folder as evidence, restore it from a copy, and run `keepstone ledger verify`"


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that were made durable together, and the signed root after them.

    `durable` is the size that was known to be on the disk when this batch was written.
    """

    first: int
    durable: int
    records: list[bytes]
    root: bytes
    signature: bytes

    @property
    def size(self) -> int:
        """Return the size of the tree after this batch."""
        return self.first + len(self.records)


@dataclass(frozen=True, slots=True)
class Frame:
    """One intact frame of a segment."""

    start: int
    stop: int
    kind: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Torn:
    """The end of a segment that a crash left unfinished; nothing in it was ever acknowledged as durable."""

    segment: str
    offset: int
    lost: bytes


@dataclass(frozen=True, slots=True)
class Replay:
    """What the segments say: the log's origin, where they start, the batches, and a torn end if any."""

    origin: str
    start: int
    batches: list[Batch]
    torn: Torn | None

    @property
    def size(self) -> int:
        """Return the size of the tree after the last batch."""
        return self.batches[-1].size if self.batches else self.start


def segment_name(start: int) -> str:
    """Return the file name of the segment whose first record has this index."""
    return f"{start:020d}.wal"


def frame(kind: bytes, body: bytes) -> bytes:
    """Return a whole frame."""
    head = struct.pack("<4sII", kind, len(body), crc32(body))
    return b"".join((head, crc32(head).to_bytes(4, "little"), body))


def segment_frame(origin: str, start: int) -> bytes:
    """Return the frame that a segment begins with."""
    return frame(SEGMENT, start.to_bytes(8, "little") + origin.encode())


def batch_frame(first: int, durable: int, entries: Sequence[bytes], signature: bytes, root: bytes) -> bytes:
    """Return the frame of a batch of encoded entries; the root stands last, for it never ends in zeros."""
    head = _BATCH.pack(first, durable, len(entries))
    return frame(BATCH, b"".join((head, *entries, signature, root)))


def _decode_batch(body: bytes, where: str) -> Batch:
    if len(body) < _BATCH.size + _TAIL:
        raise LedgerCorrupt(f"{where}: the batch is too short", hint=_RESTORE)
    first, durable, count = _BATCH.unpack_from(body)
    records = split_entries(body[_BATCH.size : -_TAIL], count, where)
    return Batch(first, durable, records, body[-32:], body[-_TAIL:-32])


def _frame_at(data: bytes, at: int) -> Frame | None:
    """Return the intact frame at `at`, None when there is none."""
    if len(data) - at < _HEADER.size:
        return None
    kind, length, body_crc, head_crc = _HEADER.unpack_from(data, at)
    stop = at + _HEADER.size + length
    if crc32(data[at : at + 12]) != head_crc or stop > len(data):
        return None
    body = data[at + _HEADER.size : stop]
    return Frame(at, stop, kind, body) if crc32(body) == body_crc else None


def scan(data: bytes) -> tuple[list[Frame], int]:
    """Return the intact frames from the beginning, and the offset where they end."""
    frames: list[Frame] = []
    at = 0
    while (each := _frame_at(data, at)) is not None:
        frames.append(each)
        at = each.stop
    return frames, at


def _intact_after(data: bytes, at: int) -> Iterator[Frame]:
    """Yield intact batches beyond a broken place, wherever they begin."""
    while (at := data.find(BATCH, at + 1)) >= 0:
        found = _frame_at(data, at)
        if found is not None:
            yield found


def is_torn(data: bytes, at: int) -> bool:
    """Say whether a crash explains the broken frame at `at`: cut short, or a sector of it is all zeros."""
    if len(data) - at < _HEADER.size:
        return True
    stop = at + _HEADER.size
    _, length, _, head_crc = _HEADER.unpack_from(data, at)
    if crc32(data[at : at + 12]) == head_crc:
        stop += length
        if stop > len(data):
            return True
    sector = at // _SECTOR * _SECTOR
    for begin in range(sector, stop, _SECTOR):
        part = data[max(begin, at) : min(begin + _SECTOR, stop)]
        if len(part) >= 4 and not any(part):
            return True
    return False


def replay(segments: Sequence[tuple[str, bytes]]) -> Replay:
    """Read (name, bytes) of all segments in order; raise `LedgerCorrupt` for anything but a torn end."""
    if not segments:
        raise LedgerCorrupt("no segment of the write-ahead log is there", hint=_RESTORE)
    origin, start = "", 0
    batches: list[Batch] = []
    torn: Torn | None = None
    sealed = False
    for position, (name, data) in enumerate(segments):
        frames, stop = scan(data)
        named = _segment_start(name, frames)
        if position == 0:
            origin, start = named
        size = batches[-1].size if batches else start
        if position and (named != (origin, size) or (torn is not None and len(frames) > 1)):
            raise LedgerCorrupt(f"`wal/{name}` does not follow: the log is at record `{size}`", hint=_RESTORE)
        sealed = _collect(name, frames[1:], batches, start)
        if stop != len(data):
            size = batches[-1].size if batches else start
            torn = _judge(name, data, stop, size)
    if sealed:
        raise LedgerCorrupt(f"the segment after `wal/{segments[-1][0]}` is missing", hint=_RESTORE)
    return Replay(origin, start, batches, torn)


def _segment_start(name: str, frames: list[Frame]) -> tuple[str, int]:
    """Return (origin, start) from a segment's first frame, which must agree with its name."""
    if frames and frames[0].kind == SEGMENT and len(frames[0].body) > 8:
        start = int.from_bytes(frames[0].body[:8], "little")
        if segment_name(start) == name:
            return frames[0].body[8:].decode("utf-8", "replace"), start
    raise LedgerCorrupt(f"`wal/{name}` does not begin as a segment of that name", hint=_RESTORE)


def _collect(name: str, frames: list[Frame], batches: list[Batch], start: int) -> bool:
    """Append the batches of one segment, each following the one before; say whether it is sealed."""
    sealed = False
    for each in frames:
        where = f"`wal/{name}` at byte `{each.start}`"
        if sealed or each.kind not in (BATCH, SEAL):
            raise LedgerCorrupt(f"{where}: a frame that does not belong there", hint=_RESTORE)
        sealed = each.kind == SEAL
        if not sealed:
            batch = _decode_batch(each.body, where)
            size = batches[-1].size if batches else start
            if batch.first != size:
                raise LedgerCorrupt(
                    f"{where}: records `{size}` to `{batch.first}` are missing", hint=_RESTORE
                )
            batches.append(batch)
    return sealed


def _judge(name: str, data: bytes, at: int, size: int) -> Torn:
    """Return the torn end at `at`, or raise because it is damage to what was acknowledged."""
    where = f"`wal/{name}` at byte `{at}`, record `{size}`"
    for later in _intact_after(data, at):
        if _BATCH.unpack_from(later.body)[1] > size:
            raise LedgerCorrupt(f"{where}: a damaged batch stands before an intact one", hint=_RESTORE)
    if not is_torn(data, at):
        raise LedgerCorrupt(f"{where}: bytes were changed after they were written", hint=_RESTORE)
    return Torn(name, at, data[at:])
