"""Secrets of access keys: derived from one master key, so that none is stored and all can be computed.

To check an HMAC the secret itself is needed, a hash of it will not do (ADR: access keys for SigV4). The
master lies beside the ledger's keys, readable by its owner only; without it no signature can be checked, and
with it and the ids of the keys all of them.
"""

import os
import stat
from base64 import b64encode
from pathlib import Path

from keepstone.core.errors import StoreError
from keepstone.core.keyed_hash import KeyedHash

MASTER_FILE = "access-keys.master"
PREFIX = "KSAK"
_BYTES = 32


def access_key_of(key_id: str) -> str:
    """Return the access key id that clients are given: 16 letters and digits, as AWS's rules ask for."""
    return PREFIX + key_id.upper()


def key_id_of(access_key: str) -> str:
    """Return the id of the key behind an access key id, "" for what cannot be ours."""
    return access_key[len(PREFIX) :].lower() if access_key.startswith(PREFIX) else ""


class AccessKeySecrets:
    """Derives secrets; the master is read, or made, when the first one is asked for."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / MASTER_FILE
        self._master: KeyedHash | None = None

    def of(self, key_id: str) -> str:
        """Return the secret access key, 40 characters; raise `StoreError` when the master is not usable."""
        if self._master is None:
            self._master = KeyedHash(load_or_create(self._path))
        return b64encode(self._master(b"keepstone-sigv4-v1/" + key_id.encode()).digest()[:30]).decode()


def load_or_create(path: Path) -> bytes:
    """Return 32 secret bytes kept in a file, made at first; raise `StoreError` when others may read it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _publish(path, os.urandom(_BYTES))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StoreError(f"`{path}` is readable by others", hint=f"chmod 600 {path}")
        found = path.read_bytes()
    except OSError as error:
        raise StoreError(f"`{path}` cannot be read: {error.strerror}") from error
    if len(found) != _BYTES:
        raise StoreError(f"`{path}` is malformed", hint="restore it from a backup")
    return found


def _publish(path: Path, data: bytes) -> None:
    """Write a file whole, and only if there is none: of two starters at once one is the first."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
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
