"""What a witness signs about a checkpoint: the C2SP format `tlog-cosignature`, with Ed25519; pure."""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keepstone.core.errors import LedgerError
from keepstone.ledger import note

_COSIGNATURE = b"\x04"  # c2sp.org/tlog-cosignature, "Format"
_LATEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """A witness's public key, written `name+hash+base64` with the type of cosignatures."""

    name: str
    key_id: bytes
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, vkey: str) -> "CosignerKey":
        """Read a vkey; raise `LedgerError` when it is malformed or its hash does not belong to the key."""
        parts = vkey.strip().split("+", 2)
        raw = _decoded(parts[2]) if len(parts) == 3 else b""
        if not note.valid_name(parts[0]) or len(raw) != 33 or raw[:1] != _COSIGNATURE:
            hint = "expected `name+hash+base64`, as the witness publishes it, of the type Ed25519 cosignature"
            raise LedgerError("the witness's key is malformed", hint=hint)
        identity = sha256(parts[0].encode() + b"\n" + raw).digest()[:4]
        if identity.hex() != parts[1]:
            raise LedgerError("the witness's key does not match its own hash")
        return cls(parts[0], identity, Ed25519PublicKey.from_public_bytes(raw[1:]))

    def verified(self, text: str, line: str) -> int | None:
        """Return when this key signed the checkpoint `text` by `line`, in seconds; None if it did not."""
        prefix = f"\u2014 {self.name} "
        raw = _decoded(line.removeprefix(prefix)) if line.startswith(prefix) else b""
        if len(raw) != 76 or raw[:4] != self.key_id:
            return None
        seconds = int.from_bytes(raw[4:12], "big")
        try:
            self.public.verify(raw[12:], message(text, seconds))
        except InvalidSignature:
            return None
        return seconds if seconds <= _LATEST else None


def message(text: str, seconds: int) -> bytes:
    """Return the bytes that a cosignature is over."""
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def is_cosigner_key(vkey: str) -> bool:
    """Say whether this could be a witness's key, for people who write policies."""
    return re.match(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*\Z", vkey) is not None


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
