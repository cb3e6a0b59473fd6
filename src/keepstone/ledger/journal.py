"""The ledger's state on the disk: the open segment, the tree's edge, what is durable, what awaits its tiles.

It knows no thread and no lock: whoever owns it lets one thread at a time write. What the disk refuses is
taken back or ends the writing, and `failure` says which.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keepstone.core.errors import LedgerError, LedgerFull
from keepstone.ledger import wal
from keepstone.ledger.disk import Disk, UnconfirmedError, translate
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.merkle import Frontier, leaf_hash
from keepstone.ledger.recovery import Recovered
from keepstone.ledger.segment import Segment
from keepstone.ledger.store import WAL
from keepstone.ledger.tiles import encode_entry

_BACKLOG_BYTES = 256 << 20
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Batch:
    """Records that are about to be written together, and the tree after them; or why that went wrong.

    `written` says that the frame is in the file and only the sync is missing.
    """

    entries: list[bytes]
    waiters: list[object]
    leaves: list[bytes]
    frontier: Frontier
    root: bytes
    signature: bytes
    frame: bytes
    fault: Exception | None = None
    written: bool = False


class Journal:
    """One locked and recovered ledger folder that is being written, batch by batch.

    `failure` is None when all is well, `LedgerFull` while writes are refused and will be tried again, another
    `LedgerError` when only a restart helps. `waiting` counts the records, `backlog` the bytes that are not in
    the tiles yet.
    """

    def __init__(
        self, directory: Path, key: LedgerKey, recovered: Recovered, disk: Disk, lock_descriptor: int
    ) -> None:
        self.failure: LedgerError | None = None
        self.size = recovered.frontier.size
        self.root = recovered.frontier.root()
        self.backlog = 0
        self.publisher = recovered.publisher
        self._directory = directory
        self._key = key
        self._disk = disk
        self._lock_descriptor = lock_descriptor
        self._frontier = recovered.frontier
        self._segment = Segment(recovered.segment, disk)
        self._signature = b""
        self._durable = self.size
        self._entries: list[bytes] = []
        self._leaves: list[bytes] = []

    @property
    def waiting(self) -> int:
        """Return how many records wait for their tiles."""
        return len(self._entries)

    @property
    def behind(self) -> bool:
        """Say whether so much waits for its tiles that no more may be written."""
        return self.backlog > _BACKLOG_BYTES

    @property
    def permanent(self) -> LedgerError | None:
        """Return the failure that only a restart mends, None when there is none."""
        return None if isinstance(self.failure, LedgerFull) else self.failure

    @property
    def descriptor(self) -> int:
        """Return the open segment's file descriptor."""
        return self._segment.descriptor

    # --- batches -----------------------------------------------------------------------------------------

    def batch(self, queue: Sequence[tuple[bytes, object]]) -> Batch:
        """Put (record, waiter) pairs together as the next batch; a fault of ours is kept in it."""
        waiters = [waiter for _, waiter in queue]
        frontier = self._frontier.copy()
        try:
            entries = [encode_entry(record) for record, _ in queue]
            leaves = [leaf_hash(record) for record, _ in queue]
            for leaf in leaves:
                frontier.add(leaf)
            root = frontier.root()
            signature = self._key.sign(frontier.size, root)
            frame = wal.batch_frame(self.size, self._durable, entries, signature, root)
        except Exception as error:  # noqa: BLE001 - the writer's outermost door deals with it
            return Batch([], waiters, [], frontier, b"", b"", b"", error)
        return Batch(entries, waiters, leaves, frontier, root, signature, frame)

    def write_unsynced(self, batch: Batch) -> bool:
        """Write a batch's frame and leave the sync to the caller; False, and nothing written, if refused."""
        try:
            self._segment.write(batch.frame)
        except OSError:
            try:
                self._segment.roll_back()
            except OSError as error:
                self._beyond_repair(error)
            return False
        batch.written = True
        return True

    def commit(self, batch: Batch, *, durable: bool) -> LedgerError | None:
        """Write what of a batch is not written, sync it if `durable`, accept it; or say why not."""
        error = self.permanent or self._far_behind() or self._write(batch, durable=durable)
        if error is None:
            self.accept(batch, durable=durable)
        return error

    def _far_behind(self) -> LedgerError | None:
        if not self.behind:
            return None
        return LedgerFull("the ledger's tiles cannot be written", hint="free space on the ledger's disk")

    def _write(self, batch: Batch, *, durable: bool) -> LedgerError | None:
        try:
            if not batch.written:
                self._segment.write(batch.frame, durable=durable)
            elif durable:
                self._segment.sync()
        except UnconfirmedError as error:
            return self.unconfirmed(error)
        except OSError as error:
            return self.unconfirmed(error) if batch.written else self._roll_back(error)
        return None

    def accept(self, batch: Batch, *, durable: bool) -> None:
        """Let a written batch become part of the log."""
        self._frontier, self._signature = batch.frontier, batch.signature
        if durable:
            self._durable = self._frontier.size
        self.failure = None
        self.size, self.root = batch.frontier.size, batch.root
        self._entries += batch.entries
        self._leaves += batch.leaves
        self.backlog += len(batch.frame)

    # --- what the disk refuses ---------------------------------------------------------------------------

    def _roll_back(self, error: OSError) -> LedgerError:
        """Cut a half-written batch off again; without that the file must not be written any more."""
        translated = translate(error, "the record could not be written")
        try:
            self._segment.roll_back()
        except OSError as second:
            return self._beyond_repair(second)
        self.failure = LedgerFull(translated.message, hint=translated.hint)
        return self.failure

    def _beyond_repair(self, error: OSError) -> LedgerError:
        """Give up: the file ends in half a batch, and nothing may be written behind it."""
        failure = translate(error, "a half-written batch could not be taken back")
        self.failure = LedgerError(failure.message, hint="restart; start-up sets the torn end aside")
        return self.failure

    def unconfirmed(self, error: OSError) -> LedgerError:
        """Give up: after a failed sync the kernel may forget what was dirty, so it is never tried again."""
        failure = translate(error, "the ledger's disk did not confirm a write")
        self.failure = LedgerError(failure.message, hint="check the disk, then restart", code="ledger.sync")
        return self.failure

    def sync(self) -> bool:
        """Sync the segment; False when the disk did not confirm."""
        try:
            self._segment.sync()
        except OSError as error:
            self.unconfirmed(error)
            return False
        self._durable = self._frontier.size
        return True

    # --- towards the tiles -------------------------------------------------------------------------------

    def rotate(self) -> bool:
        """Begin a new segment and give the publisher the old one's records; False if the disk refuses."""
        if self._durable != self.size and not self.sync():
            return False
        old, folder = self._segment, self._directory / WAL
        try:
            segment = Segment.begin(folder, self._key.name, self.size, self._disk)
        except OSError as error:
            _log.warning("the ledger cannot begin a new segment: %s", translate(error, "rotation"))
            self._take_back(folder / wal.segment_name(self.size))
            return False
        try:
            old.seal()
        except OSError as error:  # all records in it were synced before; the seal is a help, not a need
            _log.warning("the ledger cannot seal a segment: %s", translate(error, "sealing"))
        old.close()
        self._segment = segment
        note = self._key.checkpoint(self.size, self.root, self._signature)
        self.publisher.add(self._entries, self._leaves, note, [old.path])
        self._entries, self._leaves, self.backlog = [], [], 0
        return True

    def _take_back(self, segment: Path) -> None:
        """Remove a segment that could not be begun: two open ends would contradict each other."""
        try:
            self._disk.remove(segment)
        except OSError as error:
            self.failure = LedgerError(
                str(translate(error, "a segment could not be removed")), hint="restart"
            )

    def finish(self, *, unsynced: bool) -> None:
        """Publish what is left, syncing it before if it is `unsynced`, and let the folder go."""
        try:
            if self.permanent is None and (not unsynced or self.sync()):
                if self.publisher.pending:
                    self.publisher.flush()
                if self._entries and self.rotate():
                    self.publisher.flush()
        except OSError as error:
            _log.warning("the checkpoint could not be published: %s", translate(error, "the next start will"))
        finally:
            self._segment.close()
            os.close(self._lock_descriptor)
