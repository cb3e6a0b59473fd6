"""Batches that are written in the event loop's thread and synced by the kernel: the same promises hold."""

import asyncio
import errno
import sys
import threading
from functools import partial

import pytest

from keepstone.core.errors import LedgerError, LedgerFull
from keepstone.ledger import writer
from keepstone.ledger.kernel_sync import KernelSync, _report
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.verify import verify
from tests.unit.ledger.support import KEY, FaultyDisk, QuickDisk, opened, wal_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems write in a thread only")


class Written:
    """A ledger opened for a loop, whose `append` waits for the record like a call does."""

    def __init__(self, ledger, loop, settled):
        self.ledger, self._loop, self._settled = ledger, loop, settled

    def submit(self, *records):
        futures = [self._loop.create_future() for _ in records]
        self.ledger.submit(list(zip(records, futures, strict=True)))
        return futures

    async def append(self, record):
        async with asyncio.timeout(5):
            await self.submit(record)[0]


def in_loop(directory, use, *, disk=None):
    """Run `use(written)` with a ledger that belongs to the running loop."""

    async def run():
        loop = asyncio.get_running_loop()

        def settle(waiters, error):
            for each in waiters:
                if error is None:
                    each.set_result(None)
                else:
                    each.set_exception(error)

        notify = partial(loop.call_soon_threadsafe, settle)
        ledger = writer.Ledger.open(directory, KEY, notify=notify, disk=disk or QuickDisk(), loop=loop)
        try:
            return await use(Written(ledger, loop, settle))
        finally:
            await asyncio.to_thread(ledger.close)

    return asyncio.run(run())


@pytest.fixture
def started(monkeypatch):
    """Count the syncs that the kernel was asked for."""
    asked = []
    start = KernelSync.start

    def counted(self, descriptor, done):
        asked.append(descriptor)
        start(self, descriptor, done)

    monkeypatch.setattr(KernelSync, "start", counted)
    return asked


def records_of(directory):
    return [record for _, record in LedgerReader(directory).entries()]


def test_records_are_in_the_log_in_order_and_nothing_went_through_the_thread(tmp_path, started):
    async def use(written):
        for index in range(20):
            await written.append(b"%d" % index)
            assert LedgerReader(tmp_path).size == written.ledger.size == index + 1

    in_loop(tmp_path, use)
    assert records_of(tmp_path) == [b"%d" % index for index in range(20)]
    assert len(started) == 20
    assert verify(tmp_path, KEY.verifier).verdict == "PASS"


def test_what_comes_while_one_batch_is_under_way_is_the_next_batch(tmp_path, started):
    async def use(written):
        futures = [written.submit(b"%d" % index)[0] for index in range(50)]
        await asyncio.gather(*futures)

    in_loop(tmp_path, use)
    assert len(started) == 2
    assert records_of(tmp_path) == [b"%d" % index for index in range(50)]


def test_the_loop_and_other_threads_write_one_log_while_tiles_are_published(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "PUBLISH_RECORDS", 50)
    monkeypatch.setattr(writer, "_LOOK_SECONDS", 0.001)

    async def use(written):
        places = {}

        def work(name):
            for index in range(60):
                record = b"%s %d" % (name, index)
                places[written.ledger.append(record)] = record

        threads = [threading.Thread(target=work, args=(name,)) for name in (b"a", b"b")]
        for each in threads:
            each.start()
        for index in range(200):
            await written.append(b"loop %d" % index)
        for each in threads:
            await asyncio.to_thread(each.join)
        assert LedgerReader(tmp_path).published > 0
        return places

    places = in_loop(tmp_path, use)
    assert len(places) == 120
    assert places == {place: records_of(tmp_path)[place] for place in places}
    found = [record.split() for record in records_of(tmp_path)]
    for name, count in ((b"a", 60), (b"b", 60), (b"loop", 200)):
        assert [int(number) for who, number in found if who == name] == list(range(count))
    assert verify(tmp_path, KEY.verifier).verdict == "PASS"


