"""Subjects' keys, the store of content, holds and retention, on a real disk."""

import errno
import os
from datetime import UTC, date, datetime

import pytest

from keepstone.core.errors import LedgerError
from keepstone.ledger import holds, notices
from keepstone.ledger.disk import Disk
from keepstone.ledger.record import Caller, ExchangeRecord, Sealed, encode
from keepstone.ledger.retention import hold_on_subject, remove_old
from keepstone.ledger.subject_keys import EnvelopeKeyFile, SubjectKeys, destroy, key_id
from keepstone.ledger.vault import Piece, Vault, expire, find, read
from tests.unit.ledger.support import KEY, opened

ANN, BEA = KEY.subject("ann"), KEY.subject("bea")
NOON = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp() * 1e9)
DAY_NS = 24 * 3600 * 10**9


@pytest.fixture
def keys(tmp_path):
    return SubjectKeys(tmp_path / "content-keys", EnvelopeKeyFile(tmp_path / "keys"))


@pytest.fixture
def vault(tmp_path, keys):
    made = Vault(tmp_path, KEY.name, keys)
    yield made
    made.close()


def piece(which, subject=ANN, request=b"asked", response=b"said"):
    return Piece(which, subject, request, response)


# --- keys -------------------------------------------------------------------------------------------------


def test_a_subject_has_one_key_which_others_find(tmp_path, keys):
    again = SubjectKeys(tmp_path / "content-keys", EnvelopeKeyFile(tmp_path / "keys"))
    assert keys.find(ANN) is None
    made = keys.obtain(ANN)
    assert keys.obtain(ANN) is made
    assert again.obtain(ANN) == made
    assert keys.obtain(BEA).secret != made.secret
    assert key_id(tmp_path / "content-keys", ANN) == made.id


def test_a_destroyed_key_is_used_no_more_and_the_next_one_is_another(tmp_path, keys):
    folder, made = tmp_path / "content-keys", keys.obtain(ANN)
    assert not destroy(folder, ANN, "another id")
    assert keys.find(ANN) == made
    kept_open = os.open(folder / f"{ANN}.key", os.O_RDONLY)
    wrapped = os.pread(kept_open, 1000, 0)
    assert destroy(folder, ANN, made.id)
    assert os.pread(kept_open, 1000, 0) != wrapped  # overwritten where it lay
    os.close(kept_open)
    assert keys.find(ANN) is None
    assert not destroy(folder, ANN, made.id)
    assert keys.obtain(ANN).id != made.id


def test_destroyed_keys_leave_the_memory(tmp_path, keys):
    made = keys.obtain(ANN)
    destroy(tmp_path / "content-keys", ANN, made.id)
    assert ANN in keys._known
    keys.forget_destroyed()
    assert ANN not in keys._known


def test_a_wrapped_key_is_bound_to_its_subject_and_to_the_envelope_key(tmp_path, keys):
    keys.obtain(ANN)
    folder = tmp_path / "content-keys"
    (folder / f"{BEA}.key").write_bytes((folder / f"{ANN}.key").read_bytes())
    with pytest.raises(LedgerError, match="envelope"):
        keys.find(BEA)
    other = SubjectKeys(folder, EnvelopeKeyFile(tmp_path / "other"))
    with pytest.raises(LedgerError, match="envelope"):
        other.find(ANN)


def test_loose_permissions_and_names_that_are_no_subject_are_refused(tmp_path, keys):
    for wrong in ("ann", "../../x", ANN.upper(), ANN + "0"):
        with pytest.raises(LedgerError, match="expected the keyed hash"):
            keys.find(wrong)
    (tmp_path / "keys/content.key").chmod(0o644)
    with pytest.raises(LedgerError, match="permissions"):
        EnvelopeKeyFile(tmp_path / "keys")


# --- content ----------------------------------------------------------------------------------------------


def test_content_is_found_by_its_record_and_read_with_the_key(tmp_path, vault, keys):
    first, second = vault.keep([piece("r-1"), piece("r-2", BEA, response=b"")], NOON)
    assert (first.subject, second.subject, second.response) == (ANN, BEA, "")
    assert read(find(tmp_path, first, "request"), keys) == b"asked"
    assert read(find(tmp_path, first, "response"), keys) == b"said"
    assert find(tmp_path, second, "response") is None
    assert find(tmp_path, Sealed(ANN, "../keys", first.request), "request") is None
    destroy(tmp_path / "content-keys", ANN, keys.find(ANN).id)
    with pytest.raises(LedgerError, match="erased"):
        read(find(tmp_path, first, "request"), keys)
    keys.obtain(ANN)  # a fresh key does not bring the old content back
    with pytest.raises(LedgerError, match="erased"):
        read(find(tmp_path, first, "request"), keys)
    assert read(find(tmp_path, second, "request"), keys) == b"asked"


