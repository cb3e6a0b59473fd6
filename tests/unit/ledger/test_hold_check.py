"""Legal holds against the record: what was taken away is missed, what cannot be told is not called good."""

import pytest

from keepstone.ledger import holds
from keepstone.ledger.hold_check import check_holds
from keepstone.ledger.record import ExchangeRecord, encode
from keepstone.ledger.verify_all import total, verify_all
from tests.unit.ledger.support import KEY, opened

ANN, BEA = KEY.subject("ann"), KEY.subject("bea")


def hold(cover, what="", which="a1"):
    return holds.Hold(which, cover, what, "case", "legal", "2026-01-01T00:00:00+00:00")


def recorded(directory, *events):
    with opened(directory) as ledger:
        for event, detail in events:
            made = ExchangeRecord(
                kind="event", id="", time="2026-03-01T12:00:00.000000Z", event=event, detail=detail
            )
            ledger.append(encode(made))


ADDED = ("hold.added", {"hold": "a1", "cover": "subject", "what": ANN})
RELEASED = ("hold.released", {"hold": "a1"})


@pytest.mark.parametrize(
    ("events", "stands", "verdict", "said"),
    [
        ([], None, "PASS", ""),
        ([], hold("subject", ANN), "PASS", ""),
        ([ADDED], hold("subject", ANN), "PASS", ""),
        ([ADDED, RELEASED], None, "PASS", ""),
        ([ADDED, RELEASED], hold("subject", ANN), "PASS", ""),  # released, and its file goes in a moment
        ([ADDED], None, "FAIL", "hold `a1` is on record (`0`) and not released, and does not stand"),
        ([ADDED], hold("subject", ANN, "b2"), "FAIL", "does not stand"),
        ([ADDED], hold("subject", BEA), "FAIL", "is not as it was recorded"),
        ([ADDED, ("hold.released", {"hold": "b2"})], None, "FAIL", "does not stand"),
    ],
)
def test_verify_misses_a_hold_that_was_taken_away(tmp_path, events, stands, verdict, said):
    recorded(tmp_path, *events, ("gateway.stopped", {}))
    if stands is not None:
        holds.add(tmp_path, stands)
    found = total(verify_all(tmp_path, KEY.verifier))
    assert found.verdict == verdict
    assert said in found.reason


def test_a_hold_that_cannot_be_read_or_compared_is_not_told(tmp_path):
    recorded(tmp_path, ADDED)
    checked = check_holds(tmp_path, pruned=True)
    assert "may have been pruned" in checked.unknown
    assert not checked.problems
    holds.add(tmp_path, hold("subject", ANN))
    (tmp_path / "holds/a1.json").write_text("{")
    found = total(verify_all(tmp_path, KEY.verifier))
    assert (found.verdict, "cannot be read" in found.reason) == ("NOT_EVALUATED", True)
