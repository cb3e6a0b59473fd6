"""Start-up: what a crash left is repaired, what was damaged is refused, and never one taken for the other."""

import shutil

import pytest

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import wal
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.recovery import recover
from keepstone.ledger.verify import verify
from tests.unit.ledger.support import KEY, QuickDisk, crashed, opened, wal_of, write


def stops_of(data: bytes) -> list[int]:
    return [frame.stop for frame in wal.scan(data)[0]]


@pytest.mark.slow
def test_a_log_cut_at_every_byte_recovers_all_that_was_acknowledged(tmp_path):
    source = crashed(tmp_path, published=0, tail=2)
    data = wal_of(source).read_bytes()
    header, *ends = stops_of(data)
    trial = tmp_path / "trial"
    for cut in range(len(data) + 1):
        shutil.copytree(source, trial)
        wal_of(trial).write_bytes(data[:cut])
        if cut < header:
            with pytest.raises(LedgerCorrupt):
                recover(trial, KEY, QuickDisk())
        else:
            acknowledged = sum(end <= cut for end in ends)
            found = recover(trial, KEY, QuickDisk())
            assert found.frontier.size == acknowledged
            assert bool(found.repaired) == (cut not in (header, *ends))
            assert [record for _, record in LedgerReader(trial).entries()] == [
                b"record %d" % index for index in range(acknowledged)
            ]
        shutil.rmtree(trial)


@pytest.mark.slow
def test_every_flipped_byte_of_a_committed_ledger_is_found(tmp_path):
    ledger = crashed(tmp_path, published=3, tail=2)
    assert verify(ledger, KEY.verifier).verdict == "PASS"
    files = [path for path in sorted(ledger.rglob("*")) if path.is_file()]
    assert len(files) == 5  # checkpoint, hash tile, bundle, segment, and the lock, which is empty
    for path in files:
        good = path.read_bytes()
        for at in range(len(good)):
            path.write_bytes(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
            assert verify(ledger, KEY.verifier).verdict == "FAIL", (path.name, at)
            if path.suffix == ".wal" or path.name == "checkpoint":
                with pytest.raises(LedgerCorrupt):
                    recover(ledger, KEY, QuickDisk())
        path.write_bytes(good)
    assert verify(ledger, KEY.verifier).verdict == "PASS"


def test_the_torn_end_is_kept_aside_and_reported(tmp_path):
    ledger = crashed(tmp_path, published=0, tail=2)
    segment = wal_of(ledger)
    segment.write_bytes(segment.read_bytes()[:-5])
    with opened(ledger) as reopened:
        assert "never acknowledged" in reopened.repaired
        assert reopened.append(b"next") == 1
    (torn,) = (ledger / "wal").glob("torn-*")
    assert b"record 1" in torn.read_bytes()
    with opened(ledger) as reopened:
        assert reopened.repaired == ""


BLANK = bytes(512)


@pytest.mark.parametrize(
    ("change", "survives"),
    [
        pytest.param(lambda head, frame: head + bytes(len(frame)), True, id="nothing of it reached the disk"),
        pytest.param(
            lambda head, frame: head + frame[:700] + BLANK + frame[1212:], False, id="zeros off a sector"
        ),
        pytest.param(
            lambda head, frame: sector_lost(head + frame), True, id="one sector did not reach the disk"
        ),
        pytest.param(lambda head, frame: head + frame + b"\x01", True, id="one byte more"),
        pytest.param(lambda head, frame: head + frame[:-1] + b"!", False, id="a changed byte"),
        pytest.param(lambda head, frame: head + b"x" * len(frame), False, id="something else entirely"),
    ],
)
def test_only_what_a_crash_can_leave_counts_as_torn(tmp_path, change, survives):
    with opened(tmp_path / "live") as ledger:
        ledger.append(b"kept")
        kept = wal_of(tmp_path / "live").read_bytes()
        ledger.append(bytes(range(1, 200)) * 20)
        whole = wal_of(tmp_path / "live").read_bytes()
        shutil.copytree(tmp_path / "live", tmp_path / "copy")
    wal_of(tmp_path / "copy").write_bytes(change(kept, whole[len(kept) :]))
    if survives:
        assert recover(tmp_path / "copy", KEY, QuickDisk()).frontier.size >= 1
    else:
        with pytest.raises(LedgerCorrupt, match="changed after they were written"):
            recover(tmp_path / "copy", KEY, QuickDisk())


def sector_lost(data: bytes) -> bytes:
    return data[:1024] + bytes(512) + data[1536:]


def test_a_hole_before_an_intact_later_batch_is_damage_when_it_had_been_durable(tmp_path):
    with opened(tmp_path / "live") as ledger:
        ledger.append(bytes(range(1, 200)) * 20)
        ledger.append(b"later")
        shutil.copytree(tmp_path / "live", tmp_path / "copy")
    segment = wal_of(tmp_path / "copy")
    segment.write_bytes(sector_lost(segment.read_bytes()))
    with pytest.raises(LedgerCorrupt, match="stands before an intact one"):
        recover(tmp_path / "copy", KEY, QuickDisk())


def test_in_a_window_a_hole_in_what_was_not_yet_durable_is_torn(tmp_path):
    with opened(tmp_path / "live", window_ms=60_000) as ledger:
        ledger.append(bytes(range(1, 200)) * 20)
        ledger.append(b"later, written before the first was synced")
        shutil.copytree(tmp_path / "live", tmp_path / "copy")
    segment = wal_of(tmp_path / "copy")
    segment.write_bytes(sector_lost(segment.read_bytes()))
    found = recover(tmp_path / "copy", KEY, QuickDisk())
    assert found.frontier.size == 0
    assert found.repaired


@pytest.mark.parametrize(
    "path", ["checkpoint", "tile/0/000.p/3", "tile/entries/000.p/3", "wal/00000000000000000003.wal"]
)
def test_a_missing_file_is_named(tmp_path, path):
    write(tmp_path, 3)
    (tmp_path / path).unlink()
    with pytest.raises(LedgerCorrupt) as caught:
        recover(tmp_path, KEY, QuickDisk())
    assert caught.value.hint
    assert path.rpartition("/")[2] in caught.value.message or "no segment" in caught.value.message


def test_an_old_checkpoint_put_back_is_refused_because_the_segment_starts_later(tmp_path):
    write(tmp_path, 3)
    old = (tmp_path / "checkpoint").read_bytes()
    write(tmp_path, 3, first=3)
    (tmp_path / "checkpoint").write_bytes(old)
    with pytest.raises(LedgerCorrupt, match="but the checkpoint is at `3`"):
        recover(tmp_path, KEY, QuickDisk())


def test_a_sealed_segment_without_its_successor_is_refused():
    data = wal.segment_frame("o", 0) + wal.frame(wal.SEAL, b"")
    with pytest.raises(LedgerCorrupt, match="the segment after"):
        wal.replay([(wal.segment_name(0), data)])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (wal.segment_frame("o", 5), "does not follow"),
        (wal.segment_frame("other", 0), "does not follow"),
        (wal.segment_frame("o", 0) + wal.frame(b"KSx1", b""), "does not belong"),
        (
            wal.segment_frame("o", 0) + wal.batch_frame(1, 0, [b"\x00\x01x"], bytes(64), bytes(32)),
            "are missing",
        ),
        (wal.segment_frame("o", 0) + wal.frame(wal.BATCH, b"short"), "too short"),
        (b"", "does not begin"),
    ],
)
def test_segments_that_do_not_fit_together_are_refused(second, message):
    start = int.from_bytes(second[16:24], "little") if second else 0
    first = (wal.segment_name(0), wal.segment_frame("o", 0))
    with pytest.raises(LedgerCorrupt, match=message):
        wal.replay([first, (wal.segment_name(start), second)])


