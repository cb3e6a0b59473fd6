"""The published part of a log, recomputed: every record hashed, every tile rebuilt and compared."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from keepstone.core.errors import LedgerCorrupt
from keepstone.ledger.merkle import Frontier, leaf_hash
from keepstone.ledger.store import TileStore
from keepstone.ledger.tiles import HASH, WIDTH, TileBuilder, bundle_path, parse_path, split_entries, tile_path
from keepstone.ledger.verdict import Problem

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Walk:
    """Goes through the bundles in order; `edges` keeps the tree's edge at the sizes in `wanted`."""

    tiles: TileStore
    size: int
    pruned: int
    wanted: frozenset[int]
    problems: list[Problem] = field(default_factory=list)
    edges: dict[int, Frontier] = field(default_factory=dict)
    _tile_edges: dict[int, Frontier] = field(default_factory=dict)
    checked: int = 0
    complete: bool = True
    by_record: Frontier = field(default_factory=Frontier)
    by_tile: Frontier = field(default_factory=Frontier)
    _builder: TileBuilder = field(default_factory=TileBuilder)
    _differences: list[Problem] = field(default_factory=list)

    def run(self, root: bytes, progress: Progress) -> None:
        """Walk all bundles; `root` is what the checkpoint states for the whole."""
        self._keep()
        for number in range(-(-self.size // WIDTH)):
            self._bundle(number, min(WIDTH, self.size - number * WIDTH))
            if not self.complete:
                return
            progress(min(self.size, (number + 1) * WIDTH), self.size)
        for path, data in self._builder.partial():
            self._compare(path, data)
        self._judge(root)

    def _bundle(self, number: int, width: int) -> None:
        first = number * WIDTH
        stored = self._try(lambda: self.tiles.hashes(0, number, width), first, width)
        records = self._try(lambda: self.tiles.bundle(number, width), first, width)
        if records is None and first + width > self.pruned and not self._reported(first):
            path = bundle_path(number, width)
            self.problems.append(
                Problem(f"`{path}` is missing: its records were removed", first, first + width)
            )
        computed = [leaf_hash(record) for record in records] if records is not None else stored
        if computed is None:
            self.complete = False
            return
        self.checked += width if records is not None else 0
        if stored is not None and records is not None and stored != computed:
            self._differ(first, stored, computed)
        for ours, theirs in zip(computed, stored or computed, strict=True):
            self._add(ours, theirs)

    def _try(self, read: Callable[[], list[bytes] | None], first: int, width: int) -> list[bytes] | None:
        try:
            return read()
        except LedgerCorrupt as error:
            self.problems.append(Problem(error.message, first, first + width))
            return None

    def _reported(self, first: int) -> bool:
        """Say whether a bundle that is there but unreadable was reported already."""
        return any(each.start == first and "entries" in each.what for each in self.problems)

    def _differ(self, first: int, stored: list[bytes], computed: list[bytes]) -> None:
        wrong = [at for at, pair in enumerate(zip(stored, computed, strict=True)) if pair[0] != pair[1]]
        what = "were reordered" if sorted(stored) == sorted(computed) else "were changed"
        self._differences.append(Problem(what, first + wrong[0], first + wrong[-1] + 1))

    def _add(self, ours: bytes, theirs: bytes) -> None:
        self.by_record.add(ours)
        self.by_tile.add(theirs)
        for path, data in self._builder.add(b"", theirs):
            self._compare(path, data)
        self._keep()

    def _keep(self) -> None:
        if self.by_record.size in self.wanted:
            self.edges[self.by_record.size] = self.by_record.copy()
            self._tile_edges[self.by_tile.size] = self.by_tile.copy()

    def _compare(self, path: str, data: bytes) -> None:
        """Compare a hash tile above the leaves with the one on disk; `_bundle` reads the lower ones."""
        parsed = parse_path(path)
        if parsed is None or parsed[0] < 1:
            return
        level, number, width = parsed
        first, stop = number * WIDTH << 8 * level, min(self.size, number * WIDTH + width << 8 * level)
        found = self._try(lambda: self.tiles.hashes(level, number, width), first, stop - first)
        if found is not None and b"".join(found) != data:
            self.problems.append(Problem(f"`{path}` does not match the tiles below it", first, stop))

    def _judge(self, root: bytes) -> None:
        """Say which side of each difference agrees with the signed root."""
        records_hold, tiles_hold = self.by_record.root() == root, self.by_tile.root() == root
        for each in self._differences:
            if records_hold:
                what = f"`{tile_path(0, each.start // WIDTH)}` was changed; the records themselves are intact"
            else:
                what = f"records {each.what} after they were written"
            self.problems.append(Problem(what, each.start, each.stop))
        if tiles_hold:  # what was signed still stands in the hash tiles, so the rest is compared with them
            self.edges = self._tile_edges
        if not records_hold and not (tiles_hold and self._differences):
            what = "the records do not have the root that the checkpoint states"
            self.problems.append(Problem(what, 0, self.size))


def leftovers(
    tiles: TileStore, found: Iterable[str], published: int, size: int
) -> tuple[list[Problem], list[str]]:
    """Check the files that the walk does not reach: old partial files, and files beyond the log's end."""
    problems: list[Problem] = []
    notes: list[str] = []
    for path in found:
        parsed = parse_path(path)
        if parsed is None:
            notes.append(f"`{path}` does not belong to the ledger")
            continue
        level, number, width = parsed
        stop = number * WIDTH + width << 8 * max(level, 0)
        if stop > size:
            what = f"`{path}` is of a longer log: the newest records and their checkpoint were taken away"
            problems.append(Problem(what, size, stop))
        elif stop > published:
            notes.append(f"`{path}` is not published yet")
        elif width < WIDTH and not _is_prefix(tiles, path, level, number, width):
            problems.append(
                Problem(f"`{path}` does not match the log", number * WIDTH << 8 * max(level, 0), stop)
            )
    return problems, notes


def _is_prefix(tiles: TileStore, path: str, level: int, number: int, width: int) -> bool:
    """Say whether a partial file begins the same as the fuller file that came after it."""
    raw = tiles.read(path) or b""
    try:
        if level >= 0:
            return raw == b"".join(tiles.hashes(level, number, width)) and len(raw) == width * HASH
        leaves = tiles.hashes(0, number, width)
        return [leaf_hash(each) for each in split_entries(raw, width, path)] == leaves
    except LedgerCorrupt:
        return False
