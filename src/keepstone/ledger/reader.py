"""Reading a ledger, also while it is being written: published tiles, then the write-ahead log's batches.

A reader shows the log as it was when it was opened or last refreshed. It trusts what it reads; `verify` does
not.
"""

import base64
from collections.abc import Iterator
from pathlib import Path

import msgspec

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import note, wal
from keepstone.ledger.merkle import inclusion_proof, leaf_hash, node_hash
from keepstone.ledger.proof import Proof
from keepstone.ledger.store import CHECKPOINT, TileStore, snapshot
from keepstone.ledger.tiles import WIDTH


class LedgerReader:
    """The records of one ledger folder: `size` of them, under the signed `checkpoint` of that size."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.refresh()

    def refresh(self) -> None:
        """Take in what was committed since; raise `LedgerError` when there is no ledger."""
        state = snapshot(self.directory)
        if state.checkpoint is None:
            raise LedgerError(f"no ledger in `{self.directory}`", hint="the folder holds no `checkpoint`")
        self._tiles = TileStore(self.directory)
        text, signatures = note.split(state.checkpoint)
        published = note.parse_checkpoint(text)
        self.origin = published.origin
        self.published = self.size = self._tail_start = published.size
        self.root = published.root
        self.checkpoint = state.checkpoint
        self._tail: list[bytes] = []
        if state.segments is not None:
            self._take(wal.replay(state.segments), signatures)

    def _take(self, replay: wal.Replay, signatures: list[str]) -> None:
        if not replay.start <= self.published <= replay.size:
            raise LedgerCorrupt("the write-ahead log does not fit the checkpoint", hint="run `ledger verify`")
        self._tail_start = replay.start
        self._tail = [record for batch in replay.batches for record in batch.records]
        if replay.batches and replay.size > self.published:
            last = replay.batches[-1]
            self.size, self.root = last.size, last.root
            text = note.Checkpoint(self.origin, self.size, self.root).text()
            self.checkpoint = note.render(text, self.origin, _key_id(self.origin, signatures), last.signature)

    def entry(self, index: int) -> bytes:
        """Return one record; raise `LedgerError` when there is none or it was pruned."""
        if not 0 <= index < self.size:
            raise LedgerError(f"no record `{index}`: the ledger holds `{self.size}`")
        for _, record in self.entries(index, index + 1):
            return record
        raise LedgerError(f"record `{index}` was pruned", hint="its hash is still in the log")

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Yield (index, record) from `start` up to `stop`; records that were pruned are left out."""
        stop = self.size if stop is None else min(stop, self.size)
        tiled = min(stop, self._tail_start)
        for number in range(start // WIDTH, -(-tiled // WIDTH)):
            first = number * WIDTH
            for offset, record in enumerate(self._bundle(number)):
                if start <= first + offset < tiled:
                    yield first + offset, record
        for index in range(max(start, self._tail_start), stop):
            yield index, self._tail[index - self._tail_start]

    def newest(self) -> Iterator[tuple[int, bytes]]:
        """Yield (index, record), the last one first."""
        for offset in range(len(self._tail) - 1, -1, -1):
            if self._tail_start + offset < self.size:
                yield self._tail_start + offset, self._tail[offset]
        for number in range(-(-self._tail_start // WIDTH) - 1, -1, -1):
            first = number * WIDTH
            records = self._bundle(number)[: self._tail_start - first]
            yield from ((first + offset, records[offset]) for offset in range(len(records) - 1, -1, -1))

    def find(self, identity: str) -> list[tuple[int, bytes]]:
        """Return (index, record) of all records of one request, oldest first; not what mentions it."""
        needle = b'"id":' + msgspec.json.encode(identity)
        return [
            (index, record)
            for index, record in self.newest()
            if needle in record and _identity(record) == identity
        ][::-1]

    def prove(self, index: int) -> Proof:
        """Return the proof that a record is in the log, under the newest signed checkpoint."""
        record = self.entry(index)
        return Proof(record, index, tuple(inclusion_proof(index, self.size, self.node)), self.checkpoint)

    def node(self, level: int, index: int) -> bytes:
        """Return a node of the tree: from a tile, or computed from records that are not published yet."""
        if index + 1 << level <= self.published:
            return self._tiles.nodes(self.published)(level, index)
        if level == 0:
            return leaf_hash(self._tail[index - self._tail_start])
        return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))

    def _bundle(self, number: int) -> list[bytes]:
        width = min(WIDTH, self.published - number * WIDTH)
        return self._tiles.bundle(number, width) or []


def _key_id(origin: str, signatures: list[str]) -> bytes:
    """Return the key id from the checkpoint's own signature line."""
    for line in signatures:
        if line.startswith(f"\u2014 {origin} "):
            return base64.b64decode(line.rpartition(" ")[2])[:4]
    raise LedgerCorrupt(f"`{CHECKPOINT}` is not signed by its own log", hint="run `ledger verify`")


class _Identified(msgspec.Struct):
    id: str


_identified = msgspec.json.Decoder(_Identified)


def _identity(record: bytes) -> str | None:
    """Return a record's own id: a caller, or an event's detail, may have one that reads the same."""
    try:
        return _identified.decode(record).id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
