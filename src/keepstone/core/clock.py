"""Time as an argument: deciding code never asks the machine what time it is."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings: wall time for records, monotonic time for windows and latencies."""

    def wall_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds from an arbitrary point that never goes back."""
        ...


class SystemClock:
    """The machine's own clocks."""

    wall_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.perf_counter_ns)
