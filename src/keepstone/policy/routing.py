"""The rules by which a call finds its way, compiled: numbers that the request path only compares."""

from dataclasses import dataclass

from keepstone.policy.duration import parse_duration, seconds
from keepstone.policy.schema.document import GatewayRules
from keepstone.policy.schema.routing import CircuitBreaker, Retries
from keepstone.policy.schema.upstreams import Model, Upstream


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and for how long; `share` is in percent."""

    share: int
    window_ns: int
    minimum: int
    rest_ns: int


NEVER_OPENS = BreakerRules(share=101, window_ns=1_000_000_000, minimum=1, rest_ns=1)


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How many calls may be sent again: a share of recent ones in percent, and so many a second anyway."""

    share: int
    minimum: int


@dataclass(frozen=True, slots=True)
class RouteRules:
    """How the calls of one model are routed; seconds."""

    deadline_s: float = 600.0
    stream_deadline_s: float = 3600.0


def breaker_rules(upstream: Upstream) -> BreakerRules:
    """Return when an upstream, or a model there, is left alone."""
    config = upstream.breaker
    if not isinstance(config, CircuitBreaker):
        return NEVER_OPENS
    return BreakerRules(
        config.share, parse_duration(config.window), config.minimum, parse_duration(config.rest)
    )


def retry_rules(config: Retries) -> RetryRules:
    """Return how often an upstream may be asked again."""
    return RetryRules(config.share, config.minimum)


def route_rules(model: Model, gateway: GatewayRules) -> RouteRules:
    """Return how the calls of a model are routed."""
    return RouteRules(
        deadline_s=seconds(model.deadline or gateway.deadline),
        stream_deadline_s=seconds(model.stream_deadline or gateway.stream_deadline),
    )
