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
        self._files: deque[tuple[str, bytes]] = deque()
        self._obsolete: deque[Path] = deque()
        self._note = ""

    @property
    def pending(self) -> bool:
        """Say whether a publication was begun and has not succeeded."""
        return bool(self._note)

    def add(
        self, records: Sequence[bytes], leaves: Sequence[bytes], note: str, obsolete: Iterable[Path]
    ) -> None:
        """Take what was appended since, the signed note for the size reached, and the segments it ends."""
        for record, leaf in zip(records, leaves, strict=True):
            self._files.extend(self._builder.add(record, leaf))
        self._note = note
        self._obsolete.extend(obsolete)

    def flush(self) -> None:
        """Write everything taken; raise `OSError` when the disk refuses, and go on from there next time."""
        while self._files:
            path, data = self._files[0]
            self._place(path, data)
            # a full file replaces its partial forms (c2sp.org/tlog-tiles, "Partial Tiles")
            shutil.rmtree(self._directory / f"{path}.p", ignore_errors=True)
            self._files.popleft()
        for path, data in self._builder.partial():
            self._place(path, data)
        self._place(CHECKPOINT, self._note.encode())
        self._note = ""
        while self._obsolete:
            self._disk.remove(self._obsolete[0])
            self._obsolete.popleft()

    def _place(self, path: str, data: bytes) -> None:
        self._disk.place(self._directory / path, data, self._directory / WAL)
