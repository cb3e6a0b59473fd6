"""W3C Trace Context: whose trace a call belongs to, and what the upstream is told; pure."""

import random
import re

from msgspec import Struct

TRACEPARENT = b"traceparent"
TRACEPARENT_NAME = TRACEPARENT.decode()
_HEADER = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z")
_ids = random.Random()  # noqa: S311 - ids must be unique, not unguessable


class Tracing(Struct, gc=False):
    """The spans of one call: ours, our caller's, and the one that the upstream sees as its parent."""

    trace_id: int
    span_id: int
    client_span_id: int
    parent_id: int = 0
    sampled: bool = True

    @property
    def outgoing(self) -> str:
        """Return the header for the upstream."""
        return f"00-{self.trace_id:032x}-{self.client_span_id:016x}-{'01' if self.sampled else '00'}"


def begin(header: bytes, share: float) -> Tracing:
    """Join the trace that a caller's header names, or begin one, which is sampled in `share` of all cases."""
    ours, theirs = _ids.getrandbits(64) or 1, _ids.getrandbits(64) or 1
    found = _HEADER.match(header) if header else None
    if found is not None and found[1] != b"ff" and not (found[1] == b"00" and found[5]):
        trace_id, parent_id = int(found[2], 16), int(found[3], 16)
        if trace_id and parent_id:
            return Tracing(trace_id, ours, theirs, parent_id, bool(int(found[4], 16) & 1))
    return Tracing(_ids.getrandbits(128) or 1, ours, theirs, 0, share >= 1 or _ids.random() < share)
