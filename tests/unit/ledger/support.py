"""A disk that does not wait for the platter and can be told to fail, and small ledgers to try things on."""

import errno
import os
import shutil
import threading
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path

from keepstone.ledger.disk import Disk
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.writer import Ledger

KEY = LedgerKey.create("keepstone/0123456789abcdef")


class QuickDisk(Disk):
    """Everything but the waiting; still at once, for readers that look at the same time."""

    def place(self, path: Path, data: bytes, temporary: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = temporary / f"tmp-{threading.get_ident()}"
        aside.parent.mkdir(exist_ok=True)
        aside.write_bytes(data)
        aside.replace(path)

    def place_all(self, files: Iterable[tuple[Path, bytes]], temporary: Path) -> None:
        for path, data in files:
            self.place(path, data, temporary)

    def fdatasync(self, descriptor: int) -> None:
        pass

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)


class FaultyDisk(QuickDisk):
    """Fails where told: `write_room` bytes still fit, `fail` names the calls that raise EIO."""

    def __init__(self) -> None:
        self.write_room: int | None = None
        self.fail: set[str] = set()

    def write(self, descriptor: int, data: bytes) -> None:
        if self.write_room is not None:
            super().write(descriptor, data[: self.write_room])
            if len(data) > self.write_room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        else:
            super().write(descriptor, data)

    def place(self, path: Path, data: bytes, temporary: Path) -> None:
        self._maybe("place")
        super().place(path, data, temporary)

    def fdatasync(self, descriptor: int) -> None:
        self._maybe("fdatasync")

    def truncate(self, descriptor: int, size: int) -> None:
        self._maybe("truncate")
        super().truncate(descriptor, size)

    def _maybe(self, name: str) -> None:
        if name in self.fail:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@contextmanager
def opened(directory: Path, key: LedgerKey = KEY, disk: Disk | None = None, **options):
    """Yield a ledger that is closed in any case."""
    options.setdefault("notify", lambda _waiters, _error: None)
    ledger = Ledger.open(directory, key, disk=disk or QuickDisk(), **options)
    try:
        yield ledger
    finally:
        ledger.close()


def write(directory: Path, count: int, *, first: int = 0) -> None:
    """Append `count` records and publish them."""
    waiters: list[object] = []
    with opened(directory, notify=lambda told, _error: waiters.extend(told)) as ledger:
        for index in range(first, first + count):
            ledger.submit([(b"record %d" % index, index)])
    assert waiters == list(range(first, first + count))


def crashed(directory: Path, published: int, tail: int) -> Path:
    """Return a copy of a ledger as a crash leaves it: `tail` batches of one record after the checkpoint."""
    live = directory / "live"
    if published:
        write(live, published)
    with opened(live) as ledger:
        for index in range(published, published + tail):
            assert ledger.append(b"record %d" % index) == index
        return Path(shutil.copytree(live, directory / "crashed"))


def wal_of(directory: Path) -> Path:
    """Return the only segment of a ledger."""
    (segment,) = (directory / "wal").glob("*.wal")
    return segment
