"""A bucket in memory that can be cut off after any write, and small ledgers to copy into it."""

from collections.abc import Iterator
from pathlib import Path

from keepstone.core.errors import LedgerError
from keepstone.ledger import note
from keepstone.ledger.outside.objects import UNREACHABLE, Stored, other_bytes
from keepstone.ledger.outside.replicate import LedgerCopy
from tests.unit.ledger.support import KEY, opened

VERIFIER = note.Verifier.parse(KEY.verifier)


class MemoryObjects:
    """A bucket; `room` is how many writes still succeed, None for all."""

    def __init__(self) -> None:
        self.where = "memory"
        self.held: dict[str, bytes] = {}
        self.room: int | None = None
        self.writes: list[str] = []

    def put_once(self, key: str, data: bytes) -> None:
        if self.room is not None:
            if self.room <= 0:
                raise LedgerError("the bucket is gone", code=UNREACHABLE)
            self.room -= 1
        if self.held.setdefault(key, data) != data:
            raise other_bytes(self.where, key)
        self.writes.append(key)

    def get(self, key: str) -> bytes | None:
        return self.held.get(key)

    def exists(self, key: str) -> bool:
        return key in self.held

    def names(self, prefix: str) -> list[str]:
        below = [key.removeprefix(prefix) for key in self.held if key.startswith(prefix)]
        return sorted({name + separator for name, separator, _ in (key.partition("/") for key in below)})

    def inventory(self) -> Iterator[Stored]:
        yield from (Stored(key) for key in sorted(self.held))

    def read(self, stored: Stored) -> bytes:
        return self.held[stored.key]


def append(folder: Path, count: int, first: int = 0) -> None:
    """Write records and publish them."""
    with opened(folder) as ledger:
        ledger.submit([(b"record %d" % number, None) for number in range(first, first + count)])


def copy_of(folder: Path, objects: MemoryObjects) -> LedgerCopy:
    """What a gateway that has just started copies with."""
    return LedgerCopy(folder, VERIFIER, objects)
