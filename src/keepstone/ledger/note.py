"""Signed notes and checkpoints: the C2SP formats `signed-note` and `tlog-checkpoint`, with Ed25519; pure.

A note is text that ends in a newline, an empty line, and one line per signature. A checkpoint is a note whose
text names the log (its origin), its size and its root hash. Unknown signatures are allowed and ignored;
one of the expected key must be there and must verify.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keepstone.core.errors import LedgerError

ED25519 = b"\x01"  # c2sp.org/signed-note, "Signature types"
_NAME = re.compile(r"[^\s+]{1,200}\Z")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}\Z")
_MAX_NOTE = 1 << 16


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says about itself: its name, how many records it holds and their root hash."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """The public half of a note's key, written `name+hash+base64` (a vkey)."""

    name: str
    key_id: bytes
    public: Ed25519PublicKey

    @classmethod
    def parse(cls, vkey: str) -> "Verifier":
        """Read a vkey; raise `LedgerError` when it is malformed or its hash does not belong to the key."""
        parts = vkey.strip().split("+", 2)
        hint = "expected one line of the form `name+hash+base64`, as in `keys/ledger.vkey`"
        if len(parts) != 3 or not _NAME.match(parts[0]):
            raise LedgerError("the verifier key is malformed", hint=hint)
        name, stated, encoded = parts
        raw = _decode(encoded)
        if raw is None or len(raw) != 33 or raw[:1] != ED25519:
            raise LedgerError("the verifier key is not an Ed25519 key", hint=hint)
        identity = key_id(name, raw[1:])
        if identity.hex() != stated:
            raise LedgerError("the verifier key does not match its own hash", hint=hint)
        return cls(name, identity, Ed25519PublicKey.from_public_bytes(raw[1:]))

    def of_shard(self, shard: str) -> "Verifier":
        """Return the verifier of one of several logs, which has the same key under a name of its own."""
        name = shard_name(self.name, shard)
        raw = self.public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Verifier(name, key_id(name, raw), self.public)

    def verifies(self, text: str, signature: bytes) -> bool:
        """Say whether `signature` (64 bytes) is this key's over `text`."""
        try:
            self.public.verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


def key_id(name: str, public: bytes) -> bytes:
    """Return the first 4 bytes of SHA-256(name || newline || type || public key)."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def shard_name(name: str, shard: str) -> str:
    """Return the name under which a shard is signed; the first log, `main`, has the ledger's own."""
    return name if shard == "main" else f"{name}/{shard}"


def vkey(name: str, public: bytes) -> str:
    """Return the key in the form that `Verifier.parse` reads."""
    return f"{name}+{key_id(name, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def valid_name(name: str) -> bool:
    """Say whether `name` can name a key: not empty, without white space and plus signs."""
    return _NAME.match(name) is not None


def sign(text: str, private: Ed25519PrivateKey) -> bytes:
    """Return the 64-byte signature over `text`."""
    return private.sign(text.encode())


def render(text: str, name: str, identity: bytes, signature: bytes) -> str:
    """Return the note: text, empty line, one signature line."""
    return f"{text}\n\u2014 {name} {base64.b64encode(identity + signature).decode()}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """Return the text of a note that `verifier` signed; raise `LedgerError` otherwise."""
    text, lines = split(note)
    prefix = f"\u2014 {verifier.name} "
    for line in lines:
        raw = _decode(line[len(prefix) :]) if line.startswith(prefix) else None
        if raw is not None and len(raw) == 68 and raw[:4] == verifier.key_id:
            if verifier.verifies(text, raw[4:]):
                return text
            raise LedgerError(
                "the signature does not verify", hint="the note was changed after it was signed"
            )
    raise LedgerError(
        f"the note carries no signature of `{verifier.name}+{verifier.key_id.hex()}`",
        hint="it belongs to another log, or the key is not the one that the log was written with",
    )


def split(note: str) -> tuple[str, list[str]]:
    """Split a note into its text and its signature lines, nothing verified yet."""
    text, separator, tail = note.rpartition("\n\n")
    lines = tail.split("\n")
    well_formed = separator and text and lines[-1] == "" and len(lines) > 1 and len(note) <= _MAX_NOTE
    if not well_formed or not all(line.startswith("\u2014 ") for line in lines[:-1]):
        raise LedgerError("the note is malformed", hint="expected text, an empty line and signature lines")
    return text + "\n", lines[:-1]


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; extension lines are allowed and ignored."""
    lines = text.split("\n")
    root = _decode(lines[2]) if len(lines) >= 4 else None
    if root is None or len(root) != 32 or not lines[0] or not _SIZE.match(lines[1]):
        raise LedgerError(
            "the checkpoint is malformed", hint="expected origin, size and root hash, a line each"
        )
    return Checkpoint(lines[0], int(lines[1]), root)


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """Return the checkpoint in a signed note, after its signature and origin are verified."""
    checkpoint = parse_checkpoint(open_note(note, verifier))
    if checkpoint.origin != verifier.name:
        raise LedgerError(f"the checkpoint is of `{checkpoint.origin}`, expected `{verifier.name}`")
    return checkpoint


def _decode(encoded: str) -> bytes | None:
    """Decode standard base64, canonical form only, so that a note has one spelling."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == encoded else None
