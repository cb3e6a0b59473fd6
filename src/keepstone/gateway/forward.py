"""Forwarding: which of the candidates answers, how often each is tried, when the next one takes over."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import UpstreamError
from keepstone.gateway.call import Call
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.ports import Upstream, UpstreamReply, UpstreamRequest
from keepstone.gateway.wire.eventstream import WireEvent

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may be tried again: nothing was answered."""
OUR_FAULT = frozenset({401, 403})
"""Statuses about the gateway's own credentials: not the caller's business, so the next upstream is asked."""
PAUSE_S = 0.05

_BY_CODE = {
    "upstream.timeout": ReasonCode.UPSTREAM_TIMED_OUT,
    "upstream.malformed": ReasonCode.UPSTREAM_MALFORMED,
    "wire.malformed": ReasonCode.UPSTREAM_MALFORMED,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why no upstream answered: the refusal, and the last upstream's own status if it had one."""

    decision: Decision
    status: int | None = None


Check = Callable[[UpstreamReply], None]


async def forward(
    call: Call, request: UpstreamRequest, metrics: Metrics, check: Check
) -> UpstreamReply | Failure:
    """Ask the call's candidates in order until one gives a usable answer.

    `check` raises `UpstreamError` for a body that cannot be read, so that a broken answer fails over like a
    missing one. A stream may fail over until its first event is there; nothing has been released by then.
    """
    route = call.model
    assert route is not None  # noqa: S101 - admit refuses a model without a route
    failure = Failure(Decision.refuse(ReasonCode.NO_UPSTREAM, f"model `{route.id}` has no upstream"))
    for position, name in enumerate(call.candidates):
        upstream = call.active.upstreams[name]
        if not upstream.supports(request.operation):
            if not call.attempts:  # what another one failed with says more
                message = f"upstream `{name}` does not serve {request.operation.value} for this model"
                failure = Failure(Decision.refuse(ReasonCode.OPERATION_UNSUPPORTED_BY_UPSTREAM, message))
            continue
        model_id = route.upstream_id(name, request.model_id)
        addressed = request
        if model_id != request.model_id:
            addressed = UpstreamRequest(
                request.operation, model_id, request.body, request.document, request.headers
            )
        call.upstream, call.upstream_model = name, model_id
        outcome = await _try(call, upstream, addressed, metrics, check)
        if isinstance(outcome, UpstreamReply):
            if position:
                metrics.failovers.inc()
            return outcome
        failure = outcome
    return failure


async def _try(
    call: Call, upstream: Upstream, request: UpstreamRequest, metrics: Metrics, check: Check
) -> UpstreamReply | Failure:
    failure: Failure | None = None
    for attempt in range(upstream.attempts):
        if attempt:
            await asyncio.sleep(PAUSE_S * 2**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - a pause, no secret
        call.attempts += 1
        try:
            reply = await upstream.send(request)
            if reply.status < 300:
                if reply.events is not None:
                    reply.events = await _begun(reply.events)
                else:
                    check(reply)
                return reply
        except UpstreamError as error:
            metrics.failures(upstream.name, error.code).inc()
            failure = _failed(upstream.name, error)
            if not error.retryable:
                return failure
            continue
        metrics.failures(upstream.name, f"status_{reply.status}").inc()
        if reply.status >= 400 and reply.status not in AGAIN | OUR_FAULT:
            return reply
        failure = _refused(upstream.name, reply)
        if reply.status not in AGAIN:
            return failure
    assert failure is not None  # noqa: S101 - attempts is at least one
    return failure


class _Begun:
    """A stream whose first event is there already; closing it closes what it comes from."""

    def __init__(self, first: WireEvent, rest: AsyncIterator[WireEvent]) -> None:
        self._first: WireEvent | None = first
        self._rest = rest

    def __aiter__(self) -> "_Begun":
        return self

    async def __anext__(self) -> WireEvent:
        first, self._first = self._first, None
        return await anext(self._rest) if first is None else first

    async def aclose(self) -> None:
        """Give the stream up."""
        await _close(self._rest)


async def _begun(events: AsyncIterator[WireEvent]) -> AsyncIterator[WireEvent]:
    """Wait for the first event; an empty stream, or one that begins with an exception, is no answer."""
    try:
        first = await anext(events)
    except StopAsyncIteration as error:
        raise UpstreamError("upstream's stream ended before it began", code="upstream.malformed") from error
    if first.kind == "exception":
        await _close(events)
        message = f"upstream's stream began with `{first.type}`"
        raise UpstreamError(message, code="upstream.stream", retryable=True)
    return _Begun(first, events)


async def _close(events: AsyncIterator[WireEvent]) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


def _failed(name: str, error: UpstreamError) -> Failure:
    code = _BY_CODE.get(error.code, ReasonCode.UPSTREAM_UNAVAILABLE)
    return Failure(Decision.refuse(code, f"upstream `{name}`: {error.message}"))


def _refused(name: str, reply: UpstreamReply) -> Failure:
    if reply.status in OUR_FAULT:
        message = f"upstream `{name}` does not accept the gateway's credentials"
        return Failure(Decision.refuse(ReasonCode.UPSTREAM_REFUSED, message), reply.status)
    code = ReasonCode.UPSTREAM_UNAVAILABLE if reply.status in AGAIN else ReasonCode.UPSTREAM_MALFORMED
    message = f"upstream `{name}` answered with status {reply.status}"
    return Failure(Decision.refuse(code, message), reply.status)
