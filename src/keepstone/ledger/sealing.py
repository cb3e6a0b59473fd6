"""Sealed content: one part of a call under AES-256-GCM, with a label that says what it is; pure.

A frame is magic, two lengths, the label and nonce with ciphertext. Everything before the nonce is bound to
the ciphertext as associated data (NIST SP 800-38D), so that no byte of a frame can be changed and no frame
can pass for another call's, another direction's or another log's.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from keepstone.core.errors import LedgerError

Part = Literal["request", "response"]
_MAGIC = b"KSc1"
_HEAD = struct.Struct("<4sII")
_NONCE, _TAG = 12, 16
_MAX_LABEL = 4096


class Label(Struct, frozen=True, forbid_unknown_fields=True):
    """What a frame holds: a part of the call `id` in `log`, of `subject` (a keyed hash), under key `key`."""

    log: str
    id: str
    part: Part
    subject: str
    key: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole sealed part as it lies in a file."""

    label: Label
    data: bytes

    @property
    def digest(self) -> str:
        """Return the hash that stands in the record."""
        return digest(self.data)


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Label)


def digest(data: bytes) -> str:
    """Return `sha256:<hex>` of a frame."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def seal(key: bytes, label: Label, content: bytes) -> bytes:
    """Return the frame of `content` under a key of 32 bytes; at most 2^32 frames may use one key."""
    described = _encoder.encode(label)
    head = _HEAD.pack(_MAGIC, len(described), _NONCE + len(content) + _TAG) + described
    nonce = os.urandom(_NONCE)
    return b"".join((head, nonce, AESGCM(key).encrypt(nonce, content, head)))


def unseal(key: bytes, frame: bytes) -> bytes:
    """Return the content of a frame; raise `LedgerError` when any byte of it, or the key, is another."""
    head, sealed, stop = _bounds(frame, 0)
    if stop != len(frame):
        raise LedgerError("the sealed content has bytes behind its end")
    try:
        return AESGCM(key).decrypt(frame[sealed : sealed + _NONCE], frame[sealed + _NONCE :], frame[:sealed])
    except InvalidTag as error:
        raise LedgerError(
            f"the sealed content does not open with the key `{head.key}`",
            hint="it was changed, or the key is another subject's",
        ) from error


def frames(data: bytes) -> Iterator[Frame]:
    """Yield the whole frames of a file; what a crash left half-written at its end belongs to no record."""
    at = 0
    while at < len(data):
        try:
            label, _, stop = _bounds(data, at)
        except LedgerError:
            return
        yield Frame(label, data[at:stop])
        at = stop


def _bounds(data: bytes, at: int) -> tuple[Label, int, int]:
    """Return the label of the frame at `at`, where its nonce begins and where it ends."""
    if len(data) - at < _HEAD.size:
        raise LedgerError("the sealed content is cut short")
    magic, described, sealed = _HEAD.unpack_from(data, at)
    begin = at + _HEAD.size + described
    if magic != _MAGIC or described > _MAX_LABEL or sealed < _NONCE + _TAG or begin + sealed > len(data):
        raise LedgerError("the sealed content is malformed or cut short")
    try:
        label = _decoder.decode(data[at + _HEAD.size : begin])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LedgerError("the label of the sealed content is malformed") from error
    return label, begin, begin + sealed
