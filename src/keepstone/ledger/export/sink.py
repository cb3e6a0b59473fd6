"""Where an export is written: objects under keys, as in S3; a folder is one, too."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from keepstone.core.errors import LedgerError

META = ".meta.json"


class Sink(Protocol):
    """A bucket, or what looks like one. `bucket` is its name as the digests state it."""

    bucket: str

    def put(self, key: str, data: bytes, metadata: Mapping[str, str]) -> None:
        """Write an object whole or not at all; raise `LedgerError` when it cannot be written."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return an object, `None` when there is none; raise `LedgerError` when that cannot be told."""
        ...


class FolderSink:
    """A folder as a bucket; an object's metadata lies beside it in `<key>.meta.json`."""

    def __init__(self, folder: Path, bucket: str = "") -> None:
        self._folder = folder
        self.bucket = bucket or folder.resolve().name

    def put(self, key: str, data: bytes, metadata: Mapping[str, str]) -> None:
        """Write a file; it appears whole, and is on disk when this returns."""
        path = self._folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if metadata:
                _write(path.with_name(path.name + META), msgspec.json.encode(dict(metadata)))
            _write(path, data)
        except OSError as error:
            raise LedgerError(
                f"cannot write `{path}`: {error.strerror}", hint="free space and run it again"
            ) from error

    def get(self, key: str) -> bytes | None:
        """Return a file's bytes."""
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise LedgerError(f"cannot read `{self._folder / key}`: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