def test_each_day_has_a_segment_and_a_failed_write_ends_one(tmp_path, keys):
    class Failing(Disk):
        broken = False

        def write_durably(self, descriptor, data):
            if self.broken:
                os.write(descriptor, data[:40])
                raise OSError(errno.ENOSPC, "no space")
            super().write_durably(descriptor, data)

    disk = Failing()
    vault = Vault(tmp_path, KEY.name, keys, disk)
    notes = vault.keep([piece("r-1")], NOON) + vault.keep([piece("r-2")], NOON + DAY_NS)
    disk.broken = True
    with pytest.raises(LedgerError, match="no space"):
        vault.keep([piece("r-3")], NOON + DAY_NS)
    disk.broken = False
    notes += vault.keep([piece("r-4")], NOON + DAY_NS)
    vault.close()
    assert [each.segment[:10] for each in notes] == ["2026-03-01", "2026-03-02", "2026-03-02"]
    assert len({each.segment for each in notes}) == 3
    assert [read(find(tmp_path, each, "request"), keys) for each in notes] == [b"asked"] * 3


@pytest.mark.parametrize(("days", "gone"), [(1, 2), (2, 2), (3, 0)])
def test_content_expires_after_its_days(tmp_path, vault, days, gone):
    vault.keep([piece("r-1")], NOON)
    assert expire(tmp_path, days, date(2026, 3, 4), lambda _: False, dry_run=True) == (gone, 0)
    assert expire(tmp_path, days, date(2026, 3, 4), lambda _: False) == (gone, 0)
    assert len(list((tmp_path / "content").iterdir())) == (0 if gone else 1)


# --- holds and retention ----------------------------------------------------------------------------------


def hold(cover, what="", which="a1"):
    return holds.Hold(which, cover, what, "case", "legal", "2026-01-01T00:00:00+00:00")


def log(directory, *sealed):
    """Write 600 records of one caller, of which the first ones name content."""
    with opened(directory) as ledger:
        for index in range(600):
            note = sealed[index] if index < len(sealed) else Sealed()
            record = ExchangeRecord(
                kind="exchange",
                id=f"r-{index}",
                time="2026-03-01T12:00:00.000000Z",
                principal=Caller("ann" if index == 300 else "bob"),
                sealed=note,
            )
            ledger.submit([(encode(record), index)])


LATER = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("held", "records", "parts"),
    [
        (None, 512, 4),
        (hold("everything"), 0, 0),
        (hold("subject", ANN), 0, 2),
        (hold("subject", KEY.subject("nobody")), 512, 4),
        (hold("principal", "ann"), 256, 4),
        (hold("principal", "bob"), 0, 0),
    ],
)
def test_what_a_hold_covers_stays(tmp_path, vault, keys, held, records, parts):
    notes = vault.keep([piece("r-0"), piece("r-1", BEA)], NOON)
    log(tmp_path, *notes)
    if held is not None:
        holds.add(tmp_path, held)
    would = remove_old(tmp_path, KEY, LATER, (30, 30), dry_run=True)
    done = remove_old(tmp_path, KEY, LATER, (30, 30))
    assert would == done
    assert (done.records, done.parts, done.held_parts) == (records, parts, 4 - parts)
    if parts == 2:
        assert read(find(tmp_path, notes[0], "request"), keys) == b"asked"
        assert find(tmp_path, notes[1], "request") is None
    if held is not None:
        holds.release(tmp_path, held.id)
        after = remove_old(tmp_path, KEY, LATER, (30, 30))
        assert (after.records, after.parts) == (512 - records, 4 - parts)


def test_a_hold_forbids_the_erasure_of_what_it_covers(tmp_path, vault):
    log(tmp_path, *vault.keep([piece("r-0")], NOON))
    assert hold_on_subject(tmp_path, ANN) is None
    for each, covered in [
        (hold("subject", ANN), ANN),
        (hold("everything"), BEA),
        (hold("principal", "bob"), ANN),
    ]:
        holds.add(tmp_path, each)
        assert hold_on_subject(tmp_path, covered) == each
        holds.release(tmp_path, each.id)
    holds.add(tmp_path, hold("principal", "somebody"))
    assert hold_on_subject(tmp_path, ANN) is None


