"""A circuit breaker as a pure state machine: it is told what happened and when, and says who may pass.

    closed    --too many failures in the window-->   open
    open      --its rest is over, one call passes--> half open
    half open --that call succeeds-->                closed, with nothing counted
    half open --that call fails-->                   open, for twice as long

A call that passes a half-open breaker and never tells how it ended, because its caller left, blocks nobody:
after another rest the next one passes.
"""

from enum import StrEnum

from keepstone.gateway.routing.window import Window
from keepstone.policy.routing import BreakerRules

LONGEST_REST_NS = 60_000_000_000


class State(StrEnum):
    """Whether calls pass: all, none, one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One breaker; times are monotonic nanoseconds."""

    __slots__ = ("_all", "_failed", "_rest_ns", "_rules", "_until_ns", "state")

    def __init__(self, rules: BreakerRules) -> None:
        self._rules = rules
        self._all = Window(rules.window_ns)
        self._failed = Window(rules.window_ns)
        self._rest_ns = rules.rest_ns
        self._until_ns = 0
        self.state = State.CLOSED

    def wait_ns(self, now_ns: int) -> int:
        """Return how long no call may pass; 0 when one may."""
        return 0 if self.state is State.CLOSED else max(0, self._until_ns - now_ns)

    def begin(self, now_ns: int) -> None:
        """Let a call pass, for which `wait_ns` was 0; others wait until it has told how it ended."""
        if self.state is not State.CLOSED:
            self.state = State.HALF_OPEN
            self._until_ns = now_ns + self._rest_ns

    def succeeded(self, now_ns: int) -> None:
        """Note a call that was answered."""
        if self.state is State.CLOSED:
            self._all.add(now_ns)
        elif self.state is State.HALF_OPEN:
            self.state = State.CLOSED
            self._rest_ns = self._rules.rest_ns
            self._all.clear()
            self._failed.clear()

    def failed(self, now_ns: int) -> None:
        """Note a call that failed."""
        if self.state is State.HALF_OPEN:
            self._rest_ns = min(self._rest_ns * 2, max(LONGEST_REST_NS, self._rules.rest_ns))
            self._open(now_ns)
        elif self.state is State.CLOSED:
            self._all.add(now_ns)
            self._failed.add(now_ns)
            every = self._all.total(now_ns)
            if every >= self._rules.minimum and self._failed.total(now_ns) * 100 >= self._rules.share * every:
                self._open(now_ns)

    def _open(self, now_ns: int) -> None:
        self.state = State.OPEN
        self._until_ns = now_ns + self._rest_ns
