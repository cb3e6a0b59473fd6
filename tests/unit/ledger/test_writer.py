"""Writing: order, acknowledgement, limits, faults of the disk, and who may write."""

import threading

import pytest

from keepstone.core.errors import LedgerError, LedgerFull
from keepstone.ledger import journal, note, writer
from keepstone.ledger.disk import Disk
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.tiles import number_path
from keepstone.ledger.verify import verify
from tests.unit.ledger.support import KEY, FaultyDisk, opened, wal_of, write


class Told:
    """What `notify` was told: (waiters, error), and a way to wait for it."""

    def __init__(self):
        self.calls = []
        self.arrived = threading.Semaphore(0)

    def __call__(self, waiters, error):
        self.calls.append((list(waiters), error))
        self.arrived.release(len(waiters))

    def wait(self, count=1):
        for _ in range(count):
            assert self.arrived.acquire(timeout=5)


def test_waiters_are_told_in_order_and_find_their_records(tmp_path):
    told = Told()
    with opened(tmp_path, notify=told) as ledger:
        for index in range(600):
            ledger.submit([(b"%d" % index, index)])
        told.wait(600)
        assert [waiter for waiters, _ in told.calls for waiter in waiters] == list(range(600))
        assert {error for _, error in told.calls} == {None}
        assert ledger.size == 600
        assert LedgerReader(tmp_path).root == ledger.root
    assert [int(record) for _, record in LedgerReader(tmp_path).entries()] == list(range(600))