def test_a_hold_that_cannot_be_read_keeps_everything(tmp_path, vault):
    log(tmp_path, *vault.keep([piece("r-0")], NOON))
    holds.add(tmp_path, hold("subject", BEA))
    (tmp_path / "holds/a1.json").write_text("{")
    for use in (
        lambda: remove_old(tmp_path, KEY, LATER, (30, 30)),
        lambda: hold_on_subject(tmp_path, ANN),
        lambda: holds.in_force(tmp_path),
    ):
        with pytest.raises(LedgerError, match="cannot be read"):
            use()
    assert holds.exists(tmp_path, "a1")
    with pytest.raises(LedgerError, match="a hold's id"):
        holds.release(tmp_path, "../x")


# --- notices ----------------------------------------------------------------------------------------------


def test_a_notice_is_made_true_recorded_and_gone(tmp_path, keys):
    which = keys.obtain(ANN).id
    erasure = notices.Notice("content.erased", {"subject": ANN, "key": which})
    notices.leave(tmp_path, erasure)
    notices.leave(tmp_path, notices.Notice("content.read", {"id": "r-1"}))
    done = []
    assert notices.record_all(tmp_path, tmp_path / "content-keys", done.append) == 2
    assert [each.event for each in done] == ["content.erased", "content.read"]
    assert keys.find(ANN) is None
    assert notices.record_all(tmp_path, tmp_path / "content-keys", done.append) == 0


def test_an_erasure_that_is_repeated_spares_the_key_made_since(tmp_path, keys):
    which = keys.obtain(ANN).id
    notices.leave(tmp_path, notices.Notice("content.erased", {"subject": ANN, "key": which}))
    destroy(tmp_path / "content-keys", ANN, which)
    fresh = keys.obtain(ANN)
    notices.record_all(tmp_path, tmp_path / "content-keys", lambda _: None)
    assert keys.find(ANN) == fresh


@pytest.mark.parametrize("content", ["{", '{"event":"policy.loaded","detail":{}}'])
def test_what_is_no_notice_is_refused(tmp_path, content):
    (tmp_path / "notices").mkdir()
    (tmp_path / "notices/0.json").write_text(content)
    with pytest.raises(LedgerError, match="notice"):
        notices.pending(tmp_path)


def test_one_process_at_a_time_takes_notices(tmp_path):
    with notices.taking(tmp_path) as none:
        assert none == []
    notices.leave(tmp_path, notices.Notice("content.read", {"id": "r-1"}))
    with notices.taking(tmp_path) as ours, notices.taking(tmp_path) as theirs:
        assert (len(ours), theirs) == (1, [])
        assert notices.record_all(tmp_path, tmp_path / "content-keys", lambda _: None) == 0
    with notices.taking(tmp_path) as again:
        assert len(again) == 1


def test_what_a_crash_leaves_of_an_erasure_is_destroyed_by_the_next_try(tmp_path, keys):
    folder, which = tmp_path / "content-keys", keys.obtain(ANN).id
    aside = folder / f"{ANN}.{which}.erased"
    (folder / f"{ANN}.key").rename(aside)
    wrapped = aside.read_bytes()
    fresh = keys.obtain(ANN)
    assert destroy(folder, ANN, which)
    assert keys.find(ANN) == fresh
    assert [each.name for each in folder.iterdir()] == [f"{ANN}.key"]
    assert (folder / f"{ANN}.key").read_bytes() != wrapped
    assert not destroy(folder, ANN, f"../{which}")


def test_a_piece_without_a_key_fails_alone(tmp_path, vault, keys):
    keys.obtain(ANN)
    folder = tmp_path / "content-keys"
    (folder / f"{BEA}.key").write_bytes((folder / f"{ANN}.key").read_bytes())
    first, failed, last = vault.keep([piece("r-1"), piece("r-2", BEA), piece("r-3")], NOON)
    assert isinstance(failed, LedgerError)
    assert [read(find(tmp_path, each, "request"), keys) for each in (first, last)] == [b"asked"] * 2
    assert [type(each) for each in vault.keep([piece("r-4", BEA)], NOON)] == [LedgerError]
