"""The ledger that a gateway writes: submit from any thread, be told when the record is durable and signed.

All that queued while one sync ran becomes the next batch: its records and the signed root after them are
one frame and one durable write; only then are the waiters told.

Two ways lead to the disk. A batch that begins in the event loop's thread is written there and synced by the
kernel in the background (`kernel_sync`): nobody waits and no thread is woken. Every other batch is written by
the ledger's own thread, which also syncs bounded windows and hands what is durable to a third thread for
tiles and checkpoint. One batch is under way at a time, whichever way it goes; `journal` knows the files.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue

from keepstone.core.errors import LedgerError, LedgerFull
from keepstone.ledger.disk import Disk, translate
from keepstone.ledger.journal import Batch, Journal
from keepstone.ledger.kernel_sync import KernelSync
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.record import MAX_RECORD
from keepstone.ledger.recovery import lock, recover
from keepstone.ledger.waiters import Blocking, Notify, tell

PUBLISH_RECORDS = 4096
PUBLISH_BYTES = 16 << 20
PUBLISH_SECONDS = 10.0
_RETRY_SECONDS = 1.0
_QUEUE_BYTES = 64 << 20
_LOOK_SECONDS = 0.1
_GOODBYE_SECONDS = 10.0
_SLOW_WRITE_SECONDS = 0.02
_SLOW_FOR_SECONDS = 30.0
_log = logging.getLogger(__name__)


class Ledger:
    """A Merkle log that is being written. Open it with `Ledger.open`, end it with `close`.

    `size` and `root` are of the last batch that was acknowledged. `failure` is the state of the disk: None
    when all is well, `LedgerFull` while writes are refused and will be tried again, another `LedgerError`
    when only a restart helps. `repaired` says what start-up repaired, empty when nothing.
    """

    def __init__(self, directory: Path, journal: Journal, repaired: str) -> None:
        self.directory = directory
        self.repaired = repaired
        self._journal = journal
        self._notify: Notify = lambda _waiters, _error: None
        self._window = 0.0
        self._max_queue = 0

        self._lock = threading.Lock()
        self._closing = False
        self._queue: list[tuple[bytes, object]] = []
        self._queued_bytes = 0
        self._current: Batch | None = None
        self._jobs: SimpleQueue[Batch | None] = SimpleQueue()
        self._kernel: KernelSync | None = None
        self._in_kernel = threading.Event()  # cleared while a batch is on its way through the event loop
        self._in_kernel.set()
        self._by_thread = False  # batches go through the thread, which needs the files for itself
        self._slow_until = 0.0

        self._sync_at: float | None = None
        self._publish_at: float | None = None
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

        `notify(waiters, error)` is called once per batch, with the waiters in order: with None when the batch
        is durable, else nothing in it was accepted. It is called on the writer's thread, or for a batch that
        went through `loop` on the loop's. With `window_ms` above 0 it is called after the write, and the sync
        follows at most that much later. With `loop`, the running one, what is submitted in its thread is
        written there if the system can sync in the background. Raise `LedgerCorrupt` when an acknowledged
        record is in doubt, `LedgerError` when the ledger is taken or the disk refuses.
        """
        disk = disk or Disk()
        try:
            descriptor = lock(directory)
            try:
                recovered = recover(directory, key, disk)
                ledger = cls(
                    directory, Journal(directory, key, recovered, disk, descriptor), recovered.repaired
                )
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

    @property
    def size(self) -> int:
        """Return how many records were acknowledged."""
        return self._journal.size

    @property
    def root(self) -> bytes:
        """Return the root hash of what was acknowledged."""
        return self._journal.root

    @property
    def failure(self) -> LedgerError | None:
        """Return why no record can be written at the moment, None when all is well."""
        return self._journal.failure

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
            if self._closing or self._journal.failure is not None:
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
        waiter = Blocking()
        self.submit([(record, waiter)])
        return waiter.wait()

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
        failure = self._journal.permanent
        if failure is not None:
            raise LedgerError(failure.message, hint=failure.hint, code=failure.code)

    def _begin_batch(self) -> None:
        """Put all that is queued together and hand it to the writer.

        The lock is held and no batch is under way.
        """
        queue, self._queue, self._queued_bytes = self._queue, [], 0
        batch = self._current = self._journal.batch(queue)
        if self._may_go_through_the_loop(batch):
            self._write_in_the_loop(batch)
        else:
            self._jobs.put(batch)

    def _go_on(self) -> None:
        """Begin the next batch if one has gathered."""
        with self._lock:
            if self._queue and self._current is None:
                self._begin_batch()

    def _accepted(self, *, durable: bool) -> None:
        """Note by when the batch just accepted has to be synced and published."""
        now = time.monotonic()
        if not durable:
            self._sync_at = self._sync_at or now + self._window
        self._publish_at = self._publish_at or now + PUBLISH_SECONDS

    # --- the event loop's side ---------------------------------------------------------------------------

    def _may_go_through_the_loop(self, batch: Batch) -> bool:
        return (
            self._kernel is not None
            and self._kernel.is_mine
            and not self._by_thread
            and not self._closing
            and not self._window
            and batch.fault is None
            and self._journal.failure is None
            and not self._journal.behind
            and time.monotonic() >= self._slow_until
        )

    def _write_in_the_loop(self, batch: Batch) -> None:
        """Write a batch here and let the kernel sync it; whatever is unusual is left to the thread."""
        assert self._kernel is not None  # noqa: S101 - the caller has just looked
        began = time.monotonic()
        if not self._journal.write_unsynced(batch):
            self._jobs.put(batch)  # it tries again and knows what to do about a full disk
            return
        if time.monotonic() - began > _SLOW_WRITE_SECONDS:  # the system makes writers wait: not in the loop
            self._slow_until = time.monotonic() + _SLOW_FOR_SECONDS
        try:
            self._kernel.start(self._journal.descriptor, lambda error: self._synced(batch, error))
        except OSError as error:
            _log.info("the ledger syncs in a thread: %s", error)
            self._slow_until = time.monotonic() + _SLOW_FOR_SECONDS
            self._jobs.put(batch)
            return
        self._in_kernel.clear()

    def _synced(self, batch: Batch, error: OSError | None) -> None:
        """Take in what the kernel has synced, tell its waiters, begin the next batch."""
        with self._lock:
            if self._current is not batch:  # the thread has given up and told the waiters so
                self._in_kernel.set()
                return
            failure = self._journal.unconfirmed(error) if error is not None else None
            asleep = self._publish_at is None
            if failure is None:
                self._journal.accept(batch, durable=True)
                self._accepted(durable=True)
            first = self.size - len(batch.entries)
            self._current = None
            self._in_kernel.set()
        if failure is None and asleep:
            self._jobs.put(None)  # the thread has a deadline now
        tell(self._notify, batch.waiters, first, failure)
        self._go_on()

    # --- the writer's thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        """Write until closed. A fault of ours ends the writing, but never leaves a waiter waiting."""
        try:
            self._write_until_closed()
        except Exception as error:  # noqa: BLE001 - the thread's outermost door
            _log.exception("the ledger's writer stopped")
            fault = f"the ledger's writer stopped: internal fault `{type(error).__name__}`"
            self._give_up(LedgerError(fault, hint="restart; nothing acknowledged is lost"))
        finally:
            self._finish()

    def _write_until_closed(self) -> None:
        while True:
            batch = self._next()
            if batch is not None:
                self._commit(batch)
            now = time.monotonic()
            if self._sync_at is not None and now >= self._sync_at:
                self._sync_at = None
                self._journal.sync()
            if self._publish_due(now):
                self._publish()
            if self._closing and (self._current is None or self._forsaken()):
                return

    def _forsaken(self) -> bool:
        """Say whether the event loop ended before it heard of a batch; its waiters are told then."""
        if self._in_kernel.wait(_GOODBYE_SECONDS):
            return False
        self._give_up(LedgerError("the event loop ended while the ledger was written"))
        return True

    def _give_up(self, error: LedgerError) -> None:
        """Take nothing more, and tell everybody who still waits."""
        with self._lock:
            self._journal.failure = error
            batch, self._current = self._current, None
            queue, self._queue, self._queued_bytes = self._queue, [], 0
        tell(self._notify, [*(batch.waiters if batch else ()), *(waiter for _, waiter in queue)], 0, error)

    def _next(self) -> Batch | None:
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

    def _commit(self, batch: Batch) -> None:
        """Make one batch durable and tell its waiters, or tell them why not; begin the next one."""
        if batch.fault is not None:
            raise batch.fault
        durable = not self._window
        error = self._journal.commit(batch, durable=durable)
        if error is None:
            self._accepted(durable=durable)
        first = self.size - len(batch.entries)
        with self._lock:
            self._current = None
        tell(self._notify, batch.waiters, first, error)
        self._go_on()

    # --- publishing --------------------------------------------------------------------------------------

    def _publish_due(self, now: float) -> bool:
        journal = self._journal
        if self._publish_at is None or journal.permanent is not None:
            self._publish_at = None
            return False
        much = journal.waiting >= PUBLISH_RECORDS or journal.backlog >= PUBLISH_BYTES
        full = much and not journal.publisher.pending
        if now < self._publish_at and not full:
            return False
        if self._publication is not None and not self._publication.done():
            self._publish_at = now + 0.2
            return False
        return True

    def _publish(self) -> None:
        """Hand everything committed to the publisher's thread, in a segment of its own.

        It needs the files for itself; an event loop that does not come back with them is not waited for.
        """
        with self._lock:
            self._by_thread = True
        try:
            if self._in_kernel.wait(_RETRY_SECONDS):
                self._publish_alone()
            else:
                self._publish_at = time.monotonic() + _RETRY_SECONDS
        finally:
            self._by_thread = False

    def _publish_alone(self) -> None:
        publisher = self._journal.publisher
        self._publish_at = None
        failed = self._publication.exception() if self._publication is not None else None
        if isinstance(failed, OSError):
            _log.warning("the ledger's tiles wait: %s", translate(failed, "they cannot be written"))
        elif failed is not None:
            _log.error("the ledger's tiles cannot be written", exc_info=failed)
        if self._journal.waiting and not publisher.pending:
            if not self._journal.rotate():
                self._publish_at = time.monotonic() + _RETRY_SECONDS
                return
            self._sync_at = None
        if publisher.pending:
            self._publication = self._executor.submit(publisher.flush)
            self._publish_at = time.monotonic() + PUBLISH_SECONDS

    def _finish(self) -> None:
        """Publish what is left and let go."""
        if self._kernel is not None:
            self._kernel.close()
        self._executor.shutdown(wait=True)
        self._journal.finish(unsynced=self._sync_at is not None)
