"""The few ways in which the ledger touches the disk, durable when they return; the seam for fault tests."""

import errno
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keepstone.core.errors import LedgerError, LedgerFull

_NEW_SYNCED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_DSYNC
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class UnconfirmedError(OSError):
    """What was written may not be on the disk, and nobody can tell."""


class Disk:
    """The real disk. File descriptors are plain integers; every failure is an `OSError`."""

    def open_append(self, path: Path) -> int:
        """Open an existing file for appending."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of `data`; a part of it may be in the file when this raises."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    def write_durably(self, descriptor: int, data: bytes) -> None:
        """Write all of `data` and wait until it is on the disk; `UnconfirmedError` if only that failed."""
        self.write(descriptor, data)
        try:
            self.fdatasync(descriptor)
        except OSError as error:
            raise UnconfirmedError(*error.args) from error

    def fdatasync(self, descriptor: int) -> None:
        """Wait until the file's content and length are on the disk."""
        os.fdatasync(descriptor)

    def truncate(self, descriptor: int, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(descriptor, size)

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        os.close(descriptor)

    def place(self, path: Path, data: bytes, temporary: Path) -> None:
        """Put a whole file at `path` at once: write aside in `temporary`, sync, rename, sync the folder."""
        aside = temporary / f"tmp-{secrets.token_hex(8)}"
        try:
            descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                self.write(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            make_folder(path.parent)
            aside.replace(path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def place_all(self, files: Iterable[tuple[Path, bytes]], temporary: Path) -> None:
        """Put whole files at their places, durable together when this returns; any may be there if it raises.

        It does by far fewer system calls than `place` one by one. After each, a thread has to ask for the
        interpreter, and the thread that serves calls pays for that.
        """
        aside = os.fspath(temporary / f"tmp-{secrets.token_hex(8)}")
        folders: set[Path] = set()
        try:
            for path, data in files:
                if path.parent not in folders:
                    make_folder(path.parent)
                    folders.add(path.parent)
                descriptor = os.open(aside, _NEW_SYNCED, 0o644)
                try:
                    self.write(descriptor, data)
                finally:
                    os.close(descriptor)
                os.replace(aside, path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        for folder in folders:
            sync_folder(folder)

    def remove(self, path: Path) -> None:
        """Delete a file that may be gone already, so that it cannot come back after a crash."""
        path.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextmanager
def alone(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Be the only process that works on a folder; without `wait`, yield False when another one does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, each entry synced into its parent."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def translate(error: OSError, doing: str) -> LedgerError:
    """Return our error for one of the disk: `LedgerFull` when space will help, else `LedgerError`."""
    reason = os.strerror(error.errno or errno.EIO).lower()
    if error.errno in _FULL:
        return LedgerFull(f"{doing}: {reason}", hint="free space on the ledger's disk; writing then goes on")
    return LedgerError(f"{doing}: {reason}", hint="check the disk and the kernel log, then restart")
