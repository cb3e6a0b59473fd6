"""W3C Trace Context: which header is joined, which is not, and what goes on."""

import re

import pytest

from keepstone.gateway.trace_context import begin

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "joined", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True, True),
        (f"00-{TRACE}-{SPAN}-00", True, False),
        (f"01-{TRACE}-{SPAN}-03-more", True, True),  # a later version may say more
        (f"00-{TRACE}-{SPAN}-01-more", False, True),
        (f"ff-{TRACE}-{SPAN}-01", False, True),
        (f"00-{'0' * 32}-{SPAN}-01", False, True),
        (f"00-{TRACE}-{'0' * 16}-01", False, True),
        (f"00-{TRACE.upper()}-{SPAN}-01", False, True),
        (f"00-{TRACE}-{SPAN}-01\n", False, True),
        ("", False, True),
        ("nonsense" * 1000, False, True),
    ],
)
def test_joining(header, joined, sampled):
    tracing = begin(header.encode(), 1.0)
    assert (f"{tracing.trace_id:032x}" == TRACE) is joined
    assert (f"{tracing.parent_id:016x}" == SPAN) is joined
    assert tracing.sampled is sampled
    outgoing = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])", tracing.outgoing)
    assert outgoing
    assert int(outgoing[2], 16) == tracing.client_span_id != tracing.span_id
    assert outgoing[3] == ("1" if sampled else "0")


def test_only_a_share_of_new_traces_is_sampled():
    assert not any(begin(b"", 0.0).sampled for _ in range(50))
    assert begin(f"00-{TRACE}-{SPAN}-01".encode(), 0.0).sampled
    assert 100 < sum(begin(b"", 0.5).sampled for _ in range(400)) < 300
