"""Reading all logs of a ledger as one: an address is an index in the first log, `shard/index` elsewhere."""

import heapq
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from keepstone.core.errors import LedgerError
from keepstone.ledger.proof import Proof
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.record import decode
from keepstone.ledger.view import MAIN, folders

Address = int | str


class WholeReader:
    """Every record of a ledger, whichever worker wrote it."""

    def __init__(self, ledger: Path) -> None:
        self.directory = ledger
        self._logs: dict[str, LedgerReader] = {}
        for name, folder in folders(ledger).items():
            if name == MAIN or (folder / "checkpoint").exists():
                self._logs[name] = LedgerReader(folder)

    @property
    def size(self) -> int:
        """Return how many records there are."""
        return sum(log.size for log in self._logs.values())

    def newest(self) -> Iterator[tuple[Address, bytes]]:
        """Yield (address, record), the latest first, by the times that the records state."""
        if len(self._logs) == 1:
            yield from self._logs[MAIN].newest()
            return
        ways = [_timed(name, log.newest()) for name, log in self._logs.items()]
        for _, address, record in heapq.merge(*ways, key=lambda each: each[0], reverse=True):
            yield address, record

    def entries(self) -> Iterator[tuple[Address, bytes]]:
        """Yield (address, record), log by log, each oldest first."""
        for name, log in self._logs.items():
            for index, record in log.entries():
                yield _address(name, index), record

    def find(self, identity: str) -> list[tuple[Address, bytes]]:
        """Return (address, record) of all records of one request, oldest first; one worker wrote them all."""
        for name, log in self._logs.items():
            found = log.find(identity)
            if found:
                return [(_address(name, index), record) for index, record in found]
        return []

    def holds(self, address: str) -> bool:
        """Say whether there is, or was before it was pruned, a record of this address."""
        try:
            log, index = self._resolve(address)
        except LedgerError:
            return False
        return index < log.size

    def entry(self, address: Address) -> bytes:
        """Return one record; raise `LedgerError` when there is none."""
        log, index = self._resolve(address)
        return log.entry(index)

    def prove(self, address: Address) -> Proof:
        """Return the proof that a record is in its log."""
        log, index = self._resolve(address)
        return log.prove(index)

    def _resolve(self, address: Address) -> tuple[LedgerReader, int]:
        shard, _, index = str(address).rpartition("/")
        log = self._logs.get(shard or MAIN)
        if log is None or not index.isdecimal() or len(index) > 19:
            raise LedgerError(
                f"no record `{str(address)[:60]}`", hint=f"the ledger holds `{self.size}` records"
            )
        return log, int(index)


def _timed(name: str, records: Iterator[tuple[int, bytes]]) -> Iterator[tuple[str, Address, bytes]]:
    time = "9999"
    for index, record in records:
        with suppress(LedgerError):  # one that is not ours stands beside its neighbour
            time = decode(record).time
        yield time, _address(name, index), record


def _address(name: str, index: int) -> Address:
    return index if name == MAIN else f"{name}/{index}"
