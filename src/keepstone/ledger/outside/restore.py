"""A ledger made again out of its copy: the newest signed checkpoint of each log, and all that it covers.

It is laid down in a new folder; `verify` then says whether it holds. What the copy lacks stays away, so that
a gap shows up as one.
"""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from keepstone.core.errors import LedgerCorrupt, LedgerError, UsageError
from keepstone.ledger import note, wal
from keepstone.ledger.disk import translate
from keepstone.ledger.outside.layout import CHECKPOINTS, PRUNED_NOTES, VIEWS, split_key
from keepstone.ledger.outside.objects import Objects, Stored
from keepstone.ledger.prune import read_pruned
from keepstone.ledger.store import CHECKPOINT, PRUNED, WAL
from keepstone.ledger.tiles import WIDTH, parse_path
from keepstone.ledger.view import VIEW, open_view, shard_folder

_AT_ONCE = 16
_UNDER_WAY = 256


@dataclass(slots=True)
class _Log:
    """The notes of one log in the copy, by their keys; `size` is that of the checkpoint that was chosen."""

    checkpoints: list[Stored] = field(default_factory=list)
    pruned: list[Stored] = field(default_factory=list)
    size: int = -1


@dataclass(slots=True)
class Restored:
    """What came of it: how many records each log holds, and what to say about the copy itself.

    `problems` are things that nobody may do to a locked copy; `notes` are harmless.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0


class Restore:
    """Reads a copy into an empty folder."""

    def __init__(self, objects: Objects, folder: Path, verifier: note.Verifier | None) -> None:
        self._objects = objects
        self._folder = folder
        self._verifier = verifier
        self._logs: dict[str, _Log] = {}
        self._views: list[Stored] = []
        self._done = Restored()

    def run(self) -> Restored:
        """Do all of it; raise `LedgerError` when the copy cannot be read or holds no checkpoint."""
        if self._folder.exists() and any(self._folder.iterdir()):
            raise UsageError(f"`{self._folder}` is not empty", hint="give a folder that is new")
        try:
            (self._folder / WAL).mkdir(parents=True)
            self._files()
            for name in self._logs:
                self._choose(name)
            if not any(log.size >= 0 for log in self._logs.values()):
                raise LedgerCorrupt(f"`{self._objects.where}` holds no checkpoint of this ledger")
            for name, log in self._logs.items():
                self._finish(name, log)
            self._view()
            os.sync()  # one for all: a restore that a crash cuts short begins again
        except OSError as error:
            raise translate(error, f"`{self._folder}` cannot be written") from error
        return self._done

    def _files(self) -> None:
        """Go through the inventory: notes are remembered, what a log's checkpoint needs is fetched.

        The keys are sorted, so the checkpoints of a log come before its tiles.
        """
        under_way: list[Future[None]] = []
        with ThreadPoolExecutor(_AT_ONCE, "keepstone-restore") as pool:
            for stored in self._objects.inventory():
                if stored.altered:
                    self._done.problems.append(
                        f"`{stored.key}` was {stored.altered}; its first version counts"
                    )
                if self._wanted(stored):
                    under_way.append(pool.submit(self._fetch, stored))
                    self._done.files += 1
                if len(under_way) >= _UNDER_WAY:
                    for each in under_way:
                        each.result()
                    under_way.clear()
            for each in under_way:
                each.result()

    def _wanted(self, stored: Stored) -> bool:
        name, rest = split_key(stored.key)
        parsed = parse_path(rest)
        if parsed is not None:
            log = self._choose(name)
            return log.size >= 0 and _covers(log.size, *parsed)
        if rest.startswith(CHECKPOINTS):
            self._logs.setdefault(name, _Log()).checkpoints.append(stored)
        elif rest.startswith(PRUNED_NOTES):
            self._logs.setdefault(name, _Log()).pruned.append(stored)
        elif stored.key.startswith(VIEWS):
            self._views.append(stored)
        else:
            self._done.notes.append(f"`{stored.key[:200]}` does not belong to the ledger")
        return False

    def _fetch(self, stored: Stored) -> None:
        name, rest = split_key(stored.key)
        self._place(shard_folder(self._folder, name) / rest, self._objects.read(stored))

    def _place(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def _choose(self, name: str) -> _Log:
        """Take the newest checkpoint of a log that is signed by its key; without a key, the newest."""
        log = self._logs.setdefault(name, _Log())
        if log.size >= 0:
            return log
        key = self._verifier.of_shard(name) if self._verifier else None
        for stored, signed in self._texts(log.checkpoints):
            try:
                found = (
                    note.open_checkpoint(signed, key) if key else note.parse_checkpoint(note.split(signed)[0])
                )
            except LedgerError as error:
                self._done.problems.append(f"`{stored.key}`: {error.message}")
                continue
            log.size = self._done.sizes[name] = found.size
            self._place(shard_folder(self._folder, name) / CHECKPOINT, signed.encode())
            begun = wal.segment_frame(found.origin, found.size)
            self._place(shard_folder(self._folder, name) / WAL / wal.segment_name(found.size), begun)
            break
        log.checkpoints.clear()
        return log

    def _finish(self, name: str, log: _Log) -> None:
        key = self._verifier.of_shard(name) if self._verifier else None
        for stored, signed in self._texts(log.pruned):
            try:
                read_pruned(signed, key)
            except LedgerError as error:
                self._done.problems.append(f"`{stored.key}`: {error.message}")
                continue
            self._place(shard_folder(self._folder, name) / PRUNED, signed.encode())
            return

    def _view(self) -> None:
        for stored, signed in self._texts(self._views):
            try:
                open_view(signed, self._verifier)
            except LedgerError as error:
                self._done.problems.append(f"`{stored.key}`: {error.message}")
                continue
            self._place(self._folder / VIEW, signed.encode())
            return

    def _texts(self, notes: list[Stored]) -> Iterator[tuple[Stored, str]]:
        for stored in sorted(notes, key=lambda each: each.key, reverse=True):
            yield stored, self._objects.read(stored).decode("utf-8", "replace")


def _covers(size: int, level: int, number: int, width: int) -> bool:
    """Say whether a log of `size` records reads this file: each full one, and each partial one at its end."""
    full, rest = divmod(size >> 8 * max(level, 0), WIDTH)
    return number < full if width == WIDTH else (number, width) == (full, rest)


def restore(objects: Objects, folder: Path, verifier: note.Verifier | None) -> Restored:
    """Lay a ledger down in `folder` out of its copy; with `verifier`, forged checkpoints are passed over."""
    return Restore(objects, folder, verifier).run()
