"""A self-contained proof that a record is in the log: C2SP `tlog-proof`, with the record in its `extra`."""

import base64
import binascii
from dataclasses import dataclass

from keepstone.core.errors import LedgerError
from keepstone.ledger import note
from keepstone.ledger.merkle import leaf_hash, root_from_inclusion

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class Proof:
    """A record, its index, the hashes up to the root, and the signed checkpoint that states the root."""

    record: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str

    def render(self) -> str:
        """Return the text that `parse` reads."""
        lines = [_HEADER, f"extra {_encode(self.record)}", f"index {self.index}", *map(_encode, self.hashes)]
        return "\n".join(lines) + f"\n\n{self.checkpoint}"

    def check(self, verifier: note.Verifier) -> note.Checkpoint:
        """Return the checkpoint that the record is proven to be under; raise `LedgerError` if it is not.

        `verifier` is the ledger's own; a shard's is made from it, by the name in the checkpoint.
        """
        origin = note.split(self.checkpoint)[0].partition("\n")[0]
        if origin.startswith(f"{verifier.name}/"):
            verifier = verifier.of_shard(origin.removeprefix(f"{verifier.name}/"))
        checkpoint = note.open_checkpoint(self.checkpoint, verifier)
        root = root_from_inclusion(self.index, checkpoint.size, leaf_hash(self.record), self.hashes)
        if root != checkpoint.root:
            raise LedgerError(
                f"the record is not record `{self.index}` of the log under this checkpoint",
                hint="the record, the index or a hash was changed",
            )
        return checkpoint


def parse(text: str) -> Proof:
    """Read a proof; raise `LedgerError` when it is malformed or carries no record."""
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    shape = separator and lines[0] == _HEADER and len(lines) >= 3
    if not shape or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise LedgerError(
            "the proof is malformed", hint=f"expected `{_HEADER}`, an `extra` and an `index` line"
        )
    index = lines[2].removeprefix("index ")
    try:
        record = base64.b64decode(lines[1].removeprefix("extra "), validate=True)
        hashes = tuple(base64.b64decode(line, validate=True) for line in lines[3:])
    except binascii.Error as error:
        raise LedgerError("the proof is malformed", hint="a line is not base64") from error
    if (
        not index.isdecimal()
        or len(index) > 19
        or len(hashes) > 63
        or any(len(each) != 32 for each in hashes)
    ):
        raise LedgerError("the proof is malformed", hint="expected a decimal index and hashes of 32 bytes")
    return Proof(record, int(index), hashes, checkpoint)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
