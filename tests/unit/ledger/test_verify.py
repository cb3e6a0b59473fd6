"""Verification: each way to tamper with a closed ledger is found, named and located."""

import base64
import shutil

import pytest

from keepstone.core.errors import LedgerError
from keepstone.ledger import note, wal
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.merkle import leaf_hash
from keepstone.ledger.prune import prune
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.tiles import encode_entry, split_entries
from keepstone.ledger.verify import verify
from tests.unit.ledger.support import KEY, QuickDisk, crashed, write


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A closed ledger of 600 records, written in two sittings, so that it has stale partial tiles."""
    folder = tmp_path_factory.mktemp("whole") / "ledger"
    write(folder, 520)
    write(folder, 80, first=520)
    return folder


@pytest.fixture
def ledger(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "ledger")


def check(ledger, **options):
    return verify(ledger, KEY.verifier, **options)


def problems(ledger, **options):
    outcome = check(ledger, **options)
    assert outcome.verdict == ("FAIL" if outcome.problems else "PASS")
    return [(each.start, each.stop, each.what) for each in outcome.problems]


def rewrite(path, change):
    records = split_entries(path.read_bytes(), 256, path.name)
    change(records)
    path.write_bytes(b"".join(map(encode_entry, records)))


def test_an_untouched_ledger_passes_and_every_record_was_recomputed(ledger):
    seen = []
    outcome = check(ledger, progress=lambda done, total: seen.append((done, total)))
    assert (outcome.verdict, outcome.size, outcome.checked, outcome.pruned) == ("PASS", 600, 600, 0)
    assert outcome.problems == outcome.notes == ()
    assert seen == [(256, 600), (512, 600), (600, 600)]


def test_a_changed_record_is_located(ledger):
    rewrite(ledger / "tile/entries/001", lambda records: records.__setitem__(4, b"forged"))
    assert problems(ledger) == [(260, 261, "records were changed after they were written")]


def test_reordered_records_are_told_apart_from_changed_ones(ledger):
    rewrite(ledger / "tile/entries/000", lambda records: records.insert(3, records.pop(10)))
    assert problems(ledger) == [(3, 11, "records were reordered after they were written")]


def test_a_record_cut_out_of_its_bundle_is_found(ledger):
    path = ledger / "tile/entries/000"
    records = split_entries(path.read_bytes(), 256, "")
    path.write_bytes(b"".join(encode_entry(each) for each in records[1:]))
    assert [(start, stop) for start, stop, _ in problems(ledger)] == [(0, 256)]


def test_a_removed_bundle_is_found_unless_it_was_declared(ledger):
    (ledger / "tile/entries/000").unlink()
    assert problems(ledger) == [(0, 256, "`tile/entries/000` is missing: its records were removed")]


def test_a_changed_hash_tile_is_not_blamed_on_the_records(ledger):
    path = ledger / "tile/0/000"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    assert (0, 1, "`tile/0/000` was changed; the records themselves are intact") in problems(ledger)


def test_a_changed_upper_tile_is_found(ledger):
    path = ledger / "tile/1/000.p/2"
    path.write_bytes(path.read_bytes()[:32] + bytes(32))
    assert (0, 512, "`tile/1/000.p/2` does not match the tiles below it") in problems(ledger)


def test_records_and_tiles_rewritten_together_do_not_meet_the_signed_root(ledger):
    rewrite(ledger / "tile/entries/000", lambda records: records.__setitem__(0, b"forged"))
    tile = ledger / "tile/0/000"
    tile.write_bytes(leaf_hash(b"forged") + tile.read_bytes()[32:])
    assert (0, 600, "the records do not have the root that the checkpoint states") in problems(ledger)


def test_a_stale_partial_file_that_was_changed_is_found(ledger):
    path = ledger / "tile/entries/002.p/8"
    assert path.exists()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert problems(ledger) == [(512, 520, "`tile/entries/002.p/8` does not match the log")]


def test_a_log_rewritten_under_another_key_is_found(ledger):
    other = LedgerKey.create(KEY.name)
    root = check(ledger).root
    (ledger / "checkpoint").write_text(other.checkpoint(600, root, other.sign(600, root)))
    ((start, stop, what),) = problems(ledger)
    assert (start, stop) == (0, None)
    assert "no signature of" in what


def test_a_missing_checkpoint_or_segment_is_a_failure(ledger):
    shutil.copytree(ledger, ledger.parent / "second")
    (ledger / "checkpoint").unlink()
    assert problems(ledger) == [(0, None, "`checkpoint` is missing")]
    next((ledger.parent / "second" / "wal").glob("*.wal")).unlink()
    assert "no segment" in problems(ledger.parent / "second")[0][2]


def test_a_log_cut_back_behind_a_checkpoint_that_was_kept_is_found(tmp_path):
    ledger = tmp_path / "ledger"
    write(ledger, 300)
    early = shutil.copytree(ledger, tmp_path / "early")
    first = (ledger / "checkpoint").read_text()
    write(ledger, 300, first=300)
    kept = (ledger / "checkpoint").read_text()
    assert problems(ledger, since=first) == problems(ledger, since=kept) == problems(early) == []
    what = "the log is shorter than the earlier checkpoint: its newest records were taken away"
    assert problems(early, since=kept) == [(300, 600, what)]
    for path in ("checkpoint", "wal"):  # cut back carelessly, later tiles still lie there
        shutil.rmtree(ledger / path, ignore_errors=True)
    shutil.copytree(early / "wal", ledger / "wal")
    shutil.copy(early / "checkpoint", ledger / "checkpoint")
    assert "of a longer log" in problems(ledger)[0][2]


def test_another_history_under_the_same_key_does_not_meet_a_kept_checkpoint(tmp_path):
    write(tmp_path / "one", 40)
    write(tmp_path / "two", 30, first=1)
    write(tmp_path / "two", 30, first=31)
    kept = (tmp_path / "one" / "checkpoint").read_text()
    assert problems(tmp_path / "two") == []
    ((start, stop, what),) = problems(tmp_path / "two", since=kept)
    assert (start, stop) == (0, 40)
    assert "was rewritten" in what
    forged = kept.replace("\n40\n", "\n41\n")
    assert "the earlier checkpoint" in problems(tmp_path / "two", since=forged)[0][2]


def test_a_kept_checkpoint_from_the_unpublished_end_is_compared_too(tmp_path):
    ledger = crashed(tmp_path, published=3, tail=4)
    kept = LedgerReader(ledger).checkpoint
    assert note.open_checkpoint(kept, note.Verifier.parse(KEY.verifier)).size == 7
    assert problems(ledger, since=kept) == []
    assert problems(tmp_path / "live", since=kept) == []


def test_what_could_not_be_checked_is_neither_pass_nor_fail(ledger):
    outcome = verify(ledger, None)
    assert (outcome.verdict, outcome.signatures) == ("NOT_EVALUATED", 0)
    assert "no verifier key" in outcome.reason
    shutil.rmtree(ledger / "wal")
    outcome = check(ledger)
    assert outcome.verdict == "NOT_EVALUATED"
    assert "no `wal` folder" in outcome.reason
    with pytest.raises(LedgerError, match="no ledger"):
        check(ledger / "nowhere")


def test_pruned_records_are_gone_declared_and_counted(ledger):
    assert prune(ledger, KEY, 300, disk=QuickDisk()) == 256
    outcome = check(ledger)
    assert (outcome.verdict, outcome.pruned, outcome.checked) == ("PASS", 256, 344)
    assert any("256" in each for each in outcome.notes)
    reader = LedgerReader(ledger)
    assert next(reader.entries())[0] == 256
    assert reader.prove(599).check(note.Verifier.parse(KEY.verifier)).size == 600
    with pytest.raises(LedgerError, match="pruned"):
        reader.entry(5)
    write(ledger, 3, first=600)
    assert check(ledger).verdict == "PASS"
    assert prune(ledger, KEY, 10, disk=QuickDisk()) == 0


def test_a_forged_declaration_does_not_excuse_a_missing_bundle(ledger):
    prune(ledger, KEY, 300, disk=QuickDisk())
    (ledger / "tile/entries/001").unlink()
    path = ledger / "pruned"
    path.write_text(path.read_text().replace("\n256\n", "\n512\n"))
    found = problems(ledger)
    assert any("signature does not verify" in what for _, _, what in found)
    assert (256, 512, "`tile/entries/001` is missing: its records were removed") in found


def test_a_commit_that_was_not_signed_with_the_key_is_found(tmp_path):
    ledger = crashed(tmp_path, published=1, tail=2)
    segment = max((ledger / "wal").glob("*.wal"))
    ((_, batch, last), _) = wal.scan(segment.read_bytes())
    (record,) = wal.replay([(segment.name, segment.read_bytes())]).batches[1].records
    forged = wal.batch_frame(
        2, 2, [encode_entry(record)], base64.b64decode(b"AAAA") + bytes(61), last.body[-32:]
    )
    segment.write_bytes(segment.read_bytes()[: batch.stop] + forged)
    assert problems(ledger) == [(2, 3, "a commit's signature does not verify")]
