"""Retention: old entry bundles go, their hashes stay, so the log still verifies and says what is gone.

What was removed is stated in the file `pruned`, a note signed with the ledger's key. A bundle that is missing
without such a statement is a removed record.
"""

from dataclasses import dataclass
from pathlib import Path

from keepstone.core.errors import LedgerError
from keepstone.ledger import note
from keepstone.ledger.disk import Disk, translate
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.store import PRUNED, WAL, TileStore
from keepstone.ledger.tiles import WIDTH, bundle_path

_HEADER = "keepstone.dev/pruned@v1"


@dataclass(frozen=True, slots=True)
class Pruned:
    """All records with an index below `before` may be gone."""

    origin: str
    before: int

    def text(self) -> str:
        """Return the text that is signed; it is no checkpoint, for its second line is no size."""
        return f"{_HEADER}\n{self.origin}\n{self.before}\n"


def read_pruned(signed: str, verifier: note.Verifier | None) -> Pruned:
    """Read the statement, and verify it when a key is given; raise `LedgerError` when it does not hold."""
    text = note.open_note(signed, verifier) if verifier else note.split(signed)[0]
    lines = text.split("\n")
    if len(lines) != 4 or lines[0] != _HEADER or not lines[2].isdecimal() or len(lines[2]) > 19:
        raise LedgerError(f"`{PRUNED}` is malformed", hint="restore it from a copy")
    return Pruned(lines[1], int(lines[2]))


def prune(
    directory: Path, key: LedgerKey, keep_from_index: int, *, disk: Disk | None = None, dry_run: bool = False
) -> int:
    """Remove the full bundles that lie wholly below `keep_from_index`; return how many records they held.

    The statement is durable before the first bundle goes. A running writer is not disturbed: it never touches
    a full bundle again.
    """
    disk = disk or Disk()
    tiles = TileStore(directory)
    verifier = note.Verifier.parse(key.verifier)
    checkpoint = note.open_checkpoint(tiles.checkpoint() or "", verifier)
    before = min(keep_from_index, checkpoint.size) // WIDTH * WIDTH
    stated = tiles.read(PRUNED)
    already = read_pruned(stated.decode("utf-8", "replace"), verifier).before if stated is not None else 0
    if before <= 0 or before < already:
        return 0
    if dry_run:
        there = (directory / bundle_path(number) for number in range(before // WIDTH))
        return sum(WIDTH for path in there if path.exists())
    text = Pruned(key.name, before).text()
    signed = note.render(text, key.name, key.identity, note.sign(text, key.private))
    removed = 0
    try:
        disk.place(directory / PRUNED, signed.encode(), directory / WAL)
        for number in range(before // WIDTH):
            path = directory / bundle_path(number)
            if path.exists():
                disk.remove(path)
                removed += WIDTH
    except OSError as error:
        raise translate(error, "old records could not be removed") from error
    return removed
