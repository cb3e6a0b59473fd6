"""Records: one byte form, back and forth."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.core.errors import LedgerError
from keepstone.ledger.record import (
    Caller,
    ExchangeRecord,
    FindingNote,
    Latency,
    ReasonNote,
    Tokens,
    decode,
    encode,
)
from tests.laws import examples

TEXT = st.text(max_size=20)
COUNT = st.integers(0, 2**53)
RECORDS = st.builds(
    ExchangeRecord,
    kind=st.sampled_from(["exchange", "opened", "closed", "event"]),
    id=TEXT,
    time=TEXT,
    principal=st.builds(Caller, id=TEXT, roles=st.lists(TEXT, max_size=3).map(tuple)),
    model=TEXT,
    outcome=st.sampled_from(["", "allow", "transform", "refuse"]),
    reasons=st.lists(st.builds(ReasonNote, code=TEXT, message=TEXT), max_size=2).map(tuple),
    findings=st.lists(
        st.builds(
            FindingNote, where=st.sampled_from(["input", "output"]), type=TEXT, action=TEXT, count=COUNT
        ),
        max_size=2,
    ).map(tuple),
    tokens=st.builds(Tokens, input=COUNT, estimated=st.booleans()),
    latency_us=st.builds(Latency, total=COUNT),
    detail=st.dictionaries(TEXT, TEXT, max_size=3),
)


@settings(max_examples=examples(60))
@given(RECORDS)
def test_a_record_comes_back_and_has_one_byte_form(record):
    data = encode(record)
    assert decode(data) == record
    assert encode(decode(data)) == data
    assert list(json.loads(data))[:4] == ["v", "kind", "id", "time"]


def test_the_order_of_details_does_not_change_the_bytes():
    one = ExchangeRecord(kind="event", id="1", time="t", event="started", detail={"a": "1", "b": "2"})
    two = ExchangeRecord(kind="event", id="1", time="t", event="started", detail={"b": "2", "a": "1"})
    assert encode(one) == encode(two)


LATER = b'{"v":2,"kind":"event","id":"1","time":"t"}'
OTHER = b'{"v":1,"kind":"other","id":"","time":""}'
NO_TEXT = b'{"v":1,"kind":"event","id":"\xff\xfe","time":"t"}'


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", LATER, OTHER, NO_TEXT])
def test_what_is_not_a_record_of_this_version_is_refused(data):
    with pytest.raises(LedgerError, match="not a record of version `1`"):
        decode(data)
