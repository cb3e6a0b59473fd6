"""The ledger that a gateway writes: submit from any thread, be told when the record is durable and signed.

All that queued while one sync ran becomes the next batch: its records and the signed root after them are
one frame and one durable write; only then are the waiters told.

Two ways lead to the disk. A batch that begins in the event loop's thread is written there and synced by the
kernel in the background (`kernel_sync`): nobody waits and no thread is woken. Every other batch is written by
the ledger's own thread, which also syncs bounded windows and hands what is durable to a third thread for
tiles and checkpoint. One batch is under way at a time, whichever way it goes.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from keepstone.core.errors import LedgerError, LedgerFull
from keepstone.ledger import wal
from keepstone.ledger.disk import Disk, UnconfirmedError, translate
from keepstone.ledger.kernel_sync import KernelSync
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.merkle import Frontier, leaf_hash
from keepstone.ledger.record import MAX_RECORD
from keepstone.ledger.recovery import Recovered, lock, recover
from keepstone.ledger.segment import Segment
from keepstone.ledger.store import WAL
from keepstone.ledger.tiles import encode_entry

Notify = Callable[[Sequence[object], LedgerError | None], None]

PUBLISH_RECORDS = 4096
PUBLISH_BYTES = 16 << 20
PUBLISH_SECONDS = 10.0
_RETRY_SECONDS = 1.0
_QUEUE_BYTES = 64 << 20
_BACKLOG_BYTES = 256 << 20
_LOOK_SECONDS = 0.1
_GOODBYE_SECONDS = 10.0
_SLOW_WRITE_SECONDS = 0.02
_SLOW_FOR_SECONDS = 30.0
_log = logging.getLogger(__name__)


class _Blocking:
    """The waiter of `append`: an event, and what it was told."""

    __slots__ = ("done", "error", "index")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.index = -1
        self.error: LedgerError | None = None


@dataclass(slots=True)
class _Batch:
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


class Ledger:
    """A Merkle log that is being written. Open it with `Ledger.open`, end it with `close`.

    `size` and `root` are of the last batch that was acknowledged. `failure` is the state of the disk: None
    when all is well, `LedgerFull` while writes are refused and will be tried again, another `LedgerError`
    when only a restart helps. `repaired` says what start-up repaired, empty when nothing.
    """

    def __init__(
        self, directory: Path, key: LedgerKey, recovered: Recovered, disk: Disk, lock_descriptor: int
    ) -> None:
        self.directory = directory
        self.repaired = recovered.repaired
        self.failure: LedgerError | None = None
        self.size = recovered.frontier.size
        self.root = recovered.frontier.root()
        self._key = key
        self._disk = disk
        self._lock_descriptor = lock_descriptor
        self._frontier = recovered.frontier
        self._publisher = recovered.publisher
        self._segment = Segment(recovered.segment, disk)
        self._signature = b""
        self._notify: Notify = lambda _waiters, _error: None
        self._window = 0.0
        self._max_queue = 0

        self._lock = threading.Lock()
        self._closing = False
        self._queue: list[tuple[bytes, object]] = []
        self._queued_bytes = 0
        self._current: _Batch | None = None
        self._jobs: SimpleQueue[_Batch | None] = SimpleQueue()
        self._kernel: KernelSync | None = None
        self._in_kernel = threading.Event()  # cleared while a batch is on its way through the event loop
        self._in_kernel.set()
        self._by_thread = False  # batches go through the thread, which needs the files for itself
        self._slow_until = 0.0

        self._durable = self.size
        self._sync_at: float | None = None
        self._publish_at: float | None = None
        self._entries: list[bytes] = []
        self._leaves: list[bytes] = []
        self._backlog = 0
        self._executor = ThreadPoolExecutor(1, "keepstone-ledger-tiles")
        self._publication: Future[None] | None = None
        self._thread = threading.Thread(target=self._run, name="keepstone-ledger", daemon=True)

    @classmethod
    def open(  # noqa: PLR0913 - what it needs, and by keyword what may differ
        cls,
        directory: Path,
        key: LedgerKey,
        *,
        notify: Notify,
        window_ms: float = 0,
        max_queue: int = 8192,
        disk: Disk | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> "Ledger":
        """Take, check and if need be repair the ledger in `directory`, making an empty one if it is new.

        `notify(waiters, error)` is called on the writer's thread, once per batch, with the waiters in order:
        with None when the batch is durable, else nothing in it was accepted. With `window_ms` above 0 it is
        called after the write, and the sync follows at most that much later. With `loop`, the running one,
        what is submitted in its thread is written there if the system can sync in the background. Raise
        `LedgerCorrupt` when an acknowledged record is in doubt, `LedgerError` when the ledger is taken or the
        disk refuses.
        """
        disk = disk or Disk()
        try:
            descriptor = lock(directory)
            try:
                ledger = cls(directory, key, recover(directory, key, disk), disk, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise translate(error, f"the ledger `{directory}` cannot be opened") from error
        ledger._notify = notify
        ledger._window = window_ms / 1000
        ledger._max_queue = max_queue
        if loop is not None:
            try:
                ledger._kernel = KernelSync(loop)
            except OSError as error:
                _log.info("the ledger syncs in a thread: %s", error)
        ledger._thread.start()
        return ledger

    # --- callers' side -----------------------------------------------------------------------------------

    def submit(self, entries: Sequence[tuple[bytes, object]]) -> None:
        """Queue (record, waiter) pairs together, all or none, never waiting for the disk.

        Raise `LedgerFull`, or `LedgerError` when closed, failed, or for a record that is too long.
        """
        size = 0
        for record, _ in entries:
            size += len(record)
            if len(record) > MAX_RECORD:
                raise LedgerError(f"a record of `{len(record)}` bytes is longer than `{MAX_RECORD}`")
        with self._lock:
            if self._closing or self.failure is not None:
                self._refuse()
            if len(self._queue) >= self._max_queue or self._queued_bytes > _QUEUE_BYTES:
                raise LedgerFull(
                    f"the ledger's queue holds `{len(self._queue)}` records and takes no more",
                    hint="the disk is slower than the traffic",
                )
            self._queue += entries
            self._queued_bytes += size
            if self._current is None:
                self._begin_batch()

    def append(self, record: bytes) -> int:
        """Write one record, wait until it is durable, return its index."""
        waiter = _Blocking()
        self.submit([(record, waiter)])
        waiter.done.wait()
        if waiter.error is not None:
            raise waiter.error
        return waiter.index

    def close(self) -> None:
        """Write what is queued, publish, and let the ledger go; further calls do nothing."""
        with self._lock:
            self._closing = True
        self._jobs.put(None)
        self._thread.join()

    def _refuse(self) -> None:
        """Raise when no record can be taken; a full disk is tried again, so it does not refuse."""
        if self._closing:
            raise LedgerError("the ledger is closed")
        failure = self.failure
        if failure is not None and not isinstance(failure, LedgerFull):
            raise LedgerError(failure.message, hint=failure.hint, code=failure.code)

    def _begin_batch(self) -> None:
        """Put all that is queued together and hand it to the writer.

        The lock is held and no batch is under way.
        """
        queue, self._queue, self._queued_bytes = self._queue, [], 0
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
            batch = _Batch(entries, waiters, leaves, frontier, root, signature, frame)
        except Exception as error:  # noqa: BLE001 - the writer's outermost door deals with it
            batch = _Batch([], waiters, [], frontier, b"", b"", b"", error)
        self._current = batch
        if self._may_go_through_the_loop(batch):
            self._write_in_the_loop(batch)
        else:
            self._jobs.put(batch)

    # --- the event loop's side ---------------------------------------------------------------------------

    def _may_go_through_the_loop(self, batch: _Batch) -> bool:
        return (
            self._kernel is not None
            and self._kernel.is_mine
            and not self._by_thread
            and not self._closing
            and not self._window
            and batch.fault is None
            and self.failure is None
            and self._backlog <= _BACKLOG_BYTES
            and time.monotonic() >= self._slow_until
        )

    def _write_in_the_loop(self, batch: _Batch) -> None:
        """Write a batch here and let the kernel sync it; whatever is unusual is left to the thread."""
        assert self._kernel is not None  # noqa: S101 - the caller has just looked
        began = time.monotonic()
        try:
            self._segment.write(batch.frame)
        except OSError:
            try:
                self._segment.roll_back()
            except OSError as error:
                self._beyond_repair(error)
            self._jobs.put(batch)  # it tries again and knows what to do about a full disk
            return
        batch.written = True
        if time.monotonic() - began > _SLOW_WRITE_SECONDS:  # the system makes writers wait: not in the loop
            self._slow_until = time.monotonic() + _SLOW_FOR_SECONDS
        try:
            self._kernel.start(self._segment.descriptor, lambda error: self._synced(batch, error))
        except OSError as error:
            _log.info("the ledger syncs in a thread: %s", error)
            self._slow_until = time.monotonic() + _SLOW_FOR_SECONDS
            self._jobs.put(batch)
            return
        self._in_kernel.clear()

    def _synced(self, batch: _Batch, error: OSError | None) -> None:
        """Take in what the kernel has synced, tell its waiters, begin the next batch."""
        if self._current is not batch:  # the thread has stopped and told the waiters so
            self._in_kernel.set()
            return
        failure = self._unconfirmed(error) if error is not None else None
        if failure is None:
            asleep = self._publish_at is None
            self._accept(batch, durable=True)
            if asleep:
                self._jobs.put(None)  # the thread has a deadline now
        first = self.size - len(batch.entries)
        with self._lock:
            self._current = None
            self._in_kernel.set()
        self._tell(batch.waiters, first, failure)
        with self._lock:
            if self._queue and self._current is None:
                self._begin_batch()

    # --- the writer's thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        """Write until closed. A fault of ours ends the writing, but never leaves a waiter waiting."""
        try:
            self._write_until_closed()
        except Exception as error:  # noqa: BLE001 - the thread's outermost door
            _log.exception("the ledger's writer stopped")
            fault = f"the ledger's writer stopped: internal fault `{type(error).__name__}`"
            self.failure = LedgerError(fault, hint="restart; nothing acknowledged is lost")
            with self._lock:
                batch, self._current = self._current, None
                queue, self._queue = self._queue, []
            lost = [*(batch.waiters if batch else ()), *(waiter for _, waiter in queue)]
            self._tell(lost, 0, self.failure)
        finally:
            self._finish()

    def _write_until_closed(self) -> None:
        while True:
            batch = self._next()
            if batch is not None:
                self._commit(batch)
            now = time.monotonic()
            if self._sync_at is not None and now >= self._sync_at:
                self._sync()
            if self._publish_due(now):
                self._publish()
            if self._closing and (self._current is None or self._forsaken()):
                return

    def _forsaken(self) -> bool:
        """Say whether the event loop ended before it heard of a batch, which nobody was told of then."""
        if self._in_kernel.wait(_GOODBYE_SECONDS):
            return False
        self.failure = LedgerError("the event loop ended while the ledger was written")
        return True

    def _next(self) -> _Batch | None:
        """Wait for a batch, for a deadline or for the end."""
        timeout = self._timeout()
        if timeout is not None and self._kernel is not None:
            timeout = min(timeout, _LOOK_SECONDS)  # what the loop writes wakes nobody
        try:
            return self._jobs.get(timeout=None if timeout is None else max(0.0, timeout))
        except Empty:
            return None

    def _timeout(self) -> float | None:
        deadlines = [each for each in (self._sync_at, self._publish_at) if each is not None]
        return min(deadlines) - time.monotonic() if deadlines else None

    def _commit(self, batch: _Batch) -> None:
        """Make one batch durable and tell its waiters, or tell them why not; begin the next one."""
        if batch.fault is not None:
            raise batch.fault
        error = self._permanent() or self._behind() or self._write(batch)
        first = self.size - len(batch.entries)
        with self._lock:
            self._current = None
        self._tell(batch.waiters, first, error)
        with self._lock:
            if self._queue and self._current is None:
                self._begin_batch()

    def _permanent(self) -> LedgerError | None:
        return None if isinstance(self.failure, LedgerFull) else self.failure

    def _behind(self) -> LedgerError | None:
        if self._backlog <= _BACKLOG_BYTES:
            return None
        return LedgerFull("the ledger's tiles cannot be written", hint="free space on the ledger's disk")

    def _write(self, batch: _Batch) -> LedgerError | None:
        durable = not self._window
        try:
            if not batch.written:
                self._segment.write(batch.frame, durable=durable)
            elif durable:
                self._segment.sync()
        except UnconfirmedError as error:
            return self._unconfirmed(error)
        except OSError as error:
            return self._unconfirmed(error) if batch.written else self._roll_back(error)
        self._accept(batch, durable=durable)
        return None

    def _accept(self, batch: _Batch, *, durable: bool) -> None:
        """Let a written batch become part of the log."""
        self._frontier, self._signature = batch.frontier, batch.signature
        if durable:
            self._durable = self._frontier.size
        else:
            self._sync_at = self._sync_at or time.monotonic() + self._window
        self.failure = None
        self.size, self.root = batch.frontier.size, batch.root
        self._entries += batch.entries
        self._leaves += batch.leaves
        self._backlog += len(batch.frame)
        self._publish_at = self._publish_at or time.monotonic() + PUBLISH_SECONDS

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

    def _sync(self) -> bool:
        """Sync the segment; False when the disk did not confirm."""
        self._sync_at = None
        try:
            self._segment.sync()
        except OSError as error:
            self._unconfirmed(error)
            return False
        self._durable = self._frontier.size
        return True

    def _unconfirmed(self, error: OSError) -> LedgerError:
        """Give up: after a failed sync the kernel may forget what was dirty, so it is never tried again."""
        failure = translate(error, "the ledger's disk did not confirm a write")
        self.failure = LedgerError(failure.message, hint="check the disk, then restart", code="ledger.sync")
        return self.failure

    def _tell(self, waiters: list[object], first: int, error: LedgerError | None) -> None:
        others = waiters
        if any(type(each) is _Blocking for each in waiters):
            others = [each for each in waiters if not isinstance(each, _Blocking)]
            for position, each in enumerate(waiters):
                if isinstance(each, _Blocking):
                    each.index, each.error = first + position, error
                    each.done.set()
        if not others:
            return
        try:
            self._notify(others, error)
        except Exception:  # noqa: BLE001 - the caller's code: its fault must not stop the record
            _log.exception("the ledger's notify callback raised")

    # --- publishing --------------------------------------------------------------------------------------

    def _publish_due(self, now: float) -> bool:
        if self._publish_at is None or self._permanent() is not None:
            self._publish_at = None
            return False
        much = len(self._entries) >= PUBLISH_RECORDS or self._backlog >= PUBLISH_BYTES
        full = much and not self._publisher.pending
        if now < self._publish_at and not full:
            return False
        if self._publication is not None and not self._publication.done():
            self._publish_at = now + 0.2
            return False
        return True

    def _publish(self) -> None:
        """Hand everything committed to the publisher's thread, in a segment of its own."""
        with self._lock:
            self._by_thread = True
        try:
            self._in_kernel.wait()
            self._publish_alone()
        finally:
            self._by_thread = False

    def _publish_alone(self) -> None:
        self._publish_at = None
        failed = self._publication.exception() if self._publication is not None else None
        if isinstance(failed, OSError):
            _log.warning("the ledger's tiles wait: %s", translate(failed, "they cannot be written"))
        elif failed is not None:
            _log.error("the ledger's tiles cannot be written", exc_info=failed)
        if self._entries and not self._publisher.pending and not self._rotate():
            self._publish_at = time.monotonic() + _RETRY_SECONDS
            return
        if self._publisher.pending:
            self._publication = self._executor.submit(self._publisher.flush)
            self._publish_at = time.monotonic() + PUBLISH_SECONDS

    def _rotate(self) -> bool:
        """Begin a new segment and give the publisher the old one's records; False if the disk refuses."""
        if self._durable != self.size and not self._sync():
            return False
        old, folder = self._segment, self.directory / WAL
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
        self._publisher.add(self._entries, self._leaves, note, [old.path])
        self._entries, self._leaves, self._backlog = [], [], 0
        return True

    def _take_back(self, segment: Path) -> None:
        """Remove a segment that could not be begun: two open ends would contradict each other."""
        try:
            self._disk.remove(segment)
        except OSError as error:
            self.failure = LedgerError(
                str(translate(error, "a segment could not be removed")), hint="restart"
            )

    def _finish(self) -> None:
        """Publish what is left and let go."""
        if self._kernel is not None:
            self._kernel.close()
        try:
            self._executor.shutdown(wait=True)
            if self._permanent() is None and (self._sync_at is None or self._sync()):
                if self._publisher.pending:
                    self._publisher.flush()
                if self._entries and self._rotate():
                    self._publisher.flush()
        except OSError as error:
            _log.warning("the checkpoint could not be published: %s", translate(error, "the next start will"))
        finally:
            self._segment.close()
            os.close(self._lock_descriptor)
