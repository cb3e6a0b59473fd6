"""How a call finds its way among upstreams: retries, breakers, quotas, trials of a new model version."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from keepstone.policy.schema.words import Closed, Duration, Name


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


class Quota(Closed, frozen=True, kw_only=True):
    """What a model may take at one upstream in a minute, or how much of the calls it should get."""

    requests: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="calls in a minute")] = None
    tokens: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="tokens in a minute, in and out")
    ] = None
    weight: Annotated[int, Meta(ge=1, le=1000, description="share of calls where no quota is known")] = 1


class Canary(Closed, frozen=True, kw_only=True):
    """Some principals get a new version of a model; the same ones always, until `percent` changes."""

    upstream: Annotated[
        Name | None, Meta(description="where the new version is; absent: at the model's own upstreams")
    ] = None
    upstream_id: Annotated[
        str, Meta(max_length=2048, description="the new version's id there; absent: the model's own")
    ] = ""
    percent: Annotated[float, Meta(gt=0, le=100, description="of principals")]


class Shadow(Closed, frozen=True, kw_only=True):
    """A copy of some calls goes to another model once they are answered; nobody sees what it says."""

    upstream: Annotated[Name, Meta(description="where the copy goes; rules on data hold there, too")]
    upstream_id: Annotated[
        str, Meta(max_length=2048, description="the model's id there; absent: the model's own")
    ] = ""
    percent: Annotated[float, Meta(gt=0, le=100, description="of answered calls")]
    max_concurrent: Annotated[int, Meta(ge=1, le=1024, description="more copies are left out")] = 8
