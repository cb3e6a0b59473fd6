"""How a call finds its way among upstreams: retries, breakers, quotas, trials of a new model version."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from keepstone.policy.schema.words import Closed, Duration


class Retries(Closed, frozen=True, kw_only=True):
    """How many calls may be sent again to the same upstream, so that an outage is not made worse."""

    share: Annotated[int, Meta(ge=0, le=100, description="percent of the calls of the last 10 seconds")] = 20
    minimum: Annotated[int, Meta(ge=0, le=1000, description="retries a second that are allowed anyway")] = 1


class CircuitBreaker(Closed, frozen=True, kw_only=True):
    """When an upstream, or one model there, is left alone for a while."""

    share: Annotated[int, Meta(ge=1, le=100, description="percent of calls that fail, throttling apart")] = 50
    window: Annotated[Duration, Meta(description="over which calls are counted")] = "10s"
    minimum: Annotated[int, Meta(ge=1, le=100_000, description="fewer calls in the window open nothing")] = 20
    rest: Annotated[
        Duration, Meta(description="until one call tries again; doubles with each vain try, at most to `1m`")
    ] = "5s"


class Spread(StrEnum):
    """How calls are spread over a model's upstreams."""

    ORDER = "order"
    QUOTA = "quota"
