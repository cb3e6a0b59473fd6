"""Reading the static form from a folder: checkpoint, tiles, bundles, and tree nodes out of them."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger.merkle import Nodes, complete_root
from keepstone.ledger.tiles import HASH, WIDTH, TileBuilder, bundle_path, split_entries, tile_path

CHECKPOINT = "checkpoint"
PRUNED = "pruned"
WAL = "wal"
LOCK = "wal/lock"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a folder held at one moment: the published note, the segments (None without `wal`)."""

    checkpoint: str | None
    segments: list[tuple[str, bytes]] | None


def read_segments(directory: Path) -> list[tuple[str, bytes]]:
    """Return (name, bytes) of the write-ahead log's segments, oldest first."""
    return [(path.name, path.read_bytes()) for path in sorted((directory / WAL).glob("*.wal"))]


def snapshot(directory: Path) -> Snapshot:
    """Read checkpoint and segments so that they fit together, also while a writer replaces them."""
    tiles = TileStore(directory)
    for _ in range(100):
        before = tiles.checkpoint()
        try:
            segments = read_segments(directory)
        except FileNotFoundError:  # published and deleted between listing and reading
            continue
        except OSError as error:
            raise LedgerError(
                "the write-ahead log cannot be read", hint="check owner and permissions"
            ) from error
        names = [path.name for path in sorted((directory / WAL).glob("*.wal"))]
        if before == tiles.checkpoint() and names == [name for name, _ in segments]:
            return Snapshot(before, segments if (directory / WAL).is_dir() else None)
    raise LedgerError("the ledger changes too fast to be read", hint="try again")


def is_live(directory: Path) -> bool:
    """Say whether a process holds the ledger for writing."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


class TileStore:
    """The tiles of one ledger folder; a partial file is also found inside the fuller one that replaced it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._cache: dict[tuple[int, int], list[bytes]] = {}

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, None when it is missing."""
        try:
            return (self.directory / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LedgerError(f"`{path}` cannot be read", hint="check owner and permissions") from error

    def checkpoint(self) -> str | None:
        """Return the published note, None when there is none."""
        raw = self.read(CHECKPOINT)
        return None if raw is None else raw.decode("utf-8", "replace")

    def hashes(self, level: int, number: int, width: int) -> list[bytes]:
        """Return the first `width` hashes of a tile; raise `LedgerCorrupt` when they are not there."""
        known = self._cache.get((level, number))
        if known is None or len(known) < width:
            known = self._load(level, number, width)
            if len(self._cache) >= 4096:
                self._cache.clear()
            self._cache[level, number] = known
        return known[:width]

    def _load(self, level: int, number: int, width: int) -> list[bytes]:
        for each in dict.fromkeys((width, WIDTH)):
            path = tile_path(level, number, each)
            raw = self.read(path)
            if raw is not None:
                if len(raw) != each * HASH:
                    raise _damaged(path, f"is `{len(raw)}` bytes long, expected `{each * HASH}`")
                return [raw[at : at + HASH] for at in range(0, len(raw), HASH)]
        raise _damaged(tile_path(level, number, width), "is missing")

    def bundle(self, number: int, width: int) -> list[bytes] | None:
        """Return the first `width` records of a bundle, None when no file of it is there."""
        for each in dict.fromkeys((width, WIDTH)):
            path = bundle_path(number, each)
            raw = self.read(path)
            if raw is not None:
                return split_entries(raw, each, path)[:width]
        return None

    def records(self, number: int, width: int) -> list[bytes]:
        """Return the first `width` records of a bundle; raise `LedgerCorrupt` when it is missing."""
        found = self.bundle(number, width)
        if found is None:
            raise _damaged(bundle_path(number, width), "is missing")
        return found

    def nodes(self, size: int) -> Nodes:
        """Return the tree's nodes as far as the tiles of a log of `size` records hold them."""

        def node(level: int, index: int) -> bytes:
            row, low = divmod(level, 8)
            first, count = index << low, 1 << low
            number, start = divmod(first, WIDTH)
            width = min(WIDTH, (size >> 8 * row) - number * WIDTH)
            if width < start + count:
                raise LedgerCorrupt(f"the tiles end before node `{level}/{index}`")
            return complete_root(self.hashes(row, number, width)[start : start + count])

        return node

    def builder(self, size: int) -> TileBuilder:
        """Return a builder that goes on where the files for `size` records end."""
        number, width = divmod(size, WIDTH)
        records = self.records(number, width) if width else []
        builder = TileBuilder(size, [len(each).to_bytes(2, "big") + each for each in records])
        level = 0
        while size >> 8 * level:
            number, width = divmod(size >> 8 * level, WIDTH)
            builder.levels.append(self.hashes(level, number, width) if width else [])
            level += 1
        return builder


def _damaged(path: str, what: str) -> LedgerCorrupt:
    return LedgerCorrupt(
        f"`{path}` {what}", hint="restore the file from a copy of the ledger, then try again"
    )
