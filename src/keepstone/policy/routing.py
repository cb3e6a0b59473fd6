"""The rules by which a call finds its way, compiled: numbers that the request path only compares."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from keepstone.policy.duration import parse_duration, seconds
from keepstone.policy.schema.document import GatewayRules
from keepstone.policy.schema.routing import CircuitBreaker, Quota, Retries, Spread
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
class QuotaRules:
    """What one upstream takes of a model in a minute; `weight` counts where neither number is known."""

    requests: int | None
    tokens: int | None
    weight: int


@dataclass(frozen=True, slots=True)
class RouteRules:
    """How the calls of one model are routed; seconds. `quotas` is `None` unless calls are spread by them."""

    deadline_s: float = 600.0
    stream_deadline_s: float = 3600.0
    hedge_after_s: float | None = None
    quotas: Mapping[str, QuotaRules] | None = None


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
        hedge_after_s=None if model.hedge_after is None else seconds(model.hedge_after),
        quotas=_quotas(model) if model.spread is Spread.QUOTA else None,
    )


def _quotas(model: Model) -> Mapping[str, QuotaRules]:
    stated = {name: model.quotas.get(name, Quota()) for name in model.upstreams}
    return MappingProxyType(
        {name: QuotaRules(each.requests, each.tokens, each.weight) for name, each in stated.items()}
    )
