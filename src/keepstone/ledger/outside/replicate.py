"""Copies what a ledger publishes to a place outside, so that a checkpoint comes after all that it covers.

State is what the place holds: the newest signed checkpoint there, and the full tiles behind it. Nothing is
sent before its root is that of the signed checkpoint, for what was written once cannot be mended. What was
removed here by retention is not sent, and the signed statement about that is.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import note
from keepstone.ledger.merkle import Frontier, leaf_hash
from keepstone.ledger.outside.layout import (
    PRUNED_NOTES,
    checkpoint_key,
    held_edge,
    numbered,
    prefix_of,
    view_key,
)
from keepstone.ledger.outside.objects import Objects
from keepstone.ledger.prune import read_pruned
from keepstone.ledger.store import PRUNED, TileStore
from keepstone.ledger.tiles import HASH, WIDTH, TileBuilder, encode_entry, tile_path
from keepstone.ledger.view import View, folders, open_view, read_view

GROUP = 8
"""How many full bundles are sent at once; a crash leaves at most so many unordered."""

Files = list[tuple[str, bytes]]


class StoppedError(LedgerError):
    """The copying was told to stop in the middle; the next one goes on from there."""


@dataclass(slots=True)
class LogCopy:
    """The copy of one log; `edge` is of what the place holds under a checkpoint, None until it was asked."""

    folder: Path
    log: str
    verifier: note.Verifier
    objects: Objects
    stop: threading.Event
    edge: Frontier | None = None
    _resume: bool = True
    _pruned: int = 0
    _partial: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Return how many records the copy holds under a checkpoint."""
        return self.edge.size if self.edge is not None else 0

    def step(self) -> None:
        """Copy up to the checkpoint that is published now; raise `LedgerError` and go on there next time."""
        tiles = TileStore(self.folder)
        signed = tiles.checkpoint()
        if signed is None:
            return
        checkpoint = note.open_checkpoint(signed, self.verifier)
        if self.edge is None:
            self.edge = held_edge(self.objects, self.log, self.verifier, tiles, checkpoint)
        if checkpoint.size == self.edge.size:
            return
        reached, seals = _survey(tiles, self.edge, checkpoint)
        resume, self._resume = self._resume, True
        first = self._first_missing(self.edge.size // WIDTH, len(seals)) if resume else 0
        self._send(tiles, checkpoint, seals, first)
        self._send_pruned(tiles)
        self.objects.put_once(checkpoint_key(self.log, checkpoint.size), signed.encode())
        self.edge, self._resume = reached, False

    def _first_missing(self, start: int, count: int) -> int:
        """Return how many of `count` full bundles from `start` on surely are there, whole and in order."""
        known, step = 0, 1
        while known + step <= count and self._has_tile(start + known + step - 1):
            known, step = known + step, step * 2
        while step := step // 2:
            if known + step <= count and self._has_tile(start + known + step - 1):
                known += step
        return max(0, known - GROUP)

    def _has_tile(self, number: int) -> bool:
        """Full tiles of level 0 are written after all else of their group."""
        return self.objects.exists(prefix_of(self.log) + tile_path(0, number))

    def _send(self, tiles: TileStore, checkpoint: note.Checkpoint, seals: list[bytes], first: int) -> None:
        """Send every file from the edge up to the checkpoint but those of the `first` full bundles."""
        assert self.edge is not None  # noqa: S101 - the caller has just set it
        at = self.edge.size // WIDTH * WIDTH
        builder = tiles.builder(at)
        pruned = self._pruned_before(tiles)
        with ThreadPoolExecutor(GROUP, "keepstone-copy") as pool:
            group: Files = []
            for position, seal in enumerate(seals):
                at += WIDTH
                files = _grow(builder, tiles, at, (seal, pruned))
                group += files if position >= first else []
                if position % GROUP == GROUP - 1 or position == len(seals) - 1:
                    self._send_group(pool, group)
                    group = []
            _grow(builder, tiles, checkpoint.size, (b"", pruned))
            partial = dict(builder.partial())
            self._send_all(pool, [each for each in partial.items() if each[0] not in self._partial])
            self._partial = set(partial)

    def _send_group(self, pool: ThreadPoolExecutor, files: Files) -> None:
        last = [each for each in files if each[0].startswith("tile/0/")]
        self._send_all(pool, [each for each in files if each not in last])
        self._send_all(pool, last)

    def _send_all(self, pool: ThreadPoolExecutor, files: Files) -> None:
        for _ in pool.map(self._put, files):
            pass

    def _put(self, file: tuple[str, bytes]) -> None:
        if self.stop.is_set():
            raise StoppedError("the copying was stopped")
        self.objects.put_once(prefix_of(self.log) + file[0], file[1])

    def _pruned_before(self, tiles: TileStore) -> int:
        signed = tiles.read(PRUNED)
        return 0 if signed is None else read_pruned(signed.decode("utf-8", "replace"), self.verifier).before

    def _send_pruned(self, tiles: TileStore) -> None:
        before = self._pruned_before(tiles)
        signed = tiles.read(PRUNED)
        if signed is not None and before > self._pruned:
            self.objects.put_once(f"{prefix_of(self.log)}{PRUNED_NOTES}{numbered(before)}", signed)
            self._pruned = before


def _survey(tiles: TileStore, edge: Frontier, checkpoint: note.Checkpoint) -> tuple[Frontier, list[bytes]]:
    """Return the edge at the checkpoint, which its root proves, and a digest of each full tile on the way."""
    frontier, seals = edge.copy(), []
    for number in range(edge.size // WIDTH, checkpoint.size // WIDTH):
        raw = tiles.read(tile_path(0, number)) or b""
        if len(raw) != WIDTH * HASH:
            raise LedgerCorrupt(f"`{tile_path(0, number)}` is missing or cut", hint="run `ledger verify`")
        seals.append(sha256(raw).digest())
        for at in range(frontier.size - number * WIDTH, WIDTH):
            frontier.add(raw[at * HASH : (at + 1) * HASH])
    number, width = divmod(checkpoint.size, WIDTH)
    if width:
        for leaf in tiles.hashes(0, number, width)[frontier.size - number * WIDTH :]:
            frontier.add(leaf)
    if frontier.root() != checkpoint.root:
        raise LedgerCorrupt(
            "the tiles do not have the root of the signed checkpoint, so they are not copied",
            hint="run `keepstone ledger verify` to see which records are affected",
        )
    return frontier, seals


def _grow(builder: TileBuilder, tiles: TileStore, stop: int, known: tuple[bytes, int]) -> Files:
    """Add the records of one bundle, up to `stop`, and return the files that are full then.

    `known` is the digest that its full tile must have, and below which index records may be missing.
    """
    start, (seal, pruned) = builder.size, known
    if start == stop:
        return []
    number, width = start // WIDTH, stop - start
    records = tiles.bundle(number, width)
    if records is None and stop > pruned:
        raise LedgerCorrupt(f"the records `{start}` to `{stop - 1}` are missing", hint="run `ledger verify`")
    stored = tiles.hashes(0, number, width)
    leaves = [leaf_hash(each) for each in records] if records is not None else stored
    if leaves != stored or (seal and sha256(b"".join(leaves)).digest() != seal):
        raise LedgerCorrupt(
            f"the records `{start}` to `{stop - 1}` do not match their hashes, so they are not copied",
            hint="run `keepstone ledger verify` to see which are affected",
        )
    files: Files = []
    for position, leaf in enumerate(leaves):
        files += builder.add(encode_entry(records[position]) if records is not None else b"", leaf)
    return [each for each in files if records is not None or not each[0].startswith("tile/entries/")]


@dataclass(slots=True)
class LedgerCopy:
    """The copy of a whole ledger: each log, and the view once the copy holds all that it names."""

    ledger: Path
    verifier: note.Verifier
    objects: Objects
    stop: threading.Event = field(default_factory=threading.Event)
    logs: dict[str, LogCopy] = field(default_factory=dict)
    _view: tuple[View, str] | None = None
    _view_sent: View | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """Return how many records of each log the copy holds."""
        return {name: each.size for name, each in self.logs.items()}

    def step(self) -> None:
        """Copy what was published since; a log that fails does not keep the others from it."""
        if self._view is None:
            self._view = self._look()
        failures: list[LedgerError] = []
        for name, folder in folders(self.ledger).items():
            if name not in self.logs:
                own = self.verifier.of_shard(name)
                self.logs[name] = LogCopy(folder, name, own, self.objects, self.stop)
            try:
                self.logs[name].step()
            except LedgerError as error:
                failures.append(error)
        if self._view is not None and self._covered(self._view[0]):
            self.objects.put_once(view_key(self._view[0]), self._view[1].encode())
            self._view_sent, self._view = self._view[0], None
        if failures:
            raise next((each for each in failures if isinstance(each, LedgerCorrupt)), failures[0])

    def _look(self) -> tuple[View, str] | None:
        signed = read_view(self.ledger)
        if signed is None:
            return None
        view = open_view(signed, self.verifier)
        return None if view == self._view_sent else (view, signed)

    def _covered(self, view: View) -> bool:
        sizes = self.sizes
        return all(sizes.get(name, 0) >= each.size for name, each in view.logs.items())
