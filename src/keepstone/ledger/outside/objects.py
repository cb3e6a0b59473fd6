"""Places outside that keep what is written once: a bucket, or a folder on another disk."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger.disk import Disk, make_folder

UNREACHABLE = "ledger.unreachable"
_ASIDE = ".tmp"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as it was first written; `altered` says what was done to its key since, empty if nothing."""

    key: str
    version: str = ""
    altered: str = ""


class Objects(Protocol):
    """A bucket, or what looks like one. Each key is written once.

    Every method raises `LedgerError` with the code `ledger.unreachable` when the place does not do what is
    asked, so that nothing can be told.
    """

    where: str

    def put_once(self, key: str, data: bytes) -> None:
        """Write an object whole, or find the same bytes there; raise `LedgerCorrupt` for other bytes."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return an object as it was first written, None when there never was one."""
        ...

    def exists(self, key: str) -> bool:
        """Say whether there is an object."""
        ...

    def names(self, prefix: str) -> list[str]:
        """Return, sorted, what lies right below a prefix that ends in `/`; folders end in `/`, too."""
        ...

    def inventory(self) -> Iterator[Stored]:
        """Yield every object, sorted by key."""
        ...

    def read(self, stored: Stored) -> bytes:
        """Return the bytes of an object of the inventory."""
        ...


def other_bytes(where: str, key: str) -> LedgerCorrupt:
    """Return the error for a key under which something else was written before."""
    return LedgerCorrupt(
        f"`{where}/{key}` holds something else than this ledger",
        hint="another log was written there, or this one was put back to an older state: run `ledger verify`",
    )


class FolderObjects:
    """A folder, best on a disk or a share of its own."""

    def __init__(self, folder: Path) -> None:
        self.where = str(folder)
        self._folder = folder
        self._disk = Disk()

    def put_once(self, key: str, data: bytes) -> None:
        """Write a file, durable when this returns."""
        path = self._folder / key
        try:
            if not path.exists():
                make_folder(self._folder / _ASIDE)
                self._disk.place(path, data, self._folder / _ASIDE)
            elif path.read_bytes() != data:
                raise other_bytes(self.where, key)
        except OSError as error:
            raise self._failed("written", key, error) from error

    def get(self, key: str) -> bytes | None:
        """Return a file's bytes."""
        try:
            return (self._folder / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise self._failed("read", key, error) from error

    def exists(self, key: str) -> bool:
        """Say whether there is a file."""
        return (self._folder / key).is_file()

    def names(self, prefix: str) -> list[str]:
        """Return the files and folders of one folder."""
        self._require()
        try:
            with os.scandir(self._folder / prefix) as found:
                return sorted(each.name + "/" * each.is_dir() for each in found)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed("read", prefix, error) from error

    def inventory(self) -> Iterator[Stored]:
        """Yield every file."""
        self._require()
        paths = (path.relative_to(self._folder) for path in self._folder.rglob("*") if path.is_file())
        for path in sorted(each.as_posix() for each in paths if each.parts[0] != _ASIDE):
            yield Stored(path)

    def read(self, stored: Stored) -> bytes:
        """Return a file's bytes; raise if it went meanwhile."""
        found = self.get(stored.key)
        if found is None:
            raise LedgerError(f"`{self.where}/{stored.key}` has gone", code=UNREACHABLE)
        return found

    def _require(self) -> None:
        """A folder that is not there at all is a share that is not mounted: nothing can be told."""
        if not self._folder.is_dir():
            raise LedgerError(f"there is no folder `{self.where}`", hint="is it mounted?", code=UNREACHABLE)

    def _failed(self, doing: str, key: str, error: OSError) -> LedgerError:
        what = os.strerror(error.errno or 0).lower()
        return LedgerError(f"`{self.where}/{key}` cannot be {doing}: {what}", code=UNREACHABLE)