@pytest.mark.parametrize("room", [0, 40])
def test_a_full_disk_refuses_the_batch_whole_and_recovers_when_there_is_space(tmp_path, room):
    disk = FaultyDisk()

    async def use(written):
        await written.append(b"before")
        whole = wal_of(tmp_path).read_bytes()
        disk.write_room = room
        with pytest.raises(LedgerFull, match="no space"):
            await written.append(b"does not fit")
        assert wal_of(tmp_path).read_bytes() == whole
        disk.write_room = None
        await written.append(b"after")
        assert written.ledger.failure is None

    in_loop(tmp_path, use, disk=disk)
    assert records_of(tmp_path) == [b"before", b"after"]


def test_a_half_batch_that_cannot_be_taken_back_ends_the_writing(tmp_path):
    disk = FaultyDisk()

    async def use(written):
        await written.append(b"before")
        disk.write_room, disk.fail = 50, {"truncate"}
        with pytest.raises(LedgerError, match="taken back"):
            await written.append(b"lost")
        disk.write_room, disk.fail = None, set()
        with pytest.raises(LedgerError, match="taken back"):
            written.submit(b"refused")

    in_loop(tmp_path, use, disk=disk)
    with opened(tmp_path) as ledger:
        assert ledger.size == 1


def test_after_a_sync_that_failed_only_a_restart_helps(tmp_path, monkeypatch):
    async def use(written):
        await written.append(b"before")
        failed = partial(asyncio.get_running_loop().call_soon, _report)
        monkeypatch.setattr(
            KernelSync, "start", lambda _self, _file, done: failed(done, (1 << 64) - errno.EIO)
        )
        with pytest.raises(LedgerError, match="did not confirm"):
            await written.append(b"lost")
        monkeypatch.undo()
        with pytest.raises(LedgerError, match="did not confirm"):
            written.submit(b"refused")
        assert written.ledger.size == 1

    in_loop(tmp_path, use)
    with opened(tmp_path) as ledger:
        assert ledger.size in (1, 2)  # an unconfirmed record may be there; it was not acknowledged


def test_a_sync_that_the_kernel_does_not_take_is_done_by_the_thread(tmp_path, monkeypatch):
    def refuse(_self, _descriptor, _done):
        raise OSError(errno.EAGAIN, "try again")

    synced = []

    class Watched(QuickDisk):
        def fdatasync(self, descriptor):
            synced.append(descriptor)

    async def use(written):
        monkeypatch.setattr(KernelSync, "start", refuse)
        await written.append(b"first")
        await written.append(b"second")

    in_loop(tmp_path, use, disk=Watched())
    assert len(synced) >= 2
    assert records_of(tmp_path) == [b"first", b"second"]


def test_a_disk_that_makes_writers_wait_is_waited_for_in_the_thread(tmp_path, started, monkeypatch):
    monkeypatch.setattr(writer, "_SLOW_WRITE_SECONDS", -1.0)

    async def use(written):
        for index in range(3):
            await written.append(b"%d" % index)

    in_loop(tmp_path, use)
    assert len(started) == 1
    assert records_of(tmp_path) == [b"0", b"1", b"2"]


def test_closing_waits_for_what_is_under_way(tmp_path):
    async def use(written):
        futures = written.submit(b"last")
        await asyncio.to_thread(written.ledger.close)
        await asyncio.gather(*futures)

    in_loop(tmp_path, use)
    assert records_of(tmp_path) == [b"last"]