def test_many_threads_submit_and_nothing_is_lost_or_doubled(tmp_path):
    def submit(worker):
        for index in range(100):
            assert ledger.append(b"%d %d" % (worker, index)) >= 0

    with opened(tmp_path) as ledger:
        threads = [threading.Thread(target=submit, args=(worker,)) for worker in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    found = [tuple(map(int, record.split())) for _, record in LedgerReader(tmp_path).entries()]
    assert len(found) == len(set(found)) == 600
    for worker in range(6):
        assert [index for which, index in found if which == worker] == list(range(100))
    assert verify(tmp_path, KEY.verifier).verdict == "PASS"


def test_a_record_of_the_longest_length_is_taken_and_a_longer_one_refused(tmp_path):
    with opened(tmp_path) as ledger:
        assert ledger.append(bytes(0xFFFF)) == 0
        assert ledger.append(b"") == 1
        with pytest.raises(LedgerError, match="longer than"):
            ledger.submit([(bytes(0x10000), None)])


def test_a_second_writer_is_refused_until_the_first_is_closed(tmp_path):
    with opened(tmp_path), pytest.raises(LedgerError, match="another process") as caught, opened(tmp_path):
        pass
    assert caught.value.hint
    with opened(tmp_path) as ledger:
        assert ledger.append(b"x") == 0


def test_a_closed_ledger_takes_nothing_and_can_be_closed_again(tmp_path):
    with opened(tmp_path) as ledger:
        ledger.close()
        with pytest.raises(LedgerError, match="closed"):
            ledger.submit([(b"x", None)])


def test_a_full_queue_refuses_at_once(tmp_path):
    release, entered = threading.Event(), threading.Event()

    class SlowDisk(FaultyDisk):
        def fdatasync(self, descriptor):
            entered.set()
            assert release.wait(5)

    with opened(tmp_path, disk=SlowDisk(), max_queue=3) as ledger:
        ledger.submit([(b"being written", None)])
        assert entered.wait(5)
        for _ in range(3):
            ledger.submit([(b"queued", None)])
        with pytest.raises(LedgerFull, match="queue"):
            ledger.submit([(b"one too many", None)])
        release.set()
    assert LedgerReader(tmp_path).size == 4


@pytest.mark.parametrize("room", [0, 1, 40, 120])
def test_a_full_disk_refuses_the_batch_whole_and_recovers_when_there_is_space(tmp_path, room):
    disk = FaultyDisk()
    with opened(tmp_path, disk=disk) as ledger:
        assert ledger.append(b"before") == 0
        whole = wal_of(tmp_path).read_bytes()
        disk.write_room = room
        with pytest.raises(LedgerFull, match="no space"):
            ledger.append(b"does not fit")
        assert isinstance(ledger.failure, LedgerFull)
        assert wal_of(tmp_path).read_bytes() == whole
        disk.write_room = None
        assert ledger.append(b"after") == 1
        assert ledger.failure is None
    assert [record for _, record in LedgerReader(tmp_path).entries()] == [b"before", b"after"]
    assert verify(tmp_path, KEY.verifier).verdict == "PASS"


@pytest.mark.parametrize("fault", ["fdatasync", "truncate"])
def test_after_a_failed_sync_or_a_failed_roll_back_only_a_restart_helps(tmp_path, fault):
    disk, told = FaultyDisk(), Told()
    with opened(tmp_path, disk=disk, notify=told) as ledger:
        assert ledger.append(b"before") == 0
        disk.fail = {fault}
        disk.write_room = 50 if fault == "truncate" else None
        ledger.submit([(b"lost", "waiter")])
        told.wait()
        ((waiters, error),) = told.calls
        assert waiters == ["waiter"]
        assert isinstance(error, LedgerError)
        assert not isinstance(error, LedgerFull)
        disk.fail, disk.write_room = set(), None
        with pytest.raises(LedgerError, match=r"confirm|taken back"):
            ledger.submit([(b"refused", None)])
        assert ledger.size == 1
    with opened(tmp_path) as ledger:
        assert ledger.size in (1, 2)  # an unconfirmed record may be there; it was not acknowledged
        assert LedgerReader(tmp_path).entry(0) == b"before"


def test_tiles_that_cannot_be_written_wait_in_the_write_ahead_log(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "PUBLISH_RECORDS", 10)
    disk = FaultyDisk()
    with opened(tmp_path, disk=disk) as ledger:
        disk.fail = {"place"}
        for index in range(30):
            assert ledger.append(b"%d" % index) == index
        assert LedgerReader(tmp_path).published == 0
        assert LedgerReader(tmp_path).size == 30
        disk.fail = set()
    assert LedgerReader(tmp_path).published == 30
    assert verify(tmp_path, KEY.verifier).verdict == "PASS"


def test_in_a_window_waiters_are_told_before_the_sync_which_follows(tmp_path):
    synced = threading.Event()

    class WatchedDisk(FaultyDisk):
        def fdatasync(self, descriptor):
            synced.set()

    told = Told()
    with opened(tmp_path, disk=WatchedDisk(), notify=told, window_ms=200) as ledger:
        ledger.submit([(b"x", 1)])
        told.wait()
        assert not synced.is_set()
        assert synced.wait(5)
        assert ledger.failure is None


def test_a_callback_that_raises_does_not_stop_the_ledger(tmp_path, caplog):
    def notify(_waiters, _error):
        raise RuntimeError

    with opened(tmp_path, notify=notify) as ledger:
        ledger.submit([(b"x", 1)])
        assert ledger.append(b"y") in (0, 1)
    assert "notify callback raised" in caplog.text
    assert LedgerReader(tmp_path).size == 2


def test_a_fault_of_our_own_leaves_no_waiter_waiting(tmp_path, monkeypatch, caplog):
    told = Told()
    with opened(tmp_path, notify=told) as ledger:
        assert ledger.append(b"before") == 0
        monkeypatch.setattr(journal.wal, "batch_frame", lambda *_parts: 1 / 0)
        ledger.submit([(b"x", "waiter")])
        told.wait()
        ((waiters, error),) = told.calls
        assert waiters == ["waiter"]
        assert "ZeroDivisionError" in str(error)
        with pytest.raises(LedgerError, match="stopped"):
            ledger.submit([(b"y", None)])
    assert "the ledger's writer stopped" in caplog.text
    monkeypatch.undo()
    with opened(tmp_path) as ledger:
        assert ledger.append(b"after") == 1


def test_while_it_runs_tiles_appear_and_old_segments_go(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "PUBLISH_RECORDS", 300)
    told = Told()
    with opened(tmp_path, notify=told) as ledger:
        for index in range(2000):
            ledger.submit([(b"%d" % index, index)])
            if index % 50 == 49:
                told.wait(50)
                reader = LedgerReader(tmp_path)
                assert reader.size >= index + 1
                assert reader.prove(index).check(note.Verifier.parse(KEY.verifier)).size == reader.size
        assert verify(tmp_path, KEY.verifier).verdict == "PASS"
        assert LedgerReader(tmp_path).published > 0
    assert [path.name for path in (tmp_path / "wal").glob("*.wal")] == ["00000000000000002000.wal"]


def test_closed_the_folder_is_a_static_c2sp_log(tmp_path):
    with opened(tmp_path, disk=Disk()) as ledger:
        for index in range(300):
            ledger.submit([(b"%d" % index, index)])
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/44",
        "wal/00000000000000000300.wal",
        "wal/lock",
    ]
    bundle = (tmp_path / "tile/entries/000").read_bytes()
    assert bundle[:8] == b"\x00\x010\x00\x011\x00\x01"
    assert len((tmp_path / "tile/0/000").read_bytes()) == 256 * 32
    write(tmp_path, 212, first=300)
    assert (tmp_path / "tile/0/001").exists()
    assert not (tmp_path / "tile/0/001.p").exists()


@pytest.mark.parametrize(
    ("number", "path"), [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")]
)
def test_tile_numbers_are_written_in_groups_of_three(number, path):
    assert number_path(number) == path
