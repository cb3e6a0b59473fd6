"""The static form of the log: paths and bytes of C2SP `tlog-tiles`, and the builder that grows them; pure.

A hash tile `tile/<level>/<n>` holds up to 256 hashes of 32 bytes, an entry bundle `tile/entries/<n>` up to
256 entries, each behind its length as a big-endian uint16. A file that is not full yet has the suffix
`.p/<width>`.
"""

import re
from collections.abc import Iterator

from keepstone.core.errors import LedgerCorrupt
from keepstone.ledger.merkle import complete_root

WIDTH = 256
HASH = 32
_PARTIAL = re.compile(r"tile/(entries|[0-9]+)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?\Z")


def number_path(number: int) -> str:
    """Return a tile number in groups of three digits: 1234067 -> `x001/x234/067`."""
    path = f"{number % 1000:03d}"
    while number := number // 1000:
        path = f"x{number % 1000:03d}/{path}"
    return path


def tile_path(level: int, number: int, width: int = WIDTH) -> str:
    """Return where the hash tile lies, relative to the ledger's folder."""
    return f"tile/{level}/{number_path(number)}" + ("" if width == WIDTH else f".p/{width}")


def bundle_path(number: int, width: int = WIDTH) -> str:
    """Return where the entry bundle lies, relative to the ledger's folder."""
    return f"tile/entries/{number_path(number)}" + ("" if width == WIDTH else f".p/{width}")


def parse_path(path: str) -> tuple[int, int, int] | None:
    """Return (level, number, width) of a tile's path, level -1 for entries; None for any other file."""
    match = _PARTIAL.match(path)
    if match is None:
        return None
    kind, digits, width = match.groups()
    number = int(digits.replace("x", "").replace("/", ""))
    return (-1 if kind == "entries" else int(kind), number, int(width or WIDTH))


def encode_entry(record: bytes) -> bytes:
    """Return the record behind its length."""
    return len(record).to_bytes(2, "big") + record


def split_entries(data: bytes, count: int, where: str) -> list[bytes]:
    """Return exactly `count` records from encoded entries; raise `LedgerCorrupt` naming `where` otherwise."""
    records: list[bytes] = []
    at = 0
    for _ in range(count):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        records.append(data[start:at])
    if at != len(data):
        raise LedgerCorrupt(
            f"`{where}` does not hold exactly `{count}` entries",
            hint="the file was changed or cut; restore it from a copy of the ledger",
        )
    return records


class TileBuilder:
    """Grows the tiles of a log record by record; what is full comes out of `add`, the rest of `partial`."""

    __slots__ = ("entries", "levels", "size")

    def __init__(self, size: int = 0, entries: list[bytes] | None = None) -> None:
        self.size = size
        self.entries = entries or []
        self.levels: list[list[bytes]] = []

    def add(self, entry: bytes, leaf: bytes) -> list[tuple[str, bytes]]:
        """Append an encoded entry (empty where it was pruned); return (path, bytes) of each file it fills."""
        self.entries.append(entry)
        self.size += 1
        filled: list[tuple[str, bytes]] = []
        if len(self.entries) == WIDTH:
            filled.append((bundle_path((self.size - 1) // WIDTH), b"".join(self.entries)))
            self.entries = []
        level, number, node = 0, self.size, leaf
        while True:
            if level == len(self.levels):
                self.levels.append([])
            row = self.levels[level]
            row.append(node)
            if len(row) < WIDTH:
                return filled
            number //= WIDTH
            filled.append((tile_path(level, number - 1), b"".join(row)))
            node = complete_root(row)
            row.clear()
            level += 1

    def partial(self) -> Iterator[tuple[str, bytes]]:
        """Yield (path, bytes) of each file that is begun and not full, for the checkpoint at this size."""
        if self.entries:
            yield bundle_path(self.size // WIDTH, len(self.entries)), b"".join(self.entries)
        for level, row in enumerate(self.levels):
            if row:
                number = self.size >> 8 * (level + 1)
                yield tile_path(level, number, len(row)), b"".join(row)
