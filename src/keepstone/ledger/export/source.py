"""Where an export reads: every log of a ledger, record by record, each with its place in its log."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from keepstone.core.errors import LedgerError
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.record import ExchangeRecord, decode
from keepstone.ledger.view import MAIN, folders


class Entry(Struct, frozen=True):
    """A record and where it stands: the log's folder name, its origin, its index there."""

    log: str
    origin: str
    index: int
    record: ExchangeRecord

    @property
    def uid(self) -> str:
        """Return an id that is the same in every export, and no other entry's."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.origin}#{self.index}"))

    @property
    def when(self) -> datetime:
        """Return when the record was made."""
        return datetime.fromisoformat(self.record.time)


class Source:
    """All logs of the ledger in a folder; `foreign` counts entries that are no records of this version."""

    def __init__(self, ledger: Path) -> None:
        self._logs = {
            name: LedgerReader(folder)
            for name, folder in folders(ledger).items()
            if name == MAIN or (folder / "checkpoint").exists()
        }
        self.foreign = 0

    @property
    def sizes(self) -> dict[str, int]:
        """Return how many records each log holds."""
        return {name: log.size for name, log in self._logs.items()}

    def entries(self, log: str, start: int = 0) -> Iterator[Entry]:
        """Yield the records of one log from `start` on; what was pruned is left out."""
        reader = self._logs[log]
        for index, data in reader.entries(start):
            try:
                record = decode(data)
            except LedgerError:
                self.foreign += 1
                continue
            yield Entry(log, reader.origin, index, record)

    def between(self, since: str, until: str) -> Iterator[Entry]:
        """Yield all records with `since` <= time < `until`, log by log; both RFC 3339 in UTC, or empty."""
        for log in self._logs:
            for entry in self.entries(log):
                if since <= entry.record.time and (not until or entry.record.time < until):
                    yield entry
