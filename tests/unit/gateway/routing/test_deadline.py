import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.errors import RequestError
from keepstone.gateway.routing.deadline import DEADLINE, SDK_REQUEST, seconds_left

S = 1_000_000_000
NOON = 1_795_262_400 * S  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({}, 9.0),
        ({DEADLINE: b"4000"}, 3.0),
        ({DEADLINE: b"400000"}, 9.0),
        ({DEADLINE: b"0"}, -1.0),
        ({SDK_REQUEST: b"ttl=20261121T120005Z; attempt=1; max=3"}, 4.0),
        ({SDK_REQUEST: b"attempt=2; max=3; ttl=20261121T120005Z"}, 4.0),
        ({SDK_REQUEST: b"ttl=20261121T115900Z"}, -61.0),
        ({SDK_REQUEST: b"attempt=1"}, 9.0),
        ({SDK_REQUEST: b"ttl=tomorrow; attempt=1"}, 9.0),
        ({SDK_REQUEST: b"ttl="}, 9.0),
        ({DEADLINE: b"7000", SDK_REQUEST: b"ttl=20261121T120003Z"}, 2.0),
    ],
)
def test_the_shortest_of_policy_caller_and_sdk_counts(headers, left):
    assert seconds_left(headers, 10.0, 1 * S, NOON) == pytest.approx(left)


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"1e3", b" 5", b"9" * 13, "٣".encode()])
def test_a_deadline_that_is_no_number_is_refused(value):
    with pytest.raises(RequestError, match="milliseconds") as caught:
        seconds_left({DEADLINE: value}, 10.0, 0, NOON)
    assert value.decode() not in caught.value.message or not value


@given(st.binary(max_size=60))
def test_no_header_gives_more_time_than_the_policy(value):
    assert seconds_left({SDK_REQUEST: value}, 10.0, 0, NOON) <= 10.0
