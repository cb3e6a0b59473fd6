"""What wraps the subjects' keys: a key in a file, or one of a key management service that the policy names.

A wrapped form says which of the two made it. Where a service is named, new keys are its own, and those that
the file's key has wrapped before are still opened; what the service has wrapped opens with the service only.
"""

from collections.abc import Callable
from pathlib import Path

from keepstone.core.errors import LedgerError
from keepstone.ledger.ports import EnvelopeKey
from keepstone.ledger.subject_keys import ENVELOPE_FILE, EnvelopeKeyFile

_MARK = b"keepstone kms 1\n"  # a form of the file's key begins with a random nonce: never with this


class Envelopes:
    """The envelope key in a file of `folder`, or what `service` returns; each is opened at its first use."""

    def __init__(self, folder: Path, service: Callable[[], EnvelopeKey | None]) -> None:
        self._folder = folder
        self._find_service = service
        self._service: EnvelopeKey | None = None
        self._file: EnvelopeKeyFile | None = None

    def make(self, context: str) -> tuple[bytes, bytes]:
        """Return a new data key and its wrapped form."""
        service = self._asked()
        if service is None:
            return self._from_file().make(context)
        secret, wrapped = service.make(context)
        return secret, _MARK + wrapped

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the data key of a wrapped form, whichever of the two has made it."""
        if not wrapped.startswith(_MARK):
            return self._existing().unwrap(wrapped, context)
        service = self._asked()
        if service is None:
            raise LedgerError(
                "a subject's key is wrapped by a KMS key, and the policy names none",
                hint="name it in `retention.envelope`, or give the policy with `--policy`",
            )
        return service.unwrap(wrapped[len(_MARK) :], context)

    def _asked(self) -> EnvelopeKey | None:
        if self._service is None:
            self._service = self._find_service()
        return self._service

    def _existing(self) -> EnvelopeKeyFile:
        """Return the file's key, which is not made now: it could open nothing."""
        path = self._folder / ENVELOPE_FILE
        if self._file is None and not path.exists():
            raise LedgerError(
                f"the envelope key `{path}` is missing", hint="restore it from a backup", code="content.key"
            )
        return self._from_file()

    def _from_file(self) -> EnvelopeKeyFile:
        if self._file is None:
            self._file = EnvelopeKeyFile(self._folder)
        return self._file
