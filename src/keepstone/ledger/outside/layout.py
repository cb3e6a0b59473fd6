"""Where things lie outside: as in the ledger's folder, but each signed note under a name of its own.

    checkpoints/<size>   shards/<name>/checkpoints/<size>     what a log said of itself
    views/<total>-<n>                                         what binds several logs together
    pruned/<before>                                           which records retention had removed
    tile/...                                                  as C2SP `tlog-tiles` has it; in a copy only

A size is written with 15 digits in groups of three, so that the newest is found by looking into five folders.
"""

import re
from collections.abc import Iterator

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import note
from keepstone.ledger.merkle import Frontier
from keepstone.ledger.outside.objects import Objects
from keepstone.ledger.store import TileStore
from keepstone.ledger.view import MAIN, SHARDS, View

CHECKPOINTS = "checkpoints/"
VIEWS = "views/"
PRUNED_NOTES = "pruned/"
_DIGITS = re.compile(r"[0-9]{3}/?\Z")
_SHARD = re.compile(rf"{SHARDS}/([a-z0-9][a-z0-9-]{{0,39}})/(.+)\Z")
_FORGED_AT_MOST = 1000


def numbered(number: int) -> str:
    """Return a number as a path: 12345 -> `000/000/000/012/345`."""
    digits = f"{number:015d}"
    return "/".join(digits[at : at + 3] for at in range(0, 15, 3))


def prefix_of(log: str) -> str:
    """Return what stands before the keys of one log."""
    return "" if log == MAIN else f"{SHARDS}/{log}/"


def split_key(key: str) -> tuple[str, str]:
    """Return (log, rest) of a key."""
    match = _SHARD.match(key)
    return (match[1], match[2]) if match else (MAIN, key)


def checkpoint_key(log: str, size: int) -> str:
    """Return where a checkpoint lies."""
    return f"{prefix_of(log)}{CHECKPOINTS}{numbered(size)}"


def view_key(view: View) -> str:
    """Return where a view lies; neither the number of records nor that of logs ever falls."""
    return f"{VIEWS}{numbered(sum(each.size for each in view.logs.values()))}-{len(view.logs):03d}"


def newest_first(objects: Objects, prefix: str) -> Iterator[str]:
    """Yield the keys below a prefix that are numbered, the largest first, reading only what is needed."""

    def below(folder: str, depth: int) -> Iterator[str]:
        for name in reversed(objects.names(folder)):
            if depth == 4 and not name.endswith("/"):
                yield folder + name
            elif depth < 4 and _DIGITS.match(name) and name.endswith("/"):
                yield from below(folder + name, depth + 1)

    return below(prefix, 0)


def newest_checkpoint(objects: Objects, log: str, verifier: note.Verifier) -> note.Checkpoint | None:
    """Return the largest checkpoint of a log that is signed by its key; what is not is passed over."""
    for count, key in enumerate(newest_first(objects, prefix_of(log) + CHECKPOINTS)):
        if count >= _FORGED_AT_MOST:
            break
        signed = objects.get(key) or b""
        try:
            return note.open_checkpoint(signed.decode("utf-8", "replace"), verifier)
        except LedgerError:
            continue
    return None


def held_edge(
    objects: Objects, log: str, verifier: note.Verifier, tiles: TileStore, checkpoint: note.Checkpoint
) -> Frontier:
    """Return the edge of what a place holds of a log; raise `LedgerCorrupt` if the log does not begin so."""
    held = newest_checkpoint(objects, log, verifier)
    if held is None:
        return Frontier()
    where = f"`{objects.where}/{checkpoint_key(log, held.size)}`"
    if held.size > checkpoint.size:
        raise LedgerCorrupt(
            f"{where} is of `{held.size}` records, but this log holds `{checkpoint.size}`",
            hint="this ledger was cut or put back to an older state: restore it from its copy",
        )
    edge = Frontier.at(held.size, tiles.nodes(checkpoint.size))
    if edge.root() != held.root:
        raise LedgerCorrupt(
            f"this log does not begin with the records of {where}", hint="it was rewritten: keep both"
        )
    return edge