def test_another_key_is_refused(tmp_path):
    write(tmp_path, 3)
    with pytest.raises(LedgerError, match="no signature of"):
        recover(tmp_path, LedgerKey.create(), QuickDisk())


def test_a_creation_cut_short_is_finished(tmp_path):
    write(tmp_path / "whole", 0)
    (tmp_path / "part" / "wal").mkdir(parents=True)
    shutil.copy(wal_of(tmp_path / "whole"), tmp_path / "part" / "wal")
    (tmp_path / "part" / "wal" / "tmp-left-behind").write_bytes(b"x")
    with opened(tmp_path / "part") as ledger:
        assert ledger.append(b"first") == 0
    assert not list((tmp_path / "part" / "wal").glob("tmp-*"))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tile/0/000.p/3", "does not have the root of `checkpoint`"),
        ("tile/entries/000.p/3", "do not match their hashes"),
    ],
)
def test_a_changed_file_at_the_edge_is_refused(tmp_path, path, message):
    write(tmp_path, 3)
    data = (tmp_path / path).read_bytes()
    (tmp_path / path).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(LedgerCorrupt, match=message):
        recover(tmp_path, KEY, QuickDisk())


def test_a_last_batch_that_was_signed_with_another_key_is_refused(tmp_path):
    ledger = crashed(tmp_path, published=0, tail=1)
    segment = wal_of(ledger)
    head, batch = wal.scan(segment.read_bytes())[0]
    root = batch.body[-32:]
    forged = wal.batch_frame(0, 0, [b"\x00\x08record 0"], LedgerKey.create(KEY.name).sign(1, root), root)
    segment.write_bytes(segment.read_bytes()[: head.stop] + forged)
    with pytest.raises(LedgerCorrupt, match="the signature at record `1` does not verify"):
        recover(ledger, KEY, QuickDisk())
