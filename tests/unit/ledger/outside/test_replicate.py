"""The copy: a checkpoint never comes before what it covers, and what was copied is a ledger."""

import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.outside.layout import checkpoint_key
from keepstone.ledger.outside.replicate import GROUP
from keepstone.ledger.outside.restore import restore
from keepstone.ledger.prune import prune
from keepstone.ledger.verdict import Verdict
from keepstone.ledger.verify_all import verify_all
from keepstone.ledger.view import Reached, View, write_view
from keepstone.ledger.writer import Ledger
from tests.laws import examples
from tests.unit.ledger.outside.places import VERIFIER, MemoryObjects, append, copy_of
from tests.unit.ledger.support import KEY, opened


def restored(objects: MemoryObjects, folder: Path) -> Ledger | None:
    """The copy made into a ledger that verifies; None when it holds no checkpoint."""
    if not any("checkpoints/" in key for key in objects.held):
        return None
    restore(objects, folder, VERIFIER)
    whole = verify_all(folder, KEY.verifier)
    assert whole.verdict is Verdict.PASS, whole.reason
    return whole.logs["main"]


@pytest.mark.slow
@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 700), st.integers(0, 12)), max_size=5))
def test_whatever_is_published_and_wherever_it_ends_no_checkpoint_comes_early(
    steps: list[tuple[int, int]],
) -> None:
    with TemporaryDirectory() as name:
        folder, objects, size = Path(name) / "ledger", MemoryObjects(), 0
        for number, (count, room) in enumerate(steps):
            append(folder, count, size)
            size += count
            objects.room = room
            with suppress(LedgerError):  # and the process is gone: the next one starts from the bucket
                copy_of(folder, objects).step()
            found = restored(objects, Path(name) / f"restored-{number}")
            assert found is None or found.size <= size
        objects.room = None
        append(folder, 1, size)
        copy_of(folder, objects).step()
        found = restored(objects, Path(name) / "restored")
        assert found is not None
        assert found.size == size + 1


def test_nothing_is_written_twice_and_a_restart_goes_on(tmp_path: Path) -> None:
    objects = MemoryObjects()
    append(tmp_path, 256 * 40 + 7)
    objects.room = 60
    with pytest.raises(LedgerError, match="gone"):
        copy_of(tmp_path, objects).step()
    before, objects.room, objects.writes = len(objects.held), None, []
    copy_of(tmp_path, objects).step()
    again = len(objects.writes) - (len(objects.held) - before)
    assert again <= 2 * 2 * GROUP  # the group that was cut, and the one before it
    objects.writes = []
    copy_of(tmp_path, objects).step()
    assert objects.writes == []


def test_a_gateway_goes_on_with_what_was_restored(tmp_path: Path) -> None:
    objects = MemoryObjects()
    append(tmp_path / "a", 600)
    copy_of(tmp_path / "a", objects).step()
    restore(objects, tmp_path / "b", VERIFIER)
    append(tmp_path / "b", 100, 600)
    whole = verify_all(tmp_path / "b", KEY.verifier, since=(tmp_path / "a" / "checkpoint").read_text())
    assert (whole.verdict, whole.size) == (Verdict.PASS, 700)
    copy_of(tmp_path / "b", objects).step()
    assert checkpoint_key("main", 700) in objects.held


def test_a_ledger_that_was_put_back_is_not_copied_over_its_future(tmp_path: Path) -> None:
    objects = MemoryObjects()
    append(tmp_path / "now", 300)
    shutil.copytree(tmp_path / "now", tmp_path / "old")
    append(tmp_path / "now", 300, 300)
    copy_of(tmp_path / "now", objects).step()
    with pytest.raises(LedgerCorrupt, match=r"is of `600` records, but this log holds `300`"):
        copy_of(tmp_path / "old", objects).step()
    append(tmp_path / "old", 400, 9000)
    with pytest.raises(LedgerCorrupt, match="does not begin with the records of"):
        copy_of(tmp_path / "old", objects).step()


def test_what_was_changed_here_is_not_copied(tmp_path: Path) -> None:
    append(tmp_path, 600)
    bundle = tmp_path / "tile/entries/001"
    bundle.write_bytes(bundle.read_bytes().replace(b"record 300", b"record 301"))
    objects = MemoryObjects()
    with pytest.raises(LedgerCorrupt, match="do not match their hashes"):
        copy_of(tmp_path, objects).step()
    assert not any("001" in key or "checkpoints" in key for key in objects.held)


def test_what_retention_removed_before_it_was_copied_is_stated(tmp_path: Path) -> None:
    objects = MemoryObjects()
    append(tmp_path / "a", 100)
    copy_of(tmp_path / "a", objects).step()
    append(tmp_path / "a", 900, 100)
    assert prune(tmp_path / "a", KEY, 600) == 512
    copy_of(tmp_path / "a", objects).step()
    found = restored(objects, tmp_path / "b")
    assert found is not None
    assert (found.size, found.pruned) == (1000, 512)


def test_a_forged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    objects = MemoryObjects()
    append(tmp_path / "a", 300)
    copy_of(tmp_path / "a", objects).step()
    other = LedgerKey.create(KEY.name)
    forged = other.checkpoint(9999, bytes(32), other.sign(9999, bytes(32)))
    objects.held[checkpoint_key("main", 9999)] = forged.encode()
    done = restore(objects, tmp_path / "b", VERIFIER)
    assert done.sizes == {"main": 300}
    assert "checkpoints/000/000/000/009/999" in done.problems[0]
    append(tmp_path / "a", 1, 300)
    copy_of(tmp_path / "a", objects).step()


def test_shards_follow_and_the_view_waits_for_them(tmp_path: Path) -> None:
    ledger, objects = tmp_path / "a", MemoryObjects()
    append(ledger, 300)
    with opened(ledger / "shards/w1", KEY.of_shard("w1")) as shard:
        shard.submit([(b"one", None)] * 10)
    with opened(ledger / "shards/w1", KEY.of_shard("w1")) as shard:
        main = verify_all(ledger, None).logs["main"]
        logs = {"main": Reached(main.size, main.root), "w1": Reached(10, shard.root)}
        shard.append(b"two")
        logs["w1"] = Reached(11, shard.root)
        write_view(ledger, KEY, View(KEY.name, logs))
        copy = copy_of(ledger, objects)
        copy.step()
        assert not any(key.startswith("views/") for key in objects.held)
    copy.step()
    assert any(key.startswith("views/") for key in objects.held)
    restore(objects, tmp_path / "b", VERIFIER)
    whole = verify_all(tmp_path / "b", KEY.verifier)
    assert (whole.verdict, whole.size) == (Verdict.PASS, 311), whole.reason
