"""How often an upstream may be asked again: a share of its recent calls, so that no outage is amplified."""

from keepstone.gateway.routing.window import Window
from keepstone.policy.routing import RetryRules

WINDOW_S = 10


class RetryBudget:
    """Counts the calls and the retries of the last ten seconds; times are monotonic nanoseconds."""

    __slots__ = ("_calls", "_retries", "_rules")

    def __init__(self, rules: RetryRules) -> None:
        self._rules = rules
        self._calls = Window(WINDOW_S * 1_000_000_000)
        self._retries = Window(WINDOW_S * 1_000_000_000)

    def called(self, now_ns: int) -> None:
        """Count a call's first attempt."""
        self._calls.add(now_ns)

    def take(self, now_ns: int) -> bool:
        """Take one retry; say whether there was one left."""
        rules = self._rules
        allowed = self._calls.total(now_ns) * rules.share + rules.minimum * WINDOW_S * 100
        if (self._retries.total(now_ns) + 1) * 100 > allowed:
            return False
        self._retries.add(now_ns)
        return True
