"""How much may be used in a span of time."""

from typing import Annotated, Literal

from msgspec import Meta

from keepstone.policy.schema.words import Closed, Duration, ModelGlob, Name


class Limit(Closed, frozen=True, kw_only=True):
    """At most so many requests or tokens in a sliding window, counted apart for each holder of the scope."""

    name: Name
    scope: Annotated[
        Literal["principal", "role", "model", "organisation"],
        Meta(description="each of these has a window of its own"),
    ] = "principal"
    roles: Annotated[tuple[str, ...], Meta(description="counts only callers with one of these roles")] = (
        "*",
    )
    models: Annotated[tuple[ModelGlob, ...], Meta(description="counts only calls of these models")] = ("*",)
    window: Duration = "1m"
    requests: Annotated[int, Meta(ge=1)] | None = None
    tokens: Annotated[int, Meta(ge=1)] | None = None
