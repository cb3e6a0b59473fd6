"""Anchored notes show what was cut, rewritten or taken away, and where."""

import shutil
from pathlib import Path

import pytest

from keepstone.core.errors import LedgerCorrupt
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.outside.anchor import NoteAnchor, anchored
from keepstone.ledger.outside.layout import checkpoint_key
from keepstone.ledger.verdict import Verdict
from keepstone.ledger.verify_all import Whole, verify_all
from keepstone.ledger.view import Reached, View, write_view
from tests.unit.ledger.outside.places import VERIFIER, MemoryObjects, append
from tests.unit.ledger.support import KEY, opened


def judged(folder: Path, objects: MemoryObjects) -> Whole:
    found = anchored(objects, VERIFIER)
    assert not found.problems
    return verify_all(folder, KEY.verifier, anchored=found.begins)


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


@pytest.fixture
def old(tmp_path: Path, objects: MemoryObjects) -> Path:
    """A log as it was at 400 records; the anchor knows it at 100, 400 and 700."""
    now = tmp_path / "now"
    for count, first in ((100, 0), (300, 100), (300, 400)):
        append(now, count, first)
        assert NoteAnchor(objects).post(now, VERIFIER) == 1
        if first == 100:
            shutil.copytree(now, tmp_path / "old")
    assert judged(now, objects).verdict is Verdict.PASS
    return tmp_path / "old"


def test_a_log_that_was_cut_is_found(old: Path, objects: MemoryObjects) -> None:
    whole = judged(old, objects)
    assert whole.verdict is Verdict.FAIL
    problem = whole.logs["main"].problems[0]
    assert "shorter than `memory/checkpoints/000/000/000/000/700`" in problem.what
    assert (problem.start, problem.stop) == (400, 700)
    with pytest.raises(LedgerCorrupt, match="is of `700` records, but this log holds `400`"):
        NoteAnchor(objects).post(old, VERIFIER)


def test_a_log_that_was_rewritten_is_found_and_where(old: Path, objects: MemoryObjects) -> None:
    append(old, 500, 9000)
    whole = judged(old, objects)
    assert whole.verdict is Verdict.FAIL
    problem = whole.logs["main"].problems[0]
    assert "it was rewritten" in problem.what
    assert (problem.start, problem.stop) == (400, 700)
    with pytest.raises(LedgerCorrupt, match="does not begin with the records of"):
        NoteAnchor(objects).post(old, VERIFIER)


def test_a_forged_note_is_told(old: Path, objects: MemoryObjects) -> None:
    other = LedgerKey.create(KEY.name)
    forged = other.checkpoint(700, bytes(32), other.sign(700, bytes(32)))
    objects.held[checkpoint_key("main", 701)] = forged.encode()
    objects.held["views/000/000/000/000/701-001"] = b"nonsense"
    found = anchored(objects, VERIFIER)
    assert len(found.problems) == 2
    assert "carries no signature of" in found.problems[0] or "does not verify" in found.problems[0]
    assert found.notes == 3


def test_a_view_is_anchored_and_a_shard_that_went_is_missed(tmp_path: Path, objects: MemoryObjects) -> None:
    append(tmp_path, 10)
    with opened(tmp_path / "shards/w1", KEY.of_shard("w1")) as shard:
        shard.append(b"one")
        reached = Reached(1, shard.root)
    main = verify_all(tmp_path, KEY.verifier).logs["main"]
    write_view(tmp_path, KEY, View(KEY.name, {"w1": reached, "main": Reached(main.size, main.root)}))
    anchor = NoteAnchor(objects)
    assert anchor.post(tmp_path, VERIFIER) == 3
    assert anchor.post(tmp_path, VERIFIER) == 0
    assert judged(tmp_path, objects).verdict is Verdict.PASS
    shutil.rmtree(tmp_path / "shards")
    (tmp_path / "view").unlink()
    whole = judged(tmp_path, objects)
    assert whole.verdict is Verdict.FAIL
    assert whole.problems == ("log `w1` is missing: it held 1 records",)
