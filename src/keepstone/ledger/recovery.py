"""Start-up: from what lies on the disk to a ledger that may be written, or a refusal that says why.

All that was acknowledged is in the tiles under the checkpoint or in an intact batch of the write-ahead log.
A torn end was never acknowledged; its bytes are kept aside. Anything else that does not check is refused.
"""

import fcntl
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import note, wal
from keepstone.ledger.disk import Disk, make_folder
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.merkle import EMPTY_ROOT, Frontier, leaf_hash
from keepstone.ledger.publisher import Publisher
from keepstone.ledger.store import CHECKPOINT, LOCK, WAL, TileStore, read_segments
from keepstone.ledger.tiles import TileBuilder, encode_entry


@dataclass(frozen=True, slots=True)
class Recovered:
    """A ledger ready to be written: its edge, its publisher, its one open segment, and what was repaired."""

    frontier: Frontier
    publisher: Publisher
    segment: Path
    repaired: str


def lock(directory: Path) -> int:
    """Take the ledger until the descriptor is closed; raise `LedgerError` when another process has it."""
    make_folder(directory / WAL)
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise LedgerError(
            f"another process writes the ledger `{directory}`",
            hint="one gateway per ledger: stop the other one, or set another `KEEPSTONE_HOME`",
            code="ledger.locked",
        ) from error
    return descriptor


def recover(directory: Path, key: LedgerKey, disk: Disk) -> Recovered:
    """Check and repair a locked ledger; raise `LedgerCorrupt` where an acknowledged record is in doubt."""
    for leftover in (directory / WAL).glob("tmp-*"):
        leftover.unlink()
    segments = read_segments(directory)
    tiles = TileStore(directory)
    published = tiles.checkpoint()
    if published is None:
        published = _create(directory, key, disk, segments)
        segments = read_segments(directory)
    checkpoint = _open_checkpoint(published, key)
    replay = wal.replay(segments)
    _check_bounds(replay, checkpoint, key)
    frontier = _replay(replay, checkpoint, tiles, key)
    builder = _builder(tiles, checkpoint.size)
    repaired = _set_aside(directory, replay.torn, disk) if replay.torn else ""
    publisher = Publisher(directory, builder, disk)
    segment = _publish(directory, key, disk, replay, checkpoint, publisher)
    return Recovered(frontier, publisher, segment, repaired)


def _create(directory: Path, key: LedgerKey, disk: Disk, segments: Sequence[tuple[str, bytes]]) -> str:
    """Lay down an empty log: its first segment, then its first checkpoint; finish a creation cut short."""
    first = wal.segment_name(0)
    begun = [(first, wal.segment_frame(key.name, 0))]
    if (directory / "tile").exists() or segments not in ([], begun):
        raise LedgerCorrupt(
            f"`{CHECKPOINT}` is missing, but the ledger is not new",
            hint="restore it from a copy; do not start a new log over this one",
        )
    if not segments:
        disk.place(directory / WAL / first, begun[0][1], directory / WAL)
    published = key.checkpoint(0, EMPTY_ROOT, key.sign(0, EMPTY_ROOT))
    disk.place(directory / CHECKPOINT, published.encode(), directory / WAL)
    return published


def _open_checkpoint(published: str, key: LedgerKey) -> note.Checkpoint:
    try:
        return note.open_checkpoint(published, note.Verifier.parse(key.verifier))
    except LedgerError as error:
        raise LedgerCorrupt(
            f"`{CHECKPOINT}`: {error.message}",
            hint="the ledger and the key do not belong together, or the file was changed: restore either",
        ) from error


def _check_bounds(replay: wal.Replay, checkpoint: note.Checkpoint, key: LedgerKey) -> None:
    """The write-ahead log must be of this log, begin within the checkpoint and not end before it."""
    if replay.origin != key.name:
        raise LedgerCorrupt(f"the write-ahead log is of `{replay.origin}`, expected `{key.name}`")
    if not replay.start <= checkpoint.size <= replay.size:
        raise LedgerCorrupt(
            f"the write-ahead log covers records `{replay.start}` to `{replay.size}`, "
            f"but the checkpoint is at `{checkpoint.size}`",
            hint="a segment was removed or cut, or the checkpoint is an old one: restore from a copy",
        )


def _replay(replay: wal.Replay, checkpoint: note.Checkpoint, tiles: TileStore, key: LedgerKey) -> Frontier:
    """Recompute every root from the tiles and the batches; the last signature covers them all."""
    frontier = Frontier.at(replay.start, tiles.nodes(checkpoint.size))
    roots = {replay.start: frontier.root()}
    for batch in replay.batches:
        for record in batch.records:
            frontier.add(leaf_hash(record))
        roots[batch.size] = frontier.root()
        if roots[batch.size] != batch.root:
            raise LedgerCorrupt(
                f"records `{batch.first}` to `{batch.size}` do not give the root that was written with them",
                hint="keep the folder as evidence and restore it from a copy",
            )
    if roots.get(checkpoint.size) != checkpoint.root:
        raise LedgerCorrupt(
            f"the tree of `{checkpoint.size}` records does not have the root of `{CHECKPOINT}`",
            hint="run `keepstone ledger verify` to see which records are affected",
        )
    if replay.batches:
        last = replay.batches[-1]
        text = note.Checkpoint(key.name, last.size, last.root).text()
        if not note.Verifier.parse(key.verifier).verifies(text, last.signature):
            raise LedgerCorrupt(f"the signature at record `{last.size}` does not verify")
    return frontier


def _builder(tiles: TileStore, size: int) -> TileBuilder:
    builder = tiles.builder(size)
    row = builder.levels[0] if builder.levels else []
    if [leaf_hash(each[2:]) for each in builder.entries] != row:
        raise LedgerCorrupt(
            f"the last entries before record `{size}` do not match their hashes",
            hint="run `keepstone ledger verify` to see which records are affected",
        )
    return builder


def _set_aside(directory: Path, torn: wal.Torn, disk: Disk) -> str:
    """Keep the torn bytes in a file of their own, then cut them off the segment."""
    kept = directory / WAL / f"torn-{time.time_ns()}"
    disk.place(kept, torn.lost, directory / WAL)
    descriptor = os.open(directory / WAL / torn.segment, os.O_RDWR | os.O_CLOEXEC)
    try:
        disk.truncate(descriptor, torn.offset)
        disk.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    return (
        f"`{len(torn.lost)}` bytes after the last commit in `wal/{torn.segment}` were never acknowledged; "
        f"they were moved to `wal/{kept.name}`"
    )


def _publish(
    directory: Path,
    key: LedgerKey,
    disk: Disk,
    replay: wal.Replay,
    checkpoint: note.Checkpoint,
    publisher: Publisher,
) -> Path:
    """Bring what the segments hold into the tiles and return one segment that is empty."""
    folder = directory / WAL
    segment = folder / wal.segment_name(replay.size)
    if not segment.exists():
        disk.place(segment, wal.segment_frame(key.name, replay.size), folder)
    old = [path for path in sorted(folder.glob("*.wal")) if path != segment]
    if replay.size > checkpoint.size:
        records = [record for batch in replay.batches for record in batch.records][
            checkpoint.size - replay.start :
        ]
        last = replay.batches[-1]
        signed = key.checkpoint(last.size, last.root, last.signature)
        entries = [encode_entry(each) for each in records]
        publisher.add(entries, [leaf_hash(each) for each in records], signed, old)
        publisher.flush()
    else:
        for path in old:
            disk.remove(path)
    return segment
