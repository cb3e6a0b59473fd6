"""The view: what binds several logs together, and what it lets nobody do."""

import shutil

import pytest

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import note
from keepstone.ledger.merkle import EMPTY_ROOT
from keepstone.ledger.proof import parse as parse_proof
from keepstone.ledger.verdict import Verdict
from keepstone.ledger.verify_all import total, verify_all
from keepstone.ledger.view import (
    MAIN,
    SHARDS,
    Reached,
    View,
    current,
    folders,
    open_view,
    parse,
    read_view,
    shard_folder,
    write_view,
)
from keepstone.ledger.whole import WholeReader
from tests.unit.ledger.support import KEY, QuickDisk, opened

VERIFIER = note.Verifier.parse(KEY.verifier)


def grow(ledger, shard, count):
    """Append records to one log and return how far it has come."""
    with opened(shard_folder(ledger, shard), KEY.of_shard(shard)) as log:
        for _ in range(count):
            log.append(b'{"v":1,"%s":%d}' % (shard.encode(), log.size))
        return Reached(log.size, log.root)


def bind(ledger, **reached):
    """Write the view of some logs."""
    (ledger / SHARDS).mkdir(exist_ok=True)
    write_view(ledger, KEY, current(ledger, KEY).after(reached), disk=QuickDisk())


@pytest.fixture
def ledger(tmp_path):
    """Two logs, three and two records, and their view."""
    bind(tmp_path, w1=Reached(0, EMPTY_ROOT))
    bind(tmp_path, main=grow(tmp_path, MAIN, 3), w1=grow(tmp_path, "w1", 2))
    return tmp_path


def verdict(ledger, **options):
    """Verdict and first reason."""
    whole = verify_all(ledger, KEY.verifier, **options)
    return whole.verdict, total(whole).reason


def test_all_logs_are_one(ledger):
    whole = verify_all(ledger, KEY.verifier)
    assert (whole.verdict, whole.size, set(whole.logs)) == (Verdict.PASS, 5, {MAIN, "w1"})
    reader = WholeReader(ledger)
    assert reader.size == 5
    assert {address for address, _ in reader.entries()} == {0, 1, 2, "w1/0", "w1/1"}
    assert reader.entry("w1/1") == b'{"v":1,"w1":1}'
    assert reader.holds("2")
    assert not any(reader.holds(each) for each in ("3", "w1/2", "w2/0", "w1/", "w1/x", "../w1/0"))


def test_a_log_that_goes_on_still_fits_an_older_view(ledger):
    grow(ledger, "w1", 5)
    assert verdict(ledger)[0] is Verdict.PASS


def test_a_record_is_proven_in_its_log_by_the_ledgers_key_alone(ledger):
    proof = parse_proof(WholeReader(ledger).prove("w1/1").render())
    assert proof.check(VERIFIER).origin == f"{KEY.name}/w1"
    with pytest.raises(LedgerError):
        proof.check(note.Verifier.parse(type(KEY).create("keepstone/other").verifier))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda at: (at / "shards/w1").rename(at.parent / "away"), "log `w1` is missing"),
        (lambda at: (at / "view").unlink(), "`view` is missing"),
        (lambda at: (at / "view").write_text((at / "view").read_text().replace("w1 2", "w1 1")), "`view`: "),
        (lambda at: (at / "shards/w1").rename(at / "shards/w2"), "log `w2` is not in the view"),
    ],
)
def test_what_was_taken_away_is_noticed(ledger, harm, said):
    harm(ledger)
    found, reason = verdict(ledger)
    assert found is Verdict.FAIL
    assert reason.startswith(said)
    with pytest.raises(LedgerCorrupt):
        current(ledger, KEY)


def test_a_rewritten_log_is_noticed(ledger):
    shutil.rmtree(ledger / "shards/w1")
    with opened(ledger / "shards/w1", KEY.of_shard("w1")) as log:
        for _ in range(9):
            log.append(b"something else")
    found, reason = verdict(ledger)
    assert found is Verdict.FAIL
    assert "rewritten" in reason


def test_a_view_kept_elsewhere_notices_that_all_shards_went(ledger):
    kept = read_view(ledger)
    shutil.rmtree(ledger / "shards")
    (ledger / "view").unlink()
    assert verdict(ledger)[0] is Verdict.PASS  # nothing here tells that there was more
    assert verdict(ledger, since=kept) == (Verdict.FAIL, "log `w1` is missing: it held 2 records")


def test_one_log_cannot_be_passed_off_as_another(ledger):
    shutil.rmtree(ledger / "shards/w1")
    grow(ledger, "w2", 2)
    shutil.move(ledger / "shards/w2", ledger / "shards/w1")
    assert verdict(ledger)[0] is Verdict.FAIL


def test_no_report_makes_a_log_shorter():
    view = View("o", {"main": Reached(5, b"a" * 32)})
    assert view.after({"main": Reached(4, b"b" * 32)}) == view
    assert view.after({"main": Reached(6, b"b" * 32)}).logs["main"].size == 6


def test_a_view_reads_back_and_is_no_checkpoint():
    view = View(KEY.name, {"main": Reached(0, EMPTY_ROOT), "w1": Reached(7, b"x" * 32)})
    signed = note.render(view.text(), KEY.name, KEY.identity, note.sign(view.text(), KEY.private))
    assert open_view(signed, VERIFIER) == view
    with pytest.raises(LedgerError):
        note.open_checkpoint(signed, VERIFIER)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "keepstone.dev/view@v1\no\n",
        "keepstone.dev/view@v1\no\nmain x y\n",
        "keepstone.dev/view@v1\no\n../w1 1 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "keepstone.dev/view@v1\no\n" + "main 1 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" * 2,
    ],
)
def test_what_is_no_view_is_refused(text):
    with pytest.raises(LedgerError):
        parse(text)


def test_names_stay_inside_the_folder(tmp_path):
    (tmp_path / SHARDS / "lost+found").mkdir(parents=True)
    assert set(folders(tmp_path)) == {MAIN}
    with pytest.raises(LedgerError):
        shard_folder(tmp_path, "../keys")
