"""How much may be used in a span of time, or at once, and what counting rests on."""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta

from keepstone.policy.schema.words import Closed, Duration, ModelGlob, Name

Count = Annotated[int, Meta(ge=1, le=10**15)]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217 code, such as `USD`")]
PerMillion = Annotated[float, Meta(ge=0, le=1_000_000, description="for a million tokens")]
DEFAULT_WINDOW = "1m"
Percent = Annotated[int, Meta(ge=1, le=100)]


class Limit(Closed, frozen=True, kw_only=True):
    """At most so much in a window, in a calendar period or at once, for each holder of the scope."""

    name: Annotated[Name, Meta(description="stands in refusals and alerts")]
    scope: Annotated[
        Literal["principal", "role", "model", "tenant", "organisation"],
        Meta(description="each of these has a window of its own"),
    ] = "principal"
    roles: Annotated[tuple[str, ...], Meta(description="counts only callers with one of these roles")] = (
        "*",
    )
    models: Annotated[tuple[ModelGlob, ...], Meta(description="counts only calls of these models")] = ("*",)
    window: Annotated[Duration, Meta(description="a sliding window; `per` replaces it")] = DEFAULT_WINDOW
    per: Annotated[
        Literal["day", "month"] | None, Meta(description="a calendar period in `zone` instead of a window")
    ] = None
    zone: Annotated[
        str, Meta(max_length=64, description="IANA time zone of `per`, such as `Europe/Oslo`")
    ] = "UTC"
    requests: Annotated[Count | None, Meta(description="calls in the window")] = None
    tokens: Annotated[Count | None, Meta(description="input and output together")] = None
    input_tokens: Annotated[Count | None, Meta(description="what goes to the model, in the window")] = None
    output_tokens: Annotated[Count | None, Meta(description="what comes back, in the window")] = None
    cost: Annotated[
        Annotated[float, Meta(gt=0, le=1_000_000)] | None,
        Meta(description="money, by the dated price of each model; without one see `rates.unpriced`"),
    ] = None
    currency: Annotated[Currency, Meta(description="what `cost` is in; prices must be in the same")] = "USD"
    streams: Annotated[Count | None, Meta(description="streams open at once; no window")] = None
    concurrent: Annotated[Count | None, Meta(description="calls served at once; no window")] = None
    alert_at: Annotated[
        tuple[Percent, ...],
        Meta(description="percent of the limit at which an alert is raised, once a window"),
    ] = ()


class Price(Closed, frozen=True, kw_only=True):
    """What a model's tokens cost from a day on; goes before the published prices that Keepstone carries."""

    model: Annotated[ModelGlob, Meta(description="whose tokens; with or without the geography of a profile")]
    region: Annotated[str, Meta(description="AWS region of the upstream; `*` for every upstream")] = "*"
    currency: Currency = "USD"
    input: PerMillion
    output: PerMillion
    cache_read: Annotated[PerMillion | None, Meta(description="for a million tokens; absent: as `input`")] = (
        None
    )
    cache_write: Annotated[
        PerMillion | None, Meta(description="for a million tokens; absent: as `input`")
    ] = None
    since: Annotated[date, Meta(description="the first day, in UTC, on which this price holds")]
    source: Annotated[str, Meta(max_length=500, description="where the price comes from")] = ""


class Rates(Closed, frozen=True, kw_only=True):
    """What counting rests on, and what happens when it cannot be done."""

    when_unavailable: Annotated[
        Literal["refuse", "local", "allow"],
        Meta(
            description="while the shared store is gone: refuse calls that a limit applies to, count them in "
            "this process up to `local_share`, or let them through uncounted; both are counted in a metric"
        ),
    ] = "refuse"
    local_share: Annotated[
        Percent, Meta(description="percent of each limit that one gateway may use while the store is gone")
    ] = 25
    timeout: Annotated[Duration, Meta(description="a shared store that has not answered by then is gone")] = (
        "250ms"
    )
    reserve: Annotated[
        Literal["estimate", "worst"],
        Meta(
            description="what a call reserves before its use is known: `estimate` takes a token for four "
            "bytes, `worst` one for each byte, which no text exceeds"
        ),
    ] = "estimate"
    assume_output: Annotated[
        int, Meta(ge=0, le=10_000_000, description="output tokens reserved for a call that states no maximum")
    ] = 0
    refill_at_most: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000_000,
            description="records that a start reads to find what limits counted in process have spent; "
            "when more lie in their windows, the older are forgotten, which a metric says; 0 forgets all",
        ),
    ] = 2_000_000
    unpriced: Annotated[
        Literal["refuse", "allow"],
        Meta(description="a call under a limit of money whose model has no price in its currency"),
    ] = "refuse"
