"""What is known of each upstream's health, and of each model's there; kept while its configuration is.

A lane is one model (an entry of the policy, so that no caller can make their number grow) at one upstream.
"""

from collections.abc import Iterable, Iterator

from keepstone.gateway.ports import Upstream
from keepstone.gateway.routing.breaker import Breaker, State
from keepstone.gateway.routing.retries import RetryBudget
from keepstone.gateway.routing.usage import Usage
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.routing import breaker_rules, retry_rules
from keepstone.policy.rules import ModelRoute

UNREACHABLE = frozenset({"upstream.connect", "upstream.tls", "upstream.credentials", "upstream.busy"})
"""Failures of the upstream as a whole; every other one is the model's there."""
_CLOSED = State.CLOSED
THROTTLED_NS = 1_000_000_000
"""How long a throttled lane is asked last, if it did not say itself."""


class Reach:
    """One upstream: whether it can be reached at all, and what may be sent to it again."""

    __slots__ = ("breaker", "lanes", "retries", "upstream")

    def __init__(self, upstream: Upstream, policy: CompiledPolicy) -> None:
        config = policy.document.upstreams[upstream.name]
        self.upstream = upstream
        self.breaker = Breaker(breaker_rules(config))
        self.retries = RetryBudget(retry_rules(config.retries))
        self.lanes: dict[str, Lane] = {}


class Lane:
    """One model at one upstream; times are monotonic nanoseconds."""

    __slots__ = (
        "breaker",
        "is_watched",
        "model",
        "name",
        "reach",
        "route",
        "throttled_until_ns",
        "upstream",
        "usage",
    )

    def __init__(self, reach: Reach, route: ModelRoute, policy: CompiledPolicy) -> None:
        self.reach = reach
        self.upstream = reach.upstream
        self.name = reach.upstream.name
        self.route = route
        self.model = route.id
        quotas = route.rules.quotas
        self.usage = None if quotas is None else Usage(quotas[self.name])
        self.breaker = Breaker(breaker_rules(policy.document.upstreams[self.name]))
        self.throttled_until_ns = 0

    def wait_ns(self, now_ns: int) -> int:
        """Return how long its breakers let no call pass; 0 when one may."""
        if self.breaker.state is _CLOSED and self.reach.breaker.state is _CLOSED:
            return 0
        return max(self.breaker.wait_ns(now_ns), self.reach.breaker.wait_ns(now_ns))

    def begin(self, now_ns: int) -> None:
        """Note that a call is sent, for which `wait_ns` was 0."""
        reach = self.reach
        if self.breaker.state is not _CLOSED or reach.breaker.state is not _CLOSED:
            self.breaker.begin(now_ns)
            reach.breaker.begin(now_ns)
        reach.retries.called(now_ns)

    def succeeded(self, now_ns: int) -> None:
        """Note an answer, be it that the request was wrong."""
        self.breaker.succeeded(now_ns)
        self.reach.breaker.succeeded(now_ns)

    def failed(self, now_ns: int, code: str = "") -> None:
        """Note a failure; `code` is that of the `UpstreamError`, empty for an answer that is a fault."""
        if code in UNREACHABLE:
            self.reach.breaker.failed(now_ns)
            return
        self.reach.breaker.succeeded(now_ns)
        self.breaker.failed(now_ns)

    def throttled(self, now_ns: int, retry_after_s: float | None) -> None:
        """Note that it throttles: others are asked first; no breaker opens."""
        self.reach.breaker.succeeded(now_ns)
        rest = THROTTLED_NS if retry_after_s is None else int(retry_after_s * 1e9)
        self.throttled_until_ns = max(self.throttled_until_ns, now_ns + rest)


class Lanes:
    """What is kept from one policy to the next, as long as an upstream's configuration stays the same."""

    def __init__(self) -> None:
        self._reaches: dict[str, Reach] = {}

    def open(self, policy: CompiledPolicy, route: ModelRoute, upstream: Upstream) -> Lane:
        """Return a model's lane at an upstream; one that was opened anew starts with a clean slate."""
        reach = self._reaches.get(upstream.name)
        if reach is None or reach.upstream is not upstream:
            reach = self._reaches[upstream.name] = Reach(upstream, policy)
        lane = reach.lanes.get(route.id)
        if lane is None or lane.route != route:
            lane = reach.lanes[route.id] = Lane(reach, route, policy)
        return lane


def states(lanes: Iterable[Lane]) -> Iterator[tuple[str, str, State]]:
    """Yield upstream, model and state of every breaker; no model stands for the upstream itself."""
    seen: set[str] = set()
    for lane in lanes:
        if lane.name not in seen:
            seen.add(lane.name)
            yield lane.name, "", lane.reach.breaker.state
        yield lane.name, lane.model, lane.breaker.state
