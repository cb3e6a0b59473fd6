"""What the gateway needs of whoever exports traces and metrics."""

from collections.abc import Mapping
from typing import Protocol

from keepstone.gateway.call import Call
from keepstone.gateway.trace_context import Tracing


class Telemetry(Protocol):
    """Follows calls; it neither waits nor raises."""

    def begin(self, headers: Mapping[bytes, bytes]) -> Tracing:
        """Return the spans of a call that begins."""
        ...

    def end(self, call: Call, tracing: Tracing, elapsed_ns: int) -> None:
        """Note a call that is answered."""
        ...
