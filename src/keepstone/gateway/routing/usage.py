"""How much of its quotas a model has used at one upstream in the last minute, as this process knows it."""

from keepstone.gateway.routing.window import Window
from keepstone.policy.routing import QuotaRules

MINUTE_NS = 60_000_000_000


class Usage:
    """Counts requests and tokens; only the order of loads is used, so that each worker may count its own."""

    __slots__ = ("_requests", "_rules", "_tokens")

    def __init__(self, rules: QuotaRules) -> None:
        self._rules = rules
        self._requests = Window(MINUTE_NS)
        self._tokens = Window(MINUTE_NS)

    def begin(self, now_ns: int, tokens: int) -> None:
        """Count a call that is sent, with the tokens that it is expected to use."""
        self._requests.add(now_ns)
        self._tokens.add(now_ns, tokens)

    def settle(self, now_ns: int, difference: int) -> None:
        """Count what a call used beyond what was expected, which may be less than nothing."""
        self._tokens.add(now_ns, difference)

    def load(self, now_ns: int) -> float:
        """Return the largest used share of the known quotas, 1 for all; where none is, calls by weight."""
        rules, requests = self._rules, self._requests.total(now_ns)
        if rules.requests is None and rules.tokens is None:
            return requests / rules.weight
        shares = []
        if rules.requests is not None:
            shares.append(requests / rules.requests)
        if rules.tokens is not None:
            shares.append(max(0, self._tokens.total(now_ns)) / rules.tokens)
        return max(shares)
