"""The consent register on disk, read whole and again when it changes; unreadable means nobody can tell."""

import asyncio
import logging
from pathlib import Path

from keepstone.core.errors import KeepstoneError
from keepstone.policy.residency.consent import Receipts, read_register

MAX_BYTES = 512 * 1024 * 1024
LOG = logging.getLogger("keepstone.residency")


class ConsentFile:
    """The receipts of a file; `receipts` is swapped as a whole, and `None` while it cannot be read."""

    def __init__(self, file: Path) -> None:
        self.receipts: Receipts | None = None
        self._file = file
        self._stamp: tuple[int, int, int] | None = None
        self._load()

    async def refresh(self) -> bool:
        """Read the register again if it has changed; say whether it has."""
        if self._stat() == self._stamp:
            return False
        await asyncio.to_thread(self._load)
        return True

    def _load(self) -> None:
        stamp = self._stat()
        try:
            self.receipts = read_register(_bounded(self._file))
        except (OSError, KeepstoneError) as error:
            if self.receipts is not None or stamp != self._stamp:
                reason = error.message if isinstance(error, KeepstoneError) else error.strerror
                LOG.error("the consent register `%s` cannot be used: %s", self._file, reason)  # noqa: TRY400
            self.receipts = None
            stamp = None if isinstance(error, OSError) else stamp  # what a disk would not give may come later
        self._stamp = stamp

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _bounded(file: Path) -> bytes:
    """Return the file's bytes; raise `KeepstoneError` for one that is too large to be held in memory."""
    if file.stat().st_size > MAX_BYTES:
        raise KeepstoneError("it is larger than 512 MiB", code="consent.register")
    return file.read_bytes()
