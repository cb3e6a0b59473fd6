"""Asking a witness to cosign a checkpoint: the C2SP protocol `tlog-witness`.

A witness remembers the newest tree that it has cosigned and cosigns only what continues it. So its refusal
can say that this log was cut or rewritten; anything else than that or a cosignature is no answer at all.
"""

import base64
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import note
from keepstone.ledger.disk import Disk, make_folder, translate
from keepstone.ledger.merkle import consistency_proof
from keepstone.ledger.outside.cosignature import CosignerKey
from keepstone.ledger.outside.objects import UNREACHABLE
from keepstone.ledger.store import CHECKPOINT, TileStore
from keepstone.ledger.view import folders

COSIGNED = "cosigned"
_SIZE_TYPE = "text/x.tlog.size"
_PATIENCE_S = 15.0
_MOST_BYTES = 1 << 16
_HASH_LINES = 63


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: status, `Content-Type`, body."""

    status: int
    kind: str
    body: str


Post = Callable[[bytes], Reply]
"""Sends the body of `add-checkpoint`; raises `LedgerError` (`ledger.unreachable`) without an answer."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object) -> None:
        """A witness answers itself."""


def poster(url: str) -> Post:
    """Return what sends to the witness with this submission prefix."""
    opener = urllib.request.build_opener(
        _NoRedirect(), urllib.request.HTTPSHandler(context=ssl.create_default_context())
    )
    address = f"{url.rstrip('/')}/add-checkpoint"

    def post(body: bytes) -> Reply:
        request = urllib.request.Request(address, body, {"Content-Type": "text/plain"}, method="POST")  # noqa: S310 - the policy names it
        try:
            with opener.open(request, timeout=_PATIENCE_S) as answer:
                return _reply(answer.status, dict(answer.headers), answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return _reply(error.code, dict(error.headers), error.read(_MOST_BYTES))
        except (OSError, http.client.HTTPException) as error:
            what = type(error).__name__
            raise LedgerError(f"witness `{url}` cannot be asked: {what}", code=UNREACHABLE) from error

    return post


def _reply(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return Reply(status, kind, body.decode("utf-8", "replace"))


@dataclass(slots=True)
class Witness:
    """A witness, and up to which size it was heard to have cosigned each log."""

    where: str
    key: CosignerKey
    post: Post
    _seen: dict[str, int] = field(default_factory=dict)

    def cosign(self, folder: Path, verifier: note.Verifier) -> str:
        """Return the published checkpoint of a log with the witness's cosignature behind its own.

        Raise `LedgerCorrupt` when the witness has cosigned what this log does not continue, `LedgerError`
        when it says something else or nothing.
        """
        tiles = TileStore(folder)
        signed = tiles.checkpoint()
        if signed is None:
            raise LedgerError(f"no ledger in `{folder}`")
        checkpoint = note.open_checkpoint(signed, verifier)
        old = min(self._seen.get(checkpoint.origin, 0), checkpoint.size)
        reply = self._add(tiles, checkpoint, old, signed)
        if reply.status == 409 and self._size(reply) not in (-1, old):
            old = self._size(reply)
            if old > checkpoint.size:
                raise LedgerCorrupt(
                    f"witness `{self.where}` has cosigned `{old}` records of this log, "
                    f"which holds `{checkpoint.size}`",
                    hint="its newest records were taken away, or it was put back to an older state",
                )
            reply = self._add(tiles, checkpoint, old, signed)
        self._refuse(reply, checkpoint, old)
        lines = [each for each in reply.body.splitlines() if self._is_ours(signed, each)]
        if not lines:
            raise LedgerError(f"witness `{self.where}` answered without its cosignature", code=UNREACHABLE)
        self._seen[checkpoint.origin] = checkpoint.size
        return signed + "".join(f"{each}\n" for each in lines)

    def _add(self, tiles: TileStore, checkpoint: note.Checkpoint, old: int, signed: str) -> Reply:
        proof = consistency_proof(old, checkpoint.size, tiles.nodes(checkpoint.size))
        hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in proof[:_HASH_LINES])
        return self.post(f"old {old}\n{hashes}\n{signed}".encode())

    def _size(self, reply: Reply) -> int:
        """Return the size that a conflict states; -1 when it states none."""
        digits = reply.body.removesuffix("\n")
        known = reply.kind.partition(";")[0].strip() == _SIZE_TYPE
        return int(digits) if known and digits.isdecimal() and len(digits) < 19 else -1

    def _refuse(self, reply: Reply, checkpoint: note.Checkpoint, old: int) -> None:
        """Raise for every answer but a cosignature."""
        conflict = reply.status == 409 and old == checkpoint.size
        if reply.status == 422 or conflict:
            raise LedgerCorrupt(
                f"this log does not continue the `{old}` records that witness `{self.where}` has cosigned",
                hint="it was rewritten: keep it as evidence",
            )
        if reply.status != 200:
            known = {404: "it does not know this log", 403: "it knows this log with another key"}
            because = known.get(reply.status, f"status {reply.status}")
            hint = "give the witness's operator the file `ledger.vkey`"
            raise LedgerError(
                f"witness `{self.where}` does not cosign: {because}", hint=hint, code=UNREACHABLE
            )

    def _is_ours(self, signed: str, line: str) -> bool:
        return self.key.verified(note.split(signed)[0], line) is not None


@dataclass(slots=True)
class WitnessAnchor:
    """A witness as an anchor; what it has cosigned last is kept in the ledger's folder `cosigned`."""

    witness: Witness

    @property
    def where(self) -> str:
        """Return which witness it is, for people."""
        return self.witness.where

    def post(self, ledger: Path, verifier: note.Verifier) -> int:
        """Have the published checkpoint of every log cosigned that has grown since; return how many."""
        posted = 0
        for name, folder in folders(ledger).items():
            path = ledger / COSIGNED / f"{self.witness.key.key_id.hex()}-{name}"
            signed = TileStore(folder).checkpoint()
            if signed is None or self._is_cosigned(path, signed):
                continue
            cosigned = self.witness.cosign(folder, verifier.of_shard(name))
            try:
                make_folder(path.parent)
                Disk().place(path, cosigned.encode(), path.parent)
            except OSError as error:
                raise translate(error, f"`{path}` cannot be written") from error
            posted += 1
        return posted

    def ask(self, ledger: Path, verifier: note.Verifier) -> None:
        """Have every log cosigned anew and keep nothing; raise as `post` does."""
        for name, folder in folders(ledger).items():
            if (folder / CHECKPOINT).exists():
                self.witness.cosign(folder, verifier.of_shard(name))

    def _is_cosigned(self, path: Path, signed: str) -> bool:
        """Say whether the same checkpoint was cosigned before, so that nothing need be asked."""
        try:
            before = path.read_text("utf-8", "replace")
        except OSError:
            return False
        lines = before.removeprefix(signed).splitlines() if before.startswith(signed) else []
        return any(self.witness.key.verified(note.split(signed)[0], line) is not None for line in lines)


def witness_at(url: str, vkey: str) -> Witness:
    """Return the witness with this submission prefix and verifier key."""
    return Witness(url, CosignerKey.parse(vkey), poster(url))
