"""What the gateway needs from outside: an upstream that answers, a recorder that remembers."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from keepstone.core.exchange import Operation
from keepstone.gateway.rates.lines import Demand, LimitAlert, Reservation, Spent
from keepstone.gateway.wire.eventstream import WireEvent
from keepstone.policy.compile import RateBounds
from keepstone.policy.limits import Amounts


class UpstreamRequest(Struct, frozen=True):
    """One inspected call, ready to leave.

    `body` is the encoded `document`: what was inspected is what is sent. `headers` are the caller's
    `x-amzn-bedrock-*` headers, lower-case names.
    """

    operation: Operation
    model_id: str
    body: bytes
    document: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...] = ()

    def with_header(self, name: str, value: str) -> "UpstreamRequest":
        """Return the same call with one more header."""
        headers = (*self.headers, (name, value))
        return UpstreamRequest(self.operation, self.model_id, self.body, self.document, headers)


class UpstreamReply(Struct):
    """An answer in Bedrock's shape: either a whole `body`, or `events` that arrive.

    A `status` of 400 or more is the upstream's refusal, with `error_type` as Bedrock names it. `document` is
    the decoded `body`, once it has been looked at.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    events: AsyncIterator[WireEvent] | None = None
    error_type: str = ""
    document: dict[str, Any] = field(default_factory=dict)


class Offer(Struct, frozen=True):
    """What a control plane lists: summaries of models and of inference profiles, as AWS shapes them."""

    models: tuple[dict[str, Any], ...] = ()
    profiles: tuple[dict[str, Any], ...] = ()


class Offers(Protocol):
    """A control plane that tells what an upstream offers."""

    async def offered(self) -> Offer:
        """Return what there is; raise `UpstreamError` when it cannot be asked."""
        ...


class Upstream(Protocol):
    """A server that answers model calls."""

    name: str
    attempts: int

    def supports(self, operation: Operation) -> bool:
        """Say whether this upstream can serve the operation at all."""
        ...

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Forward one call; raise `UpstreamError`, with `retryable` set if another attempt is safe."""
        ...

    async def close(self) -> None:
        """Close pooled connections."""
        ...


class SharedRates(Protocol):
    """A store that counts for several gateways; asking it takes a wait."""

    async def take(self, demand: Demand, rates: RateBounds) -> Reservation | Spent:
        """Take all that a call demands, or nothing; do what `rates` names when the store is gone."""
        ...

    def settle(self, reservation: Reservation, used: Amounts) -> None:
        """Replace what was reserved by what was used, without waiting for it."""
        ...

    async def close(self) -> None:
        """Give up the connection."""
        ...


class AlertSink(Protocol):
    """Somebody who is told when a limit reaches a threshold."""

    def reached(self, alerts: Sequence[LimitAlert], policy: str) -> None:
        """Take alerts that a call has raised under the policy of that hash; must not wait."""
        ...
