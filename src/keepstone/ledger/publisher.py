"""Brings the log into its static form: full tiles, partial ones, the checkpoint; then old segments go.

The order is what makes it safe: whenever a checkpoint is readable, all that it covers is durable, and a
segment is deleted only when a durable checkpoint covers it. A failed step is kept and tried again.
"""

import shutil
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from keepstone.ledger.disk import Disk
from keepstone.ledger.store import CHECKPOINT, WAL
from keepstone.ledger.tiles import TileBuilder


class Publisher:
    """Owns the tiles of one ledger; used by one thread at a time."""

    def __init__(self, directory: Path, builder: TileBuilder, disk: Disk) -> None:
        self._directory = directory
        self._builder = builder
        self._disk = disk
        self._files: list[tuple[str, bytes]] = []
        self._partial: set[str] | None = None  # folders of partial files; unknown after a start
        self._obsolete: deque[Path] = deque()
        self._note = ""

    @property
    def pending(self) -> bool:
        """Say whether a publication was begun and has not succeeded."""
        return bool(self._note)

    def add(
        self, entries: Sequence[bytes], leaves: Sequence[bytes], note: str, obsolete: Iterable[Path]
    ) -> None:
        """Take the entries appended since, the signed note for the size reached, and the segments it ends."""
        for entry, leaf in zip(entries, leaves, strict=True):
            self._files += self._builder.add(entry, leaf)
        self._note = note
        self._obsolete.extend(obsolete)

    def flush(self) -> None:
        """Write everything taken; raise `OSError` when the disk refuses, and go on from there next time."""
        self._place_all(self._files)
        for path, _ in self._files:
            # a full file replaces its partial forms (c2sp.org/tlog-tiles, "Partial Tiles")
            if self._partial is None or f"{path}.p" in self._partial:
                shutil.rmtree(self._directory / f"{path}.p", ignore_errors=True)
        self._files.clear()
        partial = list(self._builder.partial())
        self._place_all(partial)
        self._partial = {path.rpartition("/")[0] for path, _ in partial}
        folder = self._directory / WAL
        self._disk.place(self._directory / CHECKPOINT, self._note.encode(), folder)
        self._note = ""
        while self._obsolete:
            self._disk.remove(self._obsolete[0])
            self._obsolete.popleft()

    def _place_all(self, files: Iterable[tuple[str, bytes]]) -> None:
        self._disk.place_all(((self._directory / path, data) for path, data in files), self._directory / WAL)
