"""The gateway as an ASGI application: reads a call, sends it through the stages, records it, answers.

    identify -> admit -> [body] -> parse -> budget -> inspect -> route
             -> forward -> inspect -> record -> answer

One pass, no way back. Deciding is synchronous (`stages`); only reading, forwarding, recording and sending
wait: in this file up to the decision, in `exchange` and `forward` for the upstream, in `release` and
`stream_release` for the record.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import StoreError
from keepstone.core.exchange import Operation
from keepstone.gateway import answer
from keepstone.gateway.active import Active
from keepstone.gateway.cache.cache import ResponseCache
from keepstone.gateway.call import Call, new_call
from keepstone.gateway.exchange import LARGE_BYTES, Exchange
from keepstone.gateway.identify.pending import Pending
from keepstone.gateway.identify.session_pages import PATH as SESSION_PATH
from keepstone.gateway.identify.session_pages import SessionPages
from keepstone.gateway.intake import WHOLE, CallerLeftError, Receive, read_body
from keepstone.gateway.keeping import Keeper
from keepstone.gateway.outgoing import Send
from keepstone.gateway.pages import Page, failed_page, page, problem
from keepstone.gateway.recorder import Recorder
from keepstone.gateway.release import Release
from keepstone.gateway.routing.lane import states
from keepstone.gateway.stages import INSPECT, Stores, Way, begin, counted, decide
from keepstone.gateway.telemetry.port import Telemetry
from keepstone.gateway.wire import listings
from keepstone.gateway.wire.unserved import unserved

Scope = MutableMapping[str, Any]
Beside = Callable[[Scope, Receive, Send], Awaitable[None]]
Scrape = Callable[[], Awaitable[bytes]]
"""Fetches the metrics of all workers; raises `TimeoutError` when they are not to be had."""

LOG = logging.getLogger("keepstone.gateway")


class Gateway:
    """Serves Bedrock Runtime's protocol; `active` is swapped as a whole when the policy is reloaded."""

    def __init__(self, active: Active, stores: Stores, recorder: Recorder, keeper: Keeper) -> None:
        self.active = active
        self.draining = False  # new calls are refused
        self.leaving = False  # new calls are served, but should go elsewhere
        self.uncopied = ""  # why new calls are refused until the ledger's copy has caught up
        self.scrape: Scrape | None = None
        self.sessions: SessionPages | None = None
        self._stores = stores
        self._recorder = recorder
        self._in_flight = 0
        self._metrics = stores.metrics
        self._release = Release(stores, recorder, keeper)
        self._exchange = Exchange(self._release)
        self._metrics.breakers.source = lambda: states(self.active.lanes.values())
        self._metrics.in_flight.set_function(lambda: self._in_flight)

    @property
    def cache(self) -> ResponseCache | None:
        """The answers that are kept for questions that come again, if the policy asks for that."""
        return self._exchange.cache

    @cache.setter
    def cache(self, cache: ResponseCache | None) -> None:
        self._exchange.cache = cache

    @property
    def telemetry(self) -> Telemetry | None:
        """What follows calls for an OpenTelemetry collector, if there is one."""
        return self._release.telemetry

    @telemetry.setter
    def telemetry(self, telemetry: Telemetry | None) -> None:
        self._release.telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        if scope["method"] == "GET" or scope["path"].startswith(SESSION_PATH):
            beside, listed = self._beside_calls(scope)
            if beside is not None:
                await self._show(beside, scope, receive, send)
                return
        else:
            listed = None
        call = new_call(self.active, dict(scope["headers"]))
        call.scope, call.listed = scope, listed
        telemetry = self._release.telemetry
        if telemetry is not None:
            call.tracing = telemetry.begin(call.headers)
        self._in_flight += 1
        self._recorder.load = self._in_flight
        try:
            await self._serve(call, scope, receive, send)
        except CallerLeftError:
            message = "the caller left before its request was complete"
            await self._release.refuse(call, Decision.refuse(ReasonCode.CALLER_LEFT, message), send)
        except Exception:  # the outermost door: the caller gets an answer, the operator a trace
            LOG.exception("a call failed inside the gateway", extra={"request": call.id})
            await self._fail(call, send)
        finally:
            self._in_flight -= 1
            self._recorder.load = self._in_flight
            self._release.settle(call)

    async def _fail(self, call: Call, send: Send) -> None:
        """Answer a call that failed, even when that fails as well; it is then in the log only."""
        refusal = Decision.refuse(ReasonCode.INTERNAL, "the gateway failed to serve this call")
        try:
            await self._release.refuse(call, refusal, send)
        except Exception:  # without a record nothing of the call is told, only that it failed
            LOG.exception("a failed call could not be recorded", extra={"request": call.id})
            self._metrics.page_failures.inc()
            await _send_whole(answer.refusal(call, refusal), send)

    def _beside_calls(self, scope: Scope) -> tuple[Beside | None, listings.Asked | None]:
        """Return what serves a request that is no call, or else the list that a call asks for, if it does."""
        sign_in = self.active.sign_in
        if sign_in is not None and self.sessions is not None and scope["path"].startswith(SESSION_PATH):
            return partial(self.sessions, sign_in), None
        if scope["method"] != "GET":
            return None, None
        raw_path = scope["raw_path"] or b""
        listed = listings.parse(raw_path, scope["query_string"], dict(scope["headers"]))
        return (None if listed or unserved("GET", raw_path) else self._send_page), listed

    async def _show(self, beside: Beside, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is no call; whatever fails, the caller gets an answer and the operator a trace."""
        begun = False

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await beside(scope, receive, sending)
        except Exception:  # the outermost door of pages
            LOG.exception("a page failed inside the gateway")
            self._metrics.page_failures.inc()
            if not begun:
                await _send_whole(failed_page(), send)

    async def _send_page(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await _send_whole(await self._page(scope["path"]), send)

    async def _page(self, path: str) -> Page:
        """Return a page; the metrics are those of all workers where there are several."""
        text = b""
        if self.scrape is not None and path == "/metrics":
            try:
                text = await self.scrape()
            except TimeoutError:
                return problem(b"the other workers' metrics are not to be had at the moment\n")
        return page(path, self._metrics, unready=self._unready(), text=text)

    def _unready(self) -> str:
        """Return why no call should come here at the moment, empty when all is well."""
        return "draining" if self.draining or self.leaving else self._recorder.failure or self.uncopied

    @property
    def in_flight(self) -> int:
        """Return how many calls are being served."""
        return self._in_flight

    # --- the way through

    async def _serve(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        way = begin(call, scope["method"], scope["raw_path"] or b"")
        refusal = self._overload()
        if refusal is None:
            refusal = self._decide(call, way.before_body)
            if call.pending is not None:
                refusal = await self._decide_again(call, call.pending, way, receive)
        if refusal is None and not call.body_read:
            refusal = await read_body(call, receive, whole=WHOLE in scope)
        if refusal is None:
            refusal = self._decide(call, way.after_body)
        if refusal is None and call.demand is not None:
            refusal = await self._take(call)
        if refusal is None and call.listed is None:
            if len(call.body) <= LARGE_BYTES:
                refusal = self._decide(call, INSPECT)
            else:
                refusal = await asyncio.to_thread(self._decide, call, INSPECT)
        if refusal is not None:
            await self._release.refuse(call, refusal, send)
        else:
            await self._answered(call, scope, receive, send)

    def _answered(self, call: Call, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return what answers an admitted call."""
        assert call.route is not None  # noqa: S101 - admit refuses a call without a route
        if call.listed is not None:
            return self._exchange.list(call, call.listed, send)
        if call.route.operation is Operation.APPLY_GUARDRAIL:
            return self._exchange.apply_guardrail(call, send)
        return self._exchange.forward(call, scope, receive, send)

    async def _take(self, call: Call) -> Decision | None:
        """Count the call in the store that gateways share."""
        assert call.demand is not None  # noqa: S101 - the caller has just looked
        assert self._stores.shared is not None  # noqa: S101 - only with one is there a demand
        taken = await self._stores.shared.take(call.demand, call.active.policy.rates)
        refusal = counted(call, taken, self._stores)
        if refusal is not None:
            call.decision = refusal
        return refusal

    def _decide(self, call: Call, pipeline: Any) -> Decision | None:
        try:
            return decide(call, self._stores, pipeline)
        except StoreError as error:
            LOG.error("%s", error.message)  # noqa: TRY400 - the cause is in the message
            return Decision.refuse(ReasonCode.OVERLOADED, "keys cannot be looked up at the moment")

    async def _decide_again(
        self, call: Call, missing: Pending, way: Way, receive: Receive
    ) -> Decision | None:
        """Wait for what was missing to know the caller, then decide from the start; once."""
        if missing.source is not None:
            await missing.source.refetch()
        else:
            refusal = await read_body(call, receive, whole=WHOLE in call.scope)
            if refusal is not None:
                return refusal
            call.body_read = True
        return self._decide(call, way.before_body)

    def _overload(self) -> Decision | None:
        if self.draining:
            return Decision.refuse(ReasonCode.SHUTTING_DOWN, "the gateway is shutting down")
        if self.uncopied:
            return Decision.refuse(ReasonCode.LEDGER_UNCOPIED, self.uncopied)
        bound = self.active.policy.gateway.max_in_flight
        if self._in_flight > bound:
            return Decision.refuse(ReasonCode.OVERLOADED, f"more than {bound} calls are being served")
        return None


async def _send_whole(shown: Page, send: Send) -> None:
    status, headers, body = shown
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
