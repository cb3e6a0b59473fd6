"""Forwarding: which of the candidates answers, how often each is tried, when the next one takes over."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import UpstreamError
from keepstone.gateway.call import Call
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.ports import UpstreamReply, UpstreamRequest
from keepstone.gateway.routing.hedge import race
from keepstone.gateway.routing.lane import Lane, Lanes
from keepstone.gateway.wire.eventstream import WireEvent
from keepstone.policy.rules import ModelRoute

AGAIN = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may be tried again: nothing was answered."""
OUR_FAULT = frozenset({401, 403})
"""Statuses about the gateway's own credentials: not the caller's business, so the next upstream is asked."""
THROTTLED = 429
CHARS_PER_TOKEN = 4
PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
"""A `Retry-After` beyond this is the caller's to wait for."""
OURS = frozenset({"upstream.request", "upstream.guardrail"})
"""Errors before anything was sent, about the request: they say nothing about the upstream."""

_BY_CODE = {
    "upstream.guardrail": ReasonCode.GUARDRAIL_UNKNOWN,
    "upstream.timeout": ReasonCode.UPSTREAM_TIMED_OUT,
    "upstream.malformed": ReasonCode.UPSTREAM_MALFORMED,
    "wire.malformed": ReasonCode.UPSTREAM_MALFORMED,
}
Check = Callable[[UpstreamReply], None]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why no upstream answered: the refusal, the last one's own status and wait, if it had them."""

    decision: Decision
    status: int | None = None
    retry_after_s: float | None = None
    again: bool = False