def test_a_thread_that_stopped_is_not_brought_back_by_a_sync_that_ends_later(tmp_path, monkeypatch):
    later = []
    monkeypatch.setattr(KernelSync, "start", lambda _self, _file, done: later.append(done))

    async def use(written):
        lost = written.submit(b"lost")
        monkeypatch.setattr(written.ledger, "_publish_due", lambda _now: 1 / 0)
        written.ledger._jobs.put(None)
        with pytest.raises(LedgerError, match="ZeroDivisionError"):
            await lost[0]
        later[0](None)
        with pytest.raises(LedgerError, match="stopped"):
            written.submit(b"refused")

    in_loop(tmp_path, use)
    with opened(tmp_path) as ledger:
        assert ledger.size in (0, 1)


def test_a_loop_that_is_gone_leaves_a_log_that_opens_again(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_GOODBYE_SECONDS", 0.01)
    monkeypatch.setattr(KernelSync, "start", lambda *_arguments: None)

    async def begin():
        ledger = writer.Ledger.open(
            tmp_path, KEY, notify=lambda *_told: None, disk=QuickDisk(), loop=asyncio.get_running_loop()
        )
        ledger.submit([(b"never told", None)])
        return ledger

    asyncio.run(begin()).close()
    with opened(tmp_path) as ledger:
        assert ledger.size == 1
        assert ledger.append(b"after") == 1
    assert verify(tmp_path, KEY.verifier).verdict == "PASS"


def abandoned(directory, notify, *, before=lambda ledger: None):
    """Return a ledger whose loop ended while a batch was on its way through it."""

    async def begin():
        loop = asyncio.get_running_loop()
        ledger = writer.Ledger.open(directory, KEY, notify=notify, disk=QuickDisk(), loop=loop)
        await asyncio.to_thread(before, ledger)
        ledger.submit([(b"never synced", "the loop's")])
        return ledger

    return asyncio.run(begin())


def test_a_loop_that_is_gone_leaves_nobody_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_GOODBYE_SECONDS", 0.01)
    monkeypatch.setattr(KernelSync, "start", lambda *_arguments: None)
    told, caught = [], []
    ledger = abandoned(tmp_path, lambda waiters, error: told.append((waiters, str(error))))

    def append():
        with pytest.raises(LedgerError) as raised:
            ledger.append(b"queued behind it")
        caught.append(raised.value.message)

    thread = threading.Thread(target=append, daemon=True)
    thread.start()
    while not ledger._queue:
        thread.join(0.001)
    ledger.close()
    thread.join(5)
    assert not thread.is_alive()
    assert caught == ["the event loop ended while the ledger was written"]
    assert [waiters for waiters, _ in told] == [["the loop's"]]
    assert caught[0] in told[0][1]


def test_a_loop_that_is_gone_does_not_stop_the_thread_that_publishes(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_GOODBYE_SECONDS", 0.01)
    monkeypatch.setattr(writer, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(writer, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(KernelSync, "start", lambda *_arguments: None)

    def publish_soon(ledger):
        ledger.append(b"by the thread")
        monkeypatch.setattr(writer, "PUBLISH_RECORDS", 1)

    ledger = abandoned(tmp_path, lambda *_told: None, before=publish_soon)
    closing = threading.Thread(target=ledger.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    with opened(tmp_path) as again:
        assert again.size == 2


def test_a_kernel_without_the_interface_leaves_all_to_the_thread(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise OSError(errno.ENOSYS, "function not implemented")

    monkeypatch.setattr(KernelSync, "__init__", refuse)

    async def use(written):
        await written.append(b"by the thread")

    in_loop(tmp_path, use)
    assert records_of(tmp_path) == [b"by the thread"]


def test_a_sync_ends_and_a_file_that_is_none_is_an_error(tmp_path):
    async def sync():
        ended = asyncio.get_running_loop().create_future()
        kernel = KernelSync(asyncio.get_running_loop())
        with (tmp_path / "file").open("wb") as file:
            kernel.start(file.fileno(), ended.set_result)
            assert await ended is None
        with pytest.raises(OSError, match="EBADF"):
            kernel.start(10**6, ended.set_result)
        kernel.close()

    asyncio.run(sync())
