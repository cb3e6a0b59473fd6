"""Signed notes kept outside: posting what a ledger says of itself, and reading back what it once said."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from keepstone.core.errors import LedgerError
from keepstone.ledger import note
from keepstone.ledger.outside.layout import (
    CHECKPOINTS,
    VIEWS,
    checkpoint_key,
    held_edge,
    split_key,
    view_key,
)
from keepstone.ledger.outside.objects import Objects, Stored
from keepstone.ledger.store import TileStore
from keepstone.ledger.verify import Begin
from keepstone.ledger.view import folders, is_view, open_view, read_view

_AT_ONCE = 16


class Anchor(Protocol):
    """Somebody outside who is told what a ledger says of itself."""

    @property
    def where(self) -> str:
        """Return who or which place it is, for people."""
        ...

    def post(self, ledger: Path, verifier: note.Verifier) -> int:
        """Tell it what is published now, and return how many notes were new.

        Raise `LedgerCorrupt` when the ledger does not continue what was told before, `LedgerError` when it
        cannot be told.
        """
        ...


@dataclass(slots=True)
class NoteAnchor:
    """A bucket or a folder that keeps each checkpoint and view under a name of its own."""

    objects: Objects
    _compared: set[str] = field(default_factory=set)
    _posted: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """Return which place it is, for people."""
        return self.objects.where

    def post(self, ledger: Path, verifier: note.Verifier) -> int:
        """Post what is published now, and return how many notes were new.

        Raise `LedgerCorrupt` when a log does not continue what was posted before.
        """
        return sum(self._post(key, signed) for key, signed in self._notes(ledger, verifier))

    def _notes(self, ledger: Path, verifier: note.Verifier) -> Iterator[tuple[str, str]]:
        signed_view = read_view(ledger)
        for name, folder in folders(ledger).items():
            own, tiles = verifier.of_shard(name), TileStore(folder)
            signed = tiles.checkpoint()
            if signed is None:
                continue
            checkpoint = note.open_checkpoint(signed, own)
            if name not in self._compared:
                held_edge(self.objects, name, own, tiles, checkpoint)
                self._compared.add(name)
            yield checkpoint_key(name, checkpoint.size), signed
        if signed_view is not None:
            yield view_key(open_view(signed_view, verifier)), signed_view

    def _post(self, key: str, signed: str) -> int:
        kind = key.rpartition("/")[0] if CHECKPOINTS not in key else split_key(key)[0]
        if self._posted.get(kind) == signed:
            return 0
        self.objects.put_once(key, signed.encode())
        self._posted[kind] = signed
        return 1


@dataclass(slots=True)
class Anchored:
    """What a place says that each log once held; `problems` are what nobody should have done to it."""

    begins: dict[str, list[Begin]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: int = 0


def anchored(objects: Objects, verifier: note.Verifier | None) -> Anchored:
    """Read every note of a place; raise `LedgerError` (`ledger.unreachable`) when it cannot be read."""
    found = Anchored()

    def read(stored: Stored) -> tuple[Stored, str]:
        return stored, objects.read(stored).decode("utf-8", "replace")

    wanted = (each for each in objects.inventory() if _is_note(each.key))
    with ThreadPoolExecutor(_AT_ONCE, "keepstone-anchors") as pool:
        for stored, signed in pool.map(read, wanted):
            if stored.altered:
                found.problems.append(
                    f"`{objects.where}/{stored.key}` was {stored.altered}; its first version counts"
                )
            try:
                _take(found, objects.where, stored.key, signed, verifier)
            except LedgerError as error:
                found.problems.append(f"`{objects.where}/{stored.key}`: {error.message}")
            else:
                found.notes += 1
    return found


def _is_note(key: str) -> bool:
    return split_key(key)[1].startswith(CHECKPOINTS) or key.startswith(VIEWS)


def _take(found: Anchored, place: str, key: str, signed: str, verifier: note.Verifier | None) -> None:
    where = f"`{place}/{key}`"
    if is_view(signed):
        for name, reached in open_view(signed, verifier).logs.items():
            found.begins.setdefault(name, []).append(Begin(reached.size, reached.root, where, place))
        return
    name = split_key(key)[0]
    if verifier is None:
        checkpoint = note.parse_checkpoint(note.split(signed)[0])
    else:
        checkpoint = note.open_checkpoint(signed, verifier.of_shard(name))
    found.begins.setdefault(name, []).append(Begin(checkpoint.size, checkpoint.root, where, place))