class Forwarder:
    """Sends calls to upstreams, and remembers how those fare."""

    def __init__(self, metrics: Metrics, now: Callable[[], int], check: Check) -> None:
        """`check` raises `UpstreamError` for a body that cannot be read, so that it fails over like none."""
        self._metrics = metrics
        self.now = now
        self._check = check
        self._lanes = Lanes()

    async def forward(self, call: Call, request: UpstreamRequest, now_ns: int) -> UpstreamReply | Failure:
        """Ask the call's candidates in order until one gives a usable answer.

        A stream may fail over until its first event is there; nothing has been released by then.
        """
        lanes = self._serving(call, request, now_ns)
        if isinstance(lanes, Failure):
            return lanes
        if len(lanes) == 1 and not lanes[0].wait_ns(now_ns):
            return await self._try(call, lanes[0], request, now_ns, alone=True)
        rules = lanes[0].route.rules
        if rules.hedge_after_s is not None and len(lanes) > 1:
            return await self._hedged(call, request, lanes, rules.hedge_after_s)
        return await self._in_order(call, request, lanes, now_ns)

    async def _in_order(
        self, call: Call, request: UpstreamRequest, lanes: list[Lane], now_ns: int
    ) -> UpstreamReply | Failure:
        failure: Failure | None = None
        last = len(lanes) - 1
        for position, lane in enumerate(lanes):
            if lane.wait_ns(now_ns):
                continue
            outcome = await self._try(call, lane, request, now_ns, alone=position == last)
            if isinstance(outcome, UpstreamReply):
                if failure is not None or position:
                    self._metrics.failovers.inc()
                return outcome
            failure, now_ns = outcome, self.now()
        return failure or _resting(lanes, now_ns)

    async def _hedged(
        self, call: Call, request: UpstreamRequest, lanes: list[Lane], after_s: float
    ) -> UpstreamReply | Failure:
        """Ask the first lane that may be asked, after a while a second one, then the others in order."""
        now = self.now()
        ready = [lane for lane in lanes if not lane.wait_ns(now)]
        if len(ready) < 2:
            return await self._in_order(call, request, lanes, now)
        first, second = ready[:2]
        asked: list[Lane] = [first]

        async def ask(lane: Lane) -> tuple[Lane, UpstreamReply | Failure]:
            return lane, await self._try(call, lane, request, self.now(), alone=len(ready) == 1)

        def hedge() -> Coroutine[Any, Any, tuple[Lane, UpstreamReply | Failure]] | None:
            moment = self.now()
            if second.wait_ns(moment) or not second.reach.retries.take(moment):
                self._metrics.withheld(second.name).inc()
                return None
            asked.append(second)
            return ask(second)

        try:
            lane, outcome = await race(ask(first), hedge, after_s, good=_answered, drop=_dropped)
        finally:
            if len(asked) > 1:
                self._note_hedge(call, request, first, second)
        if isinstance(outcome, UpstreamReply):
            _settle_on(call, lane, request)
            if len(asked) > 1:
                call.hedged = second.name if lane is first else first.name
                self._metrics.hedges("second" if lane is second else "first").inc()
            return outcome
        rest = [each for each in ready if each not in asked]
        return await self._in_order(call, request, rest, self.now()) if rest else outcome

    def _note_hedge(self, call: Call, request: UpstreamRequest, first: Lane, second: Lane) -> None:
        """Note that two were asked: what the loser has read is billed, and this estimate is all we know."""
        call.hedged = second.name if call.lane is first else first.name
        call.hedged_tokens = len(request.body) // CHARS_PER_TOKEN

    def _serving(self, call: Call, request: UpstreamRequest, now_ns: int) -> list[Lane] | Failure:
        """Return the lanes that serve the operation, those that are throttled last."""
        route = call.model
        assert route is not None  # noqa: S101 - admit refuses a model without a route
        found, throttled = [], False
        for name in call.candidates:
            lane = self.lane(call, route, name)
            if lane.upstream.supports(request.operation):
                found.append(lane)
                throttled = throttled or lane.throttled_until_ns > now_ns
        if route.rules.quotas is not None:
            found.sort(key=lambda lane: 0.0 if lane.usage is None else lane.usage.load(now_ns))
        if throttled and len(found) > 1:
            found.sort(key=lambda lane: max(0, lane.throttled_until_ns - now_ns))
        if call.trial is not None:
            trial = [self.lane(call, call.trial, name) for name in call.trial_candidates]
            found = [lane for lane in trial if lane.upstream.supports(request.operation)] + found
        return found or _unserved(call, request)

    def lane(self, call: Call, route: ModelRoute, name: str) -> Lane:
        """Return the lane of a model at an upstream."""
        active = call.active
        lane = active.lanes.get((route.id, name))
        if lane is None:
            lane = self._lanes.open(active.policy, route, active.upstreams[name])
            active.lanes[route.id, name] = lane
        return lane

    async def _try(
        self, call: Call, lane: Lane, request: UpstreamRequest, now_ns: int, *, alone: bool
    ) -> UpstreamReply | Failure:
        """Ask one upstream, again if that is safe and its retry budget allows it.

        A throttled upstream is asked again only when there is no other one left.
        """
        lane.begin(now_ns)
        if lane.usage is not None:
            lane.usage.begin(now_ns, len(request.body) // CHARS_PER_TOKEN)
        request = _settle_on(call, lane, request)
        left = lane.upstream.attempts
        while True:
            call.attempts += 1
            outcome = await self.attempt(lane, request)
            left -= 1
            if isinstance(outcome, UpstreamReply) or not outcome.again or not left:
                return outcome
            if outcome.status == THROTTLED and not alone:
                return outcome
            pause = random.uniform(0, PAUSE_S * 2 ** (lane.upstream.attempts - left))  # noqa: S311 - no secret
            if outcome.retry_after_s is not None:
                if outcome.retry_after_s > LONGEST_PAUSE_S:
                    return outcome
                pause = max(pause, outcome.retry_after_s)
            now = self.now()
            if lane.wait_ns(now) or not lane.reach.retries.take(now):
                self._metrics.withheld(lane.name).inc()
                return outcome
            self._metrics.retries(lane.name).inc()
            await asyncio.sleep(pause)

    async def attempt(self, lane: Lane, request: UpstreamRequest) -> UpstreamReply | Failure:
        """Ask once, and tell the lane how it went."""
        try:
            reply = await lane.upstream.send(request)
            if reply.status < 300:
                if reply.events is not None:
                    reply.events = await _begun(reply.events)
                else:
                    self._check(reply)
                lane.succeeded(self.now())
                return reply
        except UpstreamError as error:
            self._metrics.failures(lane.name, error.code).inc()
            if error.code not in OURS:
                lane.failed(self.now(), error.code)
            return _failed(lane.name, error)
        self._metrics.failures(lane.name, f"status_{reply.status}").inc()
        return self._judged(lane, reply)

    def _judged(self, lane: Lane, reply: UpstreamReply) -> UpstreamReply | Failure:
        """Return the upstream's refusal if it is about the request, else its failure; tell the lane."""
        status, now = reply.status, self.now()
        if status >= 400 and status not in AGAIN | OUR_FAULT:
            lane.succeeded(now)
            return reply
        wait = _retry_after(reply)
        if status == THROTTLED:
            lane.throttled(now, wait)
        else:
            lane.failed(now)
        return _refused(lane.name, reply, wait)


def _settle_on(call: Call, lane: Lane, request: UpstreamRequest) -> UpstreamRequest:
    """Note the lane as the call's, and return the request under the model's name there."""
    model_id = lane.route.upstream_id(lane.name, request.model_id)
    call.lane, call.upstream, call.upstream_model = lane, lane.name, model_id
    if model_id == request.model_id:
        return request
    return UpstreamRequest(request.operation, model_id, request.body, request.document, request.headers)


def _answered(outcome: tuple[Lane, UpstreamReply | Failure]) -> bool:
    return isinstance(outcome[1], UpstreamReply)


async def _dropped(outcome: tuple[Lane, UpstreamReply | Failure]) -> None:
    reply = outcome[1]
    if isinstance(reply, UpstreamReply) and reply.events is not None:
        await _close(reply.events)


def _unserved(call: Call, request: UpstreamRequest) -> Failure:
    if not call.candidates:
        message = f"model `{call.known_model}` has no upstream"
        return Failure(Decision.refuse(ReasonCode.NO_UPSTREAM, message))
    names = ", ".join(f"`{name}`" for name in call.candidates)
    message = f"no upstream of this model serves {request.operation.value}, asked were {names}"
    return Failure(Decision.refuse(ReasonCode.OPERATION_UNSUPPORTED_BY_UPSTREAM, message))


def _resting(lanes: list[Lane], now_ns: int) -> Failure:
    wait_s = min(lane.wait_ns(now_ns) for lane in lanes) / 1e9
    names = ", ".join(f"`{lane.name}`" for lane in lanes)
    message = f"left alone after too many failures: {names}; the first is tried again in {wait_s:.3g} s"
    return Failure(Decision.refuse(ReasonCode.UPSTREAM_RESTS, message), retry_after_s=wait_s)


def _retry_after(reply: UpstreamReply) -> float | None:
    """Return the seconds that the upstream asks to be left alone; a date is not understood."""
    stated = reply.headers.get("retry-after", "")
    return float(stated) if stated.isdigit() and len(stated) <= 6 else None


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
    decision = Decision.refuse(code, f"upstream `{name}`: {error.message}")
    return Failure(decision, again=error.retryable)


def _refused(name: str, reply: UpstreamReply, retry_after_s: float | None) -> Failure:
    status = reply.status
    if status in OUR_FAULT:
        message = f"upstream `{name}` does not accept the gateway's credentials"
        return Failure(Decision.refuse(ReasonCode.UPSTREAM_REFUSED, message), status)
    if status == THROTTLED:
        message = f"upstream `{name}` throttles calls"
        decision = Decision.refuse(ReasonCode.UPSTREAM_THROTTLED, message)
        return Failure(decision, status, retry_after_s, again=True)
    code = ReasonCode.UPSTREAM_UNAVAILABLE if status in AGAIN else ReasonCode.UPSTREAM_MALFORMED
    decision = Decision.refuse(code, f"upstream `{name}` answered with status {status}")
    return Failure(decision, status, retry_after_s, again=status in AGAIN)
