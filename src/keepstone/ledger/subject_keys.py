"""One data key for each subject, wrapped by an envelope key; destroying it is how content is erased.

The folder holds a file `<subject>.key` each, where the subject is a keyed hash. A data key in memory is used
only as long as the very file that it came from is in place, so an erasure by another process is obeyed at
the next use; and for a bounded time where the envelope key is of a service that may refuse it meanwhile.
"""

import hashlib
import math
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keepstone.core.errors import LedgerError
from keepstone.ledger.disk import alone, sync_folder, translate
from keepstone.ledger.ports import EnvelopeKey
from keepstone.ledger.private_file import publish_once, refuse_loose

ENVELOPE_FILE = "content.key"
_CACHE = 1024
_NONCE = 12
_ID = re.compile(r"[0-9a-f]{16}")
_SUBJECT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, repr=False)
class DataKey:
    """A subject's key and its id, which is a hash of the wrapped form; never shown by `repr`."""

    id: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class _Known:
    """A key at hand: the file that it came from, and until when it may be used."""

    stamp: tuple[int, ...]
    until: float
    key: DataKey


class EnvelopeKeyFile:
    """The envelope key in a file of its own (0600), made at the first use."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / ENVELOPE_FILE
        try:
            if not path.exists():
                publish_once(path, secrets.token_hex(32).encode(), 0o600)
            refuse_loose(path, 0o077)
            key = bytes.fromhex(path.read_text("ascii"))
        except (OSError, ValueError) as error:
            raise LedgerError(
                f"the envelope key `{path}` cannot be read", hint="check owner and permissions"
            ) from error
        if len(key) != 32:
            raise LedgerError(f"the envelope key `{path}` is malformed", hint="restore it from a backup")
        self._cipher = AESGCM(key)

    def make(self, context: str) -> tuple[bytes, bytes]:
        """Return a new data key and its wrapped form."""
        secret, nonce = os.urandom(32), os.urandom(_NONCE)
        return secret, nonce + self._cipher.encrypt(nonce, secret, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the data key of a wrapped form."""
        try:
            return self._cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise LedgerError(
                "a subject's key does not open with the envelope key",
                hint="the envelope key is another one: restore it from a backup",
            ) from error


class SubjectKeys:
    """The subjects' keys in one folder; for one thread, and any number of processes."""

    def __init__(
        self,
        folder: Path,
        envelope: EnvelopeKey,
        *,
        age_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`age_s` is how long an unwrapped key is used before the envelope key is asked again."""
        self._folder = folder
        self._envelope = envelope
        self._age_s = age_s
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_loose(folder, 0o077)

    def obtain(self, subject: str) -> DataKey:
        """Return a subject's key, making one if it has none; raise `LedgerError` when that fails."""
        try:
            found = self.find(subject)
            if found is None:
                made = self._envelope.make(subject)
                publish_once(self._path(subject), made[1], 0o600)  # another process may have been first
                found = self.find(subject, made)
        except OSError as error:
            raise translate(error, "a subject's key could not be written") from error
        if found is None:
            raise LedgerError("a subject's key was destroyed while it was made", hint="try again")
        return found

    def find(self, subject: str, made: tuple[bytes, bytes] | None = None) -> DataKey | None:
        """Return a subject's key, None when it has none (any more).

        `made` is a data key with its wrapped form, which need not be unwrapped if it is the one in place.
        """
        path, now = self._path(subject), self._clock()
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._known.get(subject)
            if known is not None and known.stamp == stamp and now < known.until:
                return known.key
            wrapped = path.read_bytes()
        except FileNotFoundError:
            self._known.pop(subject, None)
            return None
        fresh = made is not None and made[1] == wrapped
        secret = made[0] if made is not None and fresh else self._envelope.unwrap(wrapped, subject)
        key = DataKey(_identify(wrapped), secret)
        self._known[subject] = _Known(stamp, now + self._age_s, key)
        self._known.move_to_end(subject)
        if len(self._known) > _CACHE:
            self._known.popitem(last=False)
        return key

    def forget_destroyed(self) -> None:
        """Drop from memory what other processes have destroyed, and what was there for too long."""
        now = self._clock()
        gone = [
            subject
            for subject, known in self._known.items()
            if now >= known.until or not self._path(subject).exists()
        ]
        for subject in gone:
            del self._known[subject]

    def _path(self, subject: str) -> Path:
        return key_path(self._folder, subject)


def key_path(folder: Path, subject: str) -> Path:
    """Return where a subject's wrapped key lies; raise `LedgerError` for what is no subject."""
    if not _SUBJECT.fullmatch(subject):
        raise LedgerError("expected the keyed hash of a subject")
    return folder / f"{subject}.key"


def key_id(folder: Path, subject: str) -> str:
    """Return the id of a subject's key, empty when it has none; needs no envelope key."""
    try:
        return _identify(key_path(folder, subject).read_bytes())
    except FileNotFoundError:
        return ""


def destroy(folder: Path, subject: str, which: str) -> bool:
    """Destroy a subject's key if it is still the one with the id `which`: overwrite, then remove, durably.

    It is taken out of its place first, so that nobody finds it half overwritten; what a crash leaves aside is
    destroyed by the next try. Raise `LedgerError` when the disk refuses: the key is then to be taken for
    intact.
    """
    if not _ID.fullmatch(which):
        return False
    path = key_path(folder, subject)
    aside = folder / f"{subject}.{which}.erased"
    try:
        with alone(folder):
            if key_id(folder, subject) == which:
                path.replace(aside)
            with aside.open("r+b") as file:
                file.write(os.urandom(aside.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            aside.unlink()
            sync_folder(folder)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise translate(error, "a subject's key could not be destroyed") from error
    return True


def _identify(wrapped: bytes) -> str:
    return hashlib.sha256(wrapped).hexdigest()[:16]
