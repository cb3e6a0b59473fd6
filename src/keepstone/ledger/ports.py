"""What the ledger needs of rooms above it."""

from typing import Protocol


class EnvelopeKey(Protocol):
    """Makes data keys and wraps them; `context` is bound to the wrapped form and must be given again."""

    def make(self, context: str) -> tuple[bytes, bytes]:
        """Return a new data key of 32 bytes and its wrapped form; raise `LedgerError` when it cannot."""
        ...

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Return the data key of a wrapped form; raise `LedgerError` when it cannot or may not."""
        ...
