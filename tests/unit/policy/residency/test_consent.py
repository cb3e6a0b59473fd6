import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.errors import KeepstoneError
from keepstone.policy.residency.consent import consent_of, read_register
from keepstone.policy.residency.verdict import ConsentState

TIME = "2026-01-01T00:00:00Z"
MIDNIGHT = 1_798_761_600_000_000_000  # 2027-01-01T00:00:00Z


def event(kind="given", receipt="r-1", **more):
    return msgspec.json.encode({"receipt": receipt, "event": kind, "time": TIME, **more})


def state(*events, receipt="r-1", now=0):
    return consent_of(read_register(b"\n".join(events)), receipt, now).state


def test_the_newest_event_counts():
    assert state(event()) is ConsentState.GIVEN
    assert state(event(), event("withdrawn")) is ConsentState.WITHDRAWN
    assert state(event("refused"), event()) is ConsentState.GIVEN
    assert state(event(), event("withdrawn", "r-2")) is ConsentState.GIVEN


def test_an_end_that_has_come():
    ending = event(expires="2027-01-01T00:00:00Z")
    assert state(ending, now=MIDNIGHT - 1) is ConsentState.GIVEN
    assert state(ending, now=MIDNIGHT) is ConsentState.EXPIRED
    assert state(event(expires="2027-01-01T01:00:00+01:00"), now=MIDNIGHT) is ConsentState.EXPIRED


def test_what_is_not_there():
    assert state(event(), receipt="r-9") is ConsentState.UNKNOWN
    assert state(b"") is ConsentState.UNKNOWN
    assert consent_of(None, "r-1", 0).state is ConsentState.UNREADABLE


def test_what_was_given_is_kept():
    found = read_register(event(purposes=["b", "a", "b"], countries=["US"], explicit=True))["r-1"]
    assert (found.purposes, found.countries, found.explicit) == (("a", "b"), ("US",), True)


@pytest.mark.parametrize(
    "line",
    [
        b"given",
        b"[]",
        b'{"receipt": "r-1", "event": "given"}',
        event("agreed"),
        event(surname="no names here"),
        event(expires="2027-01-01T00:00:00"),
    ],
)
def test_a_line_that_is_no_event_makes_the_register_unreadable(line):
    with pytest.raises(KeepstoneError, match="line 2"):
        read_register(event() + b"\n" + line)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["given", "withdrawn", "refused"]))))
def test_a_receipt_is_what_its_last_event_says(events):
    found = read_register(b"\n".join(event(kind, receipt) for receipt, kind in events))
    assert {key: each.state.value for key, each in found.items()} == dict(events)
