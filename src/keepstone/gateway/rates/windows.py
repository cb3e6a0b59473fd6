"""What is counted in one place: a sliding window, a calendar period, or what is held at the moment.

A sliding window is cut into slices. A slice's count leaves the sum only when the whole slice is older than
the window, so in no span of that length are more than the limit admitted; the price is that up to one slice
of headroom comes back late. All three answer to the same names.
"""

from collections import OrderedDict
from collections.abc import Iterator

from keepstone.policy.limits import LimitRule, Period, Unit

SLICES = 20
HELD_WAIT_NS = 1_000_000_000
_NEVER = -(1 << 80)


class SlidingWindow:
    """Counts what happened within the last `length_ns` nanoseconds, in slices."""

    __slots__ = ("_counts", "_expired", "_slice_ns", "alerted", "total")

    def __init__(self, length_ns: int) -> None:
        self._slice_ns = max(1, length_ns // SLICES)
        self._counts: OrderedDict[int, int] = OrderedDict()
        self._expired = -SLICES
        self.total = 0
        self.alerted: dict[int, int] = {}

    def expire(self, now_ns: int) -> None:
        """Forget the slices that are wholly out of the window."""
        oldest = now_ns // self._slice_ns - SLICES
        if oldest == self._expired:
            return
        self._expired = oldest
        while self._counts and (first := next(iter(self._counts))) < oldest:
            self.total -= self._counts.pop(first)
        if self.alerted:
            self.alerted = {percent: at for percent, at in self.alerted.items() if at >= oldest}

    def add(self, now_ns: int, amount: int) -> None:
        """Count `amount` at `now_ns`."""
        number = now_ns // self._slice_ns
        self._counts[number] = self._counts.get(number, 0) + amount
        self.total += amount

    def correct(self, at_ns: int, difference: int) -> None:
        """Change what was counted at `at_ns`, unless that has left the window already."""
        number = at_ns // self._slice_ns
        if number in self._counts:
            self._counts[number] += difference
            self.total += difference

    def restore(self, at_ns: int, amount: int) -> None:
        """Count what was counted at `at_ns` by a process that has ended; the oldest comes first."""
        self.add(at_ns, amount)
        self._expired = _NEVER

    def wait_ns(self, now_ns: int, limit: int, amount: int) -> int:
        """Return how long until `amount` more fits under `limit`, if nothing else comes."""
        total = self.total
        for number, count in self._counts.items():
            total -= count
            if total + amount <= limit:
                return max(1, (number + SLICES + 1) * self._slice_ns - now_ns)
        return self._slice_ns * (SLICES + 1)

    def alert(self, now_ns: int, percent: int) -> bool:
        """Remember that an alert is raised; say whether it is the first in this window."""
        fresh = percent not in self.alerted
        if fresh:
            self.alerted[percent] = now_ns // self._slice_ns
        return fresh

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield the number of each slice with its count."""
        yield from self._counts.items()


class PeriodCount:
    """Counts what happened in the calendar day or month that is running."""

    __slots__ = ("_end", "_offset_ns", "_period", "alerted", "start", "total")

    def __init__(self, period: Period, offset_ns: int) -> None:
        self._period = period
        self._offset_ns = offset_ns  # from the times it is given to wall time
        self._end = 0
        self.start = 0
        self.total = 0
        self.alerted: set[int] = set()

    def expire(self, now_ns: int) -> None:
        """Begin anew when the period is over."""
        if now_ns + self._offset_ns >= self._end:
            self.start, self._end = self._period.bounds(now_ns + self._offset_ns)
            self.total = 0
            self.alerted.clear()

    def add(self, now_ns: int, amount: int) -> None:
        """Count `amount`."""
        self.total += amount

    def correct(self, at_ns: int, difference: int) -> None:
        """Change what was counted at `at_ns`, unless that period is over."""
        if at_ns + self._offset_ns >= self.start:
            self.total += difference

    def restore(self, at_ns: int, amount: int) -> None:
        """Count what was counted at `at_ns` by a process that has ended."""
        self.correct(at_ns, amount)

    def wait_ns(self, now_ns: int, limit: int, amount: int) -> int:
        """Return how long until the next period begins."""
        return max(1, self._end - self._offset_ns - now_ns)

    def alert(self, now_ns: int, percent: int) -> bool:
        """Remember that an alert is raised; say whether it is the first in this period."""
        fresh = percent not in self.alerted
        self.alerted.add(percent)
        return fresh

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield the start of the period, in microseconds, with its count."""
        yield self.start // 1000, self.total


class Held:
    """Counts what is held at the moment: taken when a call begins, given back when it ends."""

    __slots__ = ("alerted", "total")

    def __init__(self) -> None:
        self.total = 0
        self.alerted: set[int] = set()

    def expire(self, now_ns: int) -> None:
        """Raise alerts anew once nothing is held."""
        if not self.total:
            self.alerted.clear()

    def add(self, now_ns: int, amount: int) -> None:
        """Take."""
        self.total += amount

    def correct(self, at_ns: int, difference: int) -> None:
        """Give back."""
        self.total += difference

    def restore(self, at_ns: int, amount: int) -> None:
        """Nothing: what a process held ended with it."""

    def wait_ns(self, now_ns: int, limit: int, amount: int) -> int:
        """Return a moment: nobody knows when a running call ends."""
        return HELD_WAIT_NS

    def alert(self, now_ns: int, percent: int) -> bool:
        """Remember that an alert is raised; say whether it is the first since nothing was held."""
        fresh = percent not in self.alerted
        self.alerted.add(percent)
        return fresh

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield nothing: what is held is kept alive by who holds it."""
        yield from ()


Window = SlidingWindow | PeriodCount | Held


def new_window(rule: LimitRule, unit: Unit, offset_ns: int) -> Window:
    """Return an empty count for one unit of a limit."""
    if unit.is_lease:
        return Held()
    if rule.period is not None:
        return PeriodCount(rule.period, offset_ns)
    return SlidingWindow(rule.window_ns)
