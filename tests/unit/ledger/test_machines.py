"""Ledgers of several machines: who is known, who is missing, who is behind, who lies."""

from dataclasses import replace

import pytest

from keepstone.ledger.key import LedgerKey
from keepstone.ledger.machines import Stated, absent, conclude, judge, known, ledger_name, unknown
from keepstone.ledger.reader import LedgerReader
from keepstone.ledger.verdict import Verdict
from keepstone.ledger.view import MAIN, Reached, View, reached, sign_view
from tests.unit.ledger.records import fill
from tests.unit.ledger.support import KEY

OTHER = LedgerKey.create(KEY.name)


def stated(size, root, *, key=KEY, where="the database", shard=MAIN):
    note = sign_view(key, View(KEY.name, {shard: Reached(size, root)}))
    return Stated(KEY.name, KEY.verifier, where, note, "gw-1", "s3://acme/one")


@pytest.fixture
def ledger(tmp_path):
    fill(tmp_path / "ledger", 300)
    return tmp_path / "ledger"


@pytest.fixture
def now(ledger):
    return reached(LedgerReader(ledger))


def verdict(ledger, *rows):
    return judge(known(rows)[KEY.name], ledger, "here", holds=True)


def test_a_ledger_that_holds_all_that_its_machine_said(ledger, now):
    said = verdict(ledger, stated(now.size, now.root))
    assert (said.verdict, said.whole.size, said.host) == (Verdict.PASS, 300, "gw-1")


def test_one_that_ends_earlier_may_be_a_copy_that_is_behind(ledger, now):
    said = verdict(ledger, stated(now.size + 1, now.root, where="`kept.json`"))
    assert said.verdict is Verdict.NOT_EVALUATED
    assert said.reason == (
        f"log `main` of `{KEY.name}` (gw-1) ends at `300` in `here`, but it held `301` records by `kept.json`"
    )


def test_a_log_that_the_machine_had_and_the_place_has_not(ledger):
    said = verdict(ledger, stated(7, b"\0" * 32, shard="w1"))
    assert said.verdict is Verdict.NOT_EVALUATED
    assert "log `w1`" in said.reason


def test_another_history_of_the_same_length_fails(ledger, now):
    said = verdict(ledger, stated(now.size, b"\1" * 32))
    assert said.verdict is Verdict.FAIL
    assert said.reason == "the log does not begin with the records of the database: it was rewritten"


def test_behind_does_not_hide_what_was_changed(ledger, now):
    entry = ledger / "tile/entries/000"
    entry.write_bytes(entry.read_bytes().replace(b"Converse", b"Conversa", 1))
    assert verdict(ledger, stated(now.size + 9, now.root)).verdict is Verdict.FAIL


def test_a_view_that_the_machine_did_not_sign_fails(ledger, now):
    said = verdict(ledger, stated(now.size, now.root, key=OTHER))
    assert said.verdict is Verdict.FAIL
    assert said.reason.startswith(f"what the database has of `{KEY.name}`")


def test_two_that_name_different_keys_fail_and_the_first_is_believed(ledger, now):
    kept = stated(now.size, now.root, where="`kept.json`")
    said = verdict(ledger, kept, replace(kept, verifier=OTHER.verifier, where="the database"))
    assert said.verdict is Verdict.FAIL
    assert said.reason == f"the database names another key for `{KEY.name}` (gw-1)"
    assert said.whole.verdict is Verdict.PASS


def test_who_is_missing_is_named_with_what_was_held():
    said = absent(known([stated(41, b"\0" * 32)])[KEY.name])
    assert said.verdict is Verdict.NOT_EVALUATED
    assert (
        said.reason
        == f"the ledger of `{KEY.name}` (gw-1) is missing: it held `41` records when it spoke last"
    )


def test_the_worst_is_the_verdict_on_all_and_nobody_is_no_pass(ledger, now, tmp_path):
    good = verdict(ledger, stated(now.size, now.root))
    nobody = unknown("keepstone/ffff", "there")
    bad = verdict(ledger, stated(now.size, b"\1" * 32))
    assert conclude([good, good]) == (Verdict.PASS, "every record of `2` ledgers agrees")
    assert conclude([good, nobody])[0] is Verdict.NOT_EVALUATED
    assert conclude([nobody, good, bad])[0] is Verdict.FAIL
    assert conclude([])[0] is Verdict.NOT_EVALUATED
    assert ledger_name(ledger) == KEY.name
    assert ledger_name(tmp_path / "nothing") == ""
