"""The bytes of a document, from a file, a pipe or standard input, and never more of them than a bound.

A device is refused before it is opened: some never end, and some do things when they are.
"""

import codecs
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from keepstone.core.errors import UsageError

LARGEST = 256 * 1024 * 1024
"""Bytes of the largest document that is read; a plan of thousands of resources has some ten million."""

SHOW = "make it with `terraform show -json plan.out > plan.json`; for the state, `terraform show -json`"
STANDARD_INPUT = Path("-")

_CHUNK = 1024 * 1024
_READABLE = (stat.S_ISREG, stat.S_ISFIFO, stat.S_ISSOCK, stat.S_ISDIR)  # a folder says itself that it is one
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_AS_UTF8 = (
    "save it as UTF-8; in PowerShell: `terraform show -json plan.out | Out-File -Encoding utf8 plan.json`"
)


def contents(path: Path) -> bytes:
    """Return the bytes of a file, a pipe, or standard input (`-`); raise `UsageError` for anything else."""
    try:
        if path != STANDARD_INPUT:
            _refuse(path, path.stat())
        with _opened(path) as file:
            _refuse(path, os.fstat(file.fileno()))
            return _read(path, file)
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read: {error.strerror}") from error


def _opened(path: Path) -> AbstractContextManager[IO[bytes]]:
    return open(0, "rb", closefd=False) if path == STANDARD_INPUT else path.open("rb")


def _refuse(path: Path, found: os.stat_result) -> None:
    """Refuse what is neither file nor pipe, and a file that is larger than what is read."""
    if not any(is_kind(found.st_mode) for is_kind in _READABLE):
        raise UsageError(f"`{path}` is a terminal or another device, expected a file or a pipe", hint=SHOW)
    if stat.S_ISREG(found.st_mode) and found.st_size > LARGEST:
        raise UsageError(f"`{path}` has {found.st_size} bytes, the most that is read is {LARGEST}", hint=SHOW)


def _read(path: Path, file: IO[bytes]) -> bytes:
    parts, size = [], 0
    while part := file.read(_CHUNK):
        size += len(part)
        if size > LARGEST:
            raise UsageError(f"`{path}` does not end, the most that is read is {LARGEST} bytes", hint=SHOW)
        parts.append(part)
    return b"".join(parts)


def utf8(path: Path, raw: bytes) -> bytes:
    """Return a text in UTF-8, by the mark at its beginning; raise `UsageError` where that cannot be done."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            try:
                return raw[len(mark) :].decode(encoding).encode()
            except UnicodeError as error:
                raise UsageError(
                    f"`{path}` says that it is {encoding.upper()}, and is not", hint=_AS_UTF8
                ) from error
    if raw[:2].count(0) == 1:
        raise UsageError(f"`{path}` looks like UTF-16 without a mark, expected UTF-8", hint=_AS_UTF8)
    return raw
