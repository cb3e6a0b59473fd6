"""The one segment file that is being appended to: write, take back, sync, seal."""

from pathlib import Path

from keepstone.ledger import wal
from keepstone.ledger.disk import Disk


class Segment:
    """An open segment; `write` adds a whole frame or raises, and `roll_back` then cuts off the rest."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self._disk = disk
        self._descriptor = disk.open_append(path)
        self._offset = path.stat().st_size

    @classmethod
    def begin(cls, folder: Path, origin: str, start: int, disk: Disk) -> "Segment":
        """Make the segment for records from `start` on, durable under its name, and open it."""
        path = folder / wal.segment_name(start)
        disk.place(path, wal.segment_frame(origin, start), folder)
        return cls(path, disk)

    @property
    def descriptor(self) -> int:
        """Return the file's descriptor."""
        return self._descriptor

    def write(self, frame: bytes, *, durable: bool = False) -> None:
        """Append a frame, `durable` before this returns if asked for.

        After an `OSError` a part of it may be in the file; after `UnconfirmedError` all of it may be.
        """
        if durable:
            self._disk.write_durably(self._descriptor, frame)
        else:
            self._disk.write(self._descriptor, frame)
        self._offset += len(frame)

    def roll_back(self) -> None:
        """Cut off what a failed `write` left."""
        self._disk.truncate(self._descriptor, self._offset)

    def sync(self) -> None:
        """Wait until all frames are on the disk."""
        self._disk.fdatasync(self._descriptor)

    def seal(self) -> None:
        """Mark the segment as followed by another one, so that a lost successor is noticed."""
        self.write(wal.frame(wal.SEAL, b""))
        self.sync()

    def close(self) -> None:
        """Give the file back."""
        self._disk.close(self._descriptor)
