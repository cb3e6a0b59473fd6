"""The ledger's keys: an Ed25519 key that signs checkpoints, and a secret that makes commitments unguessable.

The files lie in their own folder (0700), readable by the owner only (0600); looser permissions are refused.
The key's name is the log's origin, `keepstone/<random id>`, so one pair of keys belongs to one
ledger; its shards add their own names.
"""

import os
import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from keepstone.core.errors import LedgerError
from keepstone.core.keyed_hash import KeyedHash
from keepstone.ledger import note
from keepstone.ledger.private_file import publish_once, refuse_loose

KEY_FILE = "ledger.key"
VKEY_FILE = "ledger.vkey"
_HEADER = "keepstone-ledger-key-v1"


@dataclass(frozen=True, slots=True, repr=False)
class LedgerKey:
    """Signs the log `name` and commits to content; never shown by `repr`."""

    name: str
    private: Ed25519PrivateKey
    content_key: bytes
    identity: bytes
    content_mac: KeyedHash = field(compare=False)

    @classmethod
    def create(cls, name: str = "") -> "LedgerKey":
        """Make new random keys for a new log."""
        return cls._build(name or f"keepstone/{secrets.token_hex(8)}", os.urandom(32), os.urandom(32))

    @classmethod
    def _build(cls, name: str, seed: bytes, content_key: bytes) -> "LedgerKey":
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return cls(name, private, content_key, note.key_id(name, public), KeyedHash(content_key))

    def of_shard(self, shard: str) -> "LedgerKey":
        """Return the key of one of several logs: the same pair under a name of its own."""
        name = note.shard_name(self.name, shard)
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return replace(self, name=name, identity=note.key_id(name, public))

    @classmethod
    def load_or_create(cls, folder: Path) -> "LedgerKey":
        """Read the keys in `folder`, or make them there; two starters at once end up with the same keys."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_loose(folder, 0o077)
        path = folder / KEY_FILE
        if not path.exists():
            publish_once(path, cls.create().encode(), 0o600)
        key = cls.load(folder)
        vkey_path = folder / VKEY_FILE
        if not vkey_path.exists():
            publish_once(vkey_path, f"{key.verifier}\n".encode(), 0o644)
        return key

    @classmethod
    def load(cls, folder: Path) -> "LedgerKey":
        """Read the keys in `folder`; raise `LedgerError` when missing, malformed or readable by others."""
        path = folder / KEY_FILE
        try:
            refuse_loose(path, 0o077)
            lines = path.read_text("ascii").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise LedgerError(
                f"the ledger's key `{path}` cannot be read", hint="check owner and permissions"
            ) from error
        key = cls._parse(lines)
        if key is None:
            raise LedgerError(
                f"the ledger's key `{path}` is malformed",
                hint="restore it from a backup; a new key starts a new log",
            )
        return key

    @classmethod
    def _parse(cls, lines: list[str]) -> "LedgerKey | None":
        if len(lines) != 5 or lines[0] != _HEADER or lines[4] or not note.valid_name(lines[1]):
            return None
        try:
            seed, content_key = bytes.fromhex(lines[2]), bytes.fromhex(lines[3])
        except ValueError:
            return None
        return cls._build(lines[1], seed, content_key) if len(seed) == len(content_key) == 32 else None

    def encode(self) -> bytes:
        """Return the content of the key file: both secrets, in hex."""
        seed = self.private.private_bytes_raw().hex()
        return f"{_HEADER}\n{self.name}\n{seed}\n{self.content_key.hex()}\n".encode()

    @property
    def verifier(self) -> str:
        """Return the public key in C2SP's vkey form; give it to whoever is to check the log."""
        return note.vkey(self.name, self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def commit(self, data: bytes) -> str:
        """Return `hmac-sha256:<hex>` of `data`: keyed, so that a short prompt cannot be guessed."""
        return "hmac-sha256:" + self.content_mac(data).hexdigest()

    def derive(self, purpose: str) -> bytes:
        """Return 32 secret bytes for one purpose, the same for all who hold this key (RFC 5869)."""
        return HKDF(hashes.SHA256(), 32, salt=None, info=purpose.encode()).derive(self.content_key)

    def subject(self, name: str) -> str:
        """Return the keyed hash that stands for a subject wherever content of it is mentioned."""
        return KeyedHash(self.derive("subjects"))(name.encode()).hexdigest()

    def sign(self, size: int, root: bytes) -> bytes:
        """Return the signature over the checkpoint of a tree."""
        return note.sign(note.Checkpoint(self.name, size, root).text(), self.private)

    def checkpoint(self, size: int, root: bytes, signature: bytes) -> str:
        """Return the signed note of a tree that `sign` signed."""
        return note.render(note.Checkpoint(self.name, size, root).text(), self.name, self.identity, signature)
