"""Files that only their owner may read, written whole and durable, and by one process only."""

import os
import secrets
import stat
from pathlib import Path

from keepstone.core.errors import LedgerError


def refuse_loose(path: Path, forbidden: int) -> None:
    """Refuse what others could read or replace."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & forbidden:
        raise LedgerError(
            f"`{path}` has permissions `{mode:04o}`: others could use the ledger's key",
            hint=f"chmod {'700' if path.is_dir() else '600'} {path}",
        )


def publish_once(path: Path, data: bytes, mode: int) -> None:
    """Write a whole durable file at `path` unless another process was first (a hard link never replaces)."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
