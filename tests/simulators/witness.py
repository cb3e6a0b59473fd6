"""A witness after c2sp.org/tlog-witness and c2sp.org/tlog-cosignature, strict about every "MUST".

It is written from the two documents and RFC 6962 alone and shares no code with the client.
"""

import base64
import re
import time
from collections.abc import Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.simulators.behaviour import Behaviour
from tests.simulators.server import Simulator
from tests.simulators.wire import Answer, Received

NAME = "witness.example/w1"
_SIZE = re.compile(r"0|[1-9][0-9]*")
_TEXT = {"Content-Type": "text/plain"}


class _RefusalError(Exception):
    def __init__(self, status: int, body: str = "", kind: str = "text/plain") -> None:
        super().__init__(status)
        self.answer = Answer(status, {"Content-Type": kind}, (body.encode(),))


class WitnessSimulator(Simulator):
    """Cosigns the logs in `logs`, verifier keys by origin; `state` is the newest (size, root) of each."""

    def __init__(self, logs: Mapping[str, str]) -> None:
        super().__init__()
        self.logs = dict(logs)
        self.state: dict[str, tuple[int, bytes]] = {}
        self.forges = False
        self._key = Ed25519PrivateKey.generate()

    @property
    def vkey(self) -> str:
        """Its public key, as its operator publishes it."""
        raw = b"\x04" + self._key.public_key().public_bytes_raw()
        return f"{NAME}+{self._key_id().hex()}+{base64.b64encode(raw).decode()}"

    def _key_id(self) -> bytes:
        raw = self._key.public_key().public_bytes_raw()
        return sha256(NAME.encode() + b"\n\x04" + raw).digest()[:4]

    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """A cosignature, or why not."""
        if received.path != "/add-checkpoint" or received.method != "POST":
            return Answer(404, _TEXT, (b"",))
        try:
            with self._lock:  # comparing and remembering is one step
                return self._add(received.body.decode())
        except _RefusalError as refusal:
            return refusal.answer

    def _add(self, body: str) -> Answer:
        head, separator, signed = body.partition("\n\n")
        first, *lines = head.split("\n")
        word, _, digits = first.partition(" ")
        if not separator or word != "old" or not _SIZE.fullmatch(digits) or len(lines) > 63:
            raise _RefusalError(400)
        old, proof = int(digits), [_hash(each) for each in lines]
        text, origin, size, root = _checkpoint(signed)
        if origin not in self.logs:
            raise _RefusalError(404)
        if not any(
            _signed_by(self.logs[origin], text, line) for line in signed[len(text) + 1 :].splitlines()
        ):
            raise _RefusalError(403)
        if old > size:
            raise _RefusalError(400)
        known, known_root = self.state.get(origin, (0, sha256(b"").digest()))
        if old != known:
            raise _RefusalError(409, f"{known}\n", "text/x.tlog.size")
        if old == size and root != known_root:
            raise _RefusalError(409)
        if not _consistent(old, known_root, size, root, proof):
            raise _RefusalError(422)
        self.state[origin] = (size, root)
        return Answer(200, _TEXT, (self._cosigned(text).encode(),))

    def _cosigned(self, text: str) -> str:
        now = int(time.time())
        message = f"cosignature/v1\ntime {now}\n{text}".encode()
        signature = bytes(64) if self.forges else self._key.sign(message)
        raw = self._key_id() + now.to_bytes(8, "big") + signature
        other = base64.b64encode(b"othr" + bytes(72)).decode()
        return f"\u2014 stranger.example {other}\n\u2014 {NAME} {base64.b64encode(raw).decode()}\n"


def _hash(line: str) -> bytes:
    raw = base64.b64decode(line, validate=True)
    if len(raw) != 32:
        raise _RefusalError(400)
    return raw


def _checkpoint(signed: str) -> tuple[str, str, int, bytes]:
    text, separator, signatures = signed.partition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) < 3 or not _SIZE.fullmatch(lines[1]) or not signatures.endswith("\n"):
        raise _RefusalError(400)
    return text + "\n", lines[0], int(lines[1]), _hash(lines[2])


def _signed_by(vkey: str, text: str, line: str) -> bool:
    name, key_id, encoded = vkey.split("+", 2)
    if not line.startswith(f"\u2014 {name} "):
        return False
    raw = base64.b64decode(line.rpartition(" ")[2])
    if raw[:4].hex() != key_id:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:]).verify(raw[4:], text.encode())
    except InvalidSignature:
        return False
    return True


def _consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]) -> bool:
    """RFC 6962 2.1.2, read backwards: both roots have to come out of the proof, and use all of it."""
    if old == 0:
        return not proof
    left = list(proof)
    try:
        found = _roots(old, new, left, whole=old_root)
    except IndexError:
        return False
    return not left and found == (old_root, new_root)


def _roots(old: int, new: int, proof: list[bytes], whole: bytes | None) -> tuple[bytes, bytes]:
    if old == new:
        node = whole if whole is not None else proof.pop()
        return node, node
    split = 1 << (new - 1).bit_length() - 1
    sibling = proof.pop()
    if old <= split:
        before, after = _roots(old, split, proof, whole)
        return before, _node(after, sibling)
    before, after = _roots(old - split, new - split, proof, None)
    return _node(sibling, before), _node(sibling, after)


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()
