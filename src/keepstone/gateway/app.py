"""The gateway as an ASGI application: reads a call, sends it through the stages, records it, answers.

    identify -> admit -> [body] -> parse -> budget -> inspect -> route
             -> forward -> inspect -> record -> answer

One pass, no way back. Deciding is synchronous (`stages`); only reading, forwarding, recording and sending
wait, and all of that waiting is in this file, in `forward` and in `recorder`. An answer leaves after its
record is durable; when the record cannot be written, the answer does not leave.
"""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from keepstone.core.decision import Decision, Outcome, Reason, ReasonCode
from keepstone.core.errors import KeepstoneError, LedgerError, RequestError, StoreError, UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway import answer
from keepstone.gateway.active import Active
from keepstone.gateway.cache.answers import Kept
from keepstone.gateway.cache.cache import ResponseCache, recalled
from keepstone.gateway.call import Call, new_call
from keepstone.gateway.charge import charge, used
from keepstone.gateway.forward import CHARS_PER_TOKEN, Failure, Forwarder
from keepstone.gateway.identify.pending import Pending
from keepstone.gateway.identify.session_pages import PATH as SESSION_PATH
from keepstone.gateway.identify.session_pages import SessionPages
from keepstone.gateway.inspection import (
    apply_guardrail,
    forwarded_headers,
    inspect_answer,
    mask_text,
    restore_answer,
)
from keepstone.gateway.intake import WHOLE, CallerLeftError, Receive, read_body
from keepstone.gateway.keeping import Keeper
from keepstone.gateway.listing import visible
from keepstone.gateway.outgoing import Caller, Send
from keepstone.gateway.pages import Page, page, problem
from keepstone.gateway.patience import Patience, Watch
from keepstone.gateway.ports import UpstreamReply, UpstreamRequest
from keepstone.gateway.recorder import Recorder
from keepstone.gateway.routing.deadline import seconds_left
from keepstone.gateway.routing.lane import Lane, states
from keepstone.gateway.shadow import Shadows
from keepstone.gateway.stages import INSPECT, Stores, Way, begin, counted, decide
from keepstone.gateway.streaming import GovernedStream
from keepstone.gateway.telemetry.note import finish_reason
from keepstone.gateway.telemetry.port import Telemetry
from keepstone.gateway.trace_context import TRACEPARENT_NAME
from keepstone.gateway.transforms import transform_answer
from keepstone.gateway.trials import arm_of
from keepstone.gateway.wire import listings
from keepstone.gateway.wire.eventstream import WireEvent
from keepstone.gateway.wire.slots import decode_document, encode_document
from keepstone.gateway.wire.unserved import unserved
from keepstone.ledger.record import NOTHING_SEALED

Scope = MutableMapping[str, Any]
Scrape = Callable[[], Awaitable[bytes]]
"""Fetches the metrics of all workers; raises `TimeoutError` when they are not to be had."""

LARGE_BYTES = 256 * 1024
"""Text longer than this is inspected in a thread: others would have to wait."""
UNRECORDED = "the call cannot be recorded at the moment"
LOG = logging.getLogger("keepstone.gateway")


class Gateway:
    """Serves Bedrock Runtime's protocol; `active` is swapped as a whole when the policy is reloaded."""

    def __init__(self, active: Active, stores: Stores, recorder: Recorder, keeper: Keeper) -> None:
        self.active = active
        self.draining = False  # new calls are refused
        self.leaving = False  # new calls are served, but should go elsewhere
        self.scrape: Scrape | None = None
        self.telemetry: Telemetry | None = None
        self.sessions: SessionPages | None = None
        self._stores = stores
        self._recorder = recorder
        self.cache: ResponseCache | None = None
        self._keeper = keeper
        self._in_flight = 0
        self._metrics = stores.metrics
        self._now = stores.clock.monotonic_ns
        self._watch = Watch(self._now)
        self._forwarder = Forwarder(stores.metrics, self._now, _readable)
        self._shadows = Shadows(self._forwarder, recorder, stores.metrics)
        self._metrics.breakers.source = lambda: states(self.active.lanes.values())
        self._metrics.in_flight.set_function(lambda: self._in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if scope["type"] != "http":
            return
        sign_in = self.active.sign_in
        if sign_in is not None and self.sessions is not None and scope["path"].startswith(SESSION_PATH):
            await self.sessions(sign_in, scope, receive, send)
            return
        listed = None
        if scope["method"] == "GET":
            listed = listings.parse(scope["raw_path"] or b"", scope["query_string"], dict(scope["headers"]))
        if scope["method"] == "GET" and listed is None and not unserved("GET", scope["raw_path"] or b""):
            status, headers, body = await self._page(scope["path"])
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        call = new_call(self.active, dict(scope["headers"]))
        call.scope, call.listed = scope, listed
        if self.telemetry is not None:
            call.tracing = self.telemetry.begin(call.headers)
        self._in_flight += 1
        self._recorder.load = self._in_flight
        try:
            await self._serve(call, scope, receive, send)
        except CallerLeftError:
            message = "the caller left before its request was complete"
            await self._refuse(call, Decision.refuse(ReasonCode.CALLER_LEFT, message), send)
        except Exception:  # the outermost door: the caller gets an answer, the operator a trace
            LOG.exception("a call failed inside the gateway", extra={"request": call.id})
            await self._refuse(
                call, Decision.refuse(ReasonCode.INTERNAL, "the gateway failed to serve this call"), send
            )
        finally:
            self._in_flight -= 1
            self._recorder.load = self._in_flight
            self._settle(call)

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
        return "draining" if self.draining or self.leaving else self._recorder.failure

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
            await self._refuse(call, refusal, send)
        else:
            await self._serve_admitted(call, scope, receive, send)

    async def _serve_admitted(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        assert call.route is not None  # noqa: S101 - admit refuses a call without a route
        if call.listed is not None:
            await self._list(call, call.listed, send)
        elif call.route.operation is Operation.APPLY_GUARDRAIL:
            await self._apply_guardrail(call, send)
        else:
            await self._forward(call, scope, receive, send)

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
        bound = self.active.policy.gateway.max_in_flight
        if self._in_flight > bound:
            return Decision.refuse(ReasonCode.OVERLOADED, f"more than {bound} calls are being served")
        return None

    async def _forward(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        assert call.route is not None  # noqa: S101 - admit refuses a call without a route
        if self.cache is not None:
            found = await self.cache.find(call)
            if isinstance(found, Kept):
                await self._recall(call, self.cache, found, send)
                return
            call.asked = found
        call.stage = "forward"
        started = self._now()
        document = call.counted.wrapped() if call.counted else call.document
        request = UpstreamRequest(
            call.route.operation,
            call.route.model_id,
            encode_document(document),
            document,
            forwarded_headers(call),
        )
        if call.tracing is not None:
            call.forwarded_ns = started
            request = request.with_header(TRACEPARENT_NAME, call.tracing.outgoing)
        reply = await self._asked(call, request, scope, started)
        call.upstream_ns = self._now() - started
        if isinstance(reply, Failure):
            call.original_status = reply.status
            if reply.retry_after_s is not None:
                call.retry_after = math.ceil(reply.retry_after_s)
            await self._refuse(call, reply.decision, send)
        elif reply.status >= 400:
            await self._pass_error(call, reply, send)
        elif reply.events is not None:
            await self._stream(call, reply, scope, receive, send)
        else:
            if call.tracing is not None:
                call.finish = finish_reason(reply.document)
            await self._answer(call, reply, send)
        if call.model is not None and call.model.shadow is not None:
            self._shadows.consider(call, request, call.model.shadow)

    async def _recall(self, call: Call, cache: ResponseCache, kept: Kept, send: Send) -> None:
        """Answer with what an earlier call was answered."""
        call.stage = "recall"
        age = cache.age_s(kept)
        message = f"answered as call {kept.call_id} was, {age} s ago"
        call.notes.append(Reason(ReasonCode.ANSWERED_FROM_CACHE, message))
        document, body = recalled(kept), answer.body_of(call)
        if call.kept is not None:
            call.kept.request, call.kept.answer = encode_document(call.document), encode_document(document)
        restore_answer(call, body, document, self._metrics)
        headers = [*answer.headers(call, None), (b"x-keepstone-cache", b"hit"), (b"age", b"%d" % age)]
        await self._finish(call, 200, headers, body.write(document), send)

    async def _asked(
        self, call: Call, request: UpstreamRequest, scope: Scope, now: int
    ) -> UpstreamReply | Failure:
        """Ask the upstreams until one answers, the deadline is over, or the caller has left."""
        if call.kept is not None:
            call.kept.request = request.body
        assert call.model is not None  # noqa: S101 - admit refuses a model without a route
        allowed = call.model.rules.deadline_s
        try:
            left = seconds_left(call.headers, allowed, now - call.started_ns, call.wall_ns)
        except RequestError as error:
            return Failure(Decision.refuse(ReasonCode.REQUEST_MALFORMED, error.message))
        if left <= 0:
            message = "the call's deadline was over before an upstream could be asked"
            return Failure(Decision.refuse(ReasonCode.DEADLINE_EXCEEDED, message))
        patience = Patience(self._watch, scope, left, now)
        patience.start()
        try:
            return await self._forwarder.forward(call, request, now)
        except asyncio.CancelledError:
            refusal = patience.refusal()
            if refusal is None:
                raise
            self._metrics.cancelled(refusal.reason.code).inc()
            return Failure(refusal)
        finally:
            patience.stop()

    async def _answer(self, call: Call, reply: UpstreamReply, send: Send) -> None:
        """Inspect, record and release a whole answer."""
        document = reply.document
        body = answer.body_of(call)
        if call.counted is None:
            call.usage = body.usage(document, reply.headers) or answer.estimated(call, reply)
        started = self._now()
        call.stage = "inspect"
        try:
            if call.changes:
                transform_answer(call, document)
            if len(reply.body) <= LARGE_BYTES:
                refusal = inspect_answer(call, body, document, self._metrics)
            else:
                refusal = await asyncio.to_thread(inspect_answer, call, body, document, self._metrics)
            trace = answer.trace(call)
            if trace:
                body.add_trace(document, trace)
            if call.asked is not None and self.cache is not None and refusal is None:
                self.cache.keep(call, call.asked, document)
            if call.surrogates is not None and refusal is None:
                restore_answer(call, body, document, self._metrics)
            written = b"" if refusal else body.write(document)
        except RequestError as error:
            message = f"the answer of upstream `{call.upstream}` cannot be inspected: {error.message}"
            refusal, written = Decision.refuse(ReasonCode.UPSTREAM_MALFORMED, message), b""
        call.inspect_ns += self._now() - started
        if refusal is not None:
            await self._refuse(call, refusal, send)
            return
        await self._finish(call, 200, answer.headers(call, reply), written, send)

    async def _list(self, call: Call, asked: listings.Asked, send: Send) -> None:
        """Tell the caller which models it may use."""
        call.stage = "forward"
        try:
            body = listings.answer(asked, await visible(call))
        except UpstreamError as error:
            await self._refuse(call, Decision.refuse(ReasonCode.UPSTREAM_UNAVAILABLE, error.message), send)
        except RequestError as error:
            await self._refuse(call, Decision.refuse(ReasonCode.REQUEST_MALFORMED, error.message), send)
        else:
            if body is None:
                message = "there is no such model or profile, or the caller may not use it"
                await self._refuse(call, Decision.refuse(ReasonCode.MODEL_UNKNOWN, message), send)
                return
            await self._finish(call, 200, answer.headers(call, None), body, send)

    async def _apply_guardrail(self, call: Call, send: Send) -> None:
        call.stage = "inspect"
        try:
            document = apply_guardrail(call, self._metrics)
        except RequestError as error:
            await self._refuse(call, Decision.refuse(ReasonCode.REQUEST_MALFORMED, error.message), send)
            return
        await self._finish(call, 200, answer.headers(call, None), encode_document(document), send)

    async def _pass_error(self, call: Call, reply: UpstreamReply, send: Send) -> None:
        """Give the caller the upstream's own refusal: the request was wrong for the model, not for us."""
        message = mask_text(call, answer.error_message(reply.body))
        decision = Decision.refuse(
            ReasonCode.UPSTREAM_REFUSED, f"upstream `{call.upstream}` refused the request"
        )
        call.refuse(decision, "forward")
        status, headers, body = answer.upstream_error(call, reply, message)
        await self._finish(call, status, headers, body, send)

    async def _refuse(self, call: Call, decision: Decision, send: Send) -> None:
        """Record a refusal and answer with it: as a guardrail's intervention, or as an exception."""
        call.refuse(decision, call.stage)
        if call.kept is not None:
            call.kept.answer = b""  # the caller does not get it
        status, headers, body = answer.refusal(call, decision)
        await self._finish(call, status, headers, body, send)

    async def _finish(self, call: Call, status: int, headers: Any, body: bytes, send: Send) -> None:
        """Make the record durable, then release the answer."""
        if call.kept is not None:
            unkept = await self._keeper.keep(call, request=call.sealed is NOTHING_SEALED, response=True)
            if unkept is not None:
                call.refuse(unkept, "record")
                status, headers, body = answer.refusal(call, unkept)
        call.status, call.answer = status, body
        if call.usage.total:
            charge(call)
        now = self._now()
        try:
            await self._recorder.record(call, "exchange", now)
        except LedgerError as error:
            LOG.error("%s", error.message, extra={"request": call.id})  # noqa: TRY400 - the cause is in the message
            refusal = Decision.refuse(ReasonCode.LEDGER_UNAVAILABLE, UNRECORDED)
            call.refuse(refusal, "record")
            status, headers, body = answer.refusal(call, refusal)
        self._count(call)
        if status == 200:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    # --- streams

    async def _stream(
        self, call: Call, reply: UpstreamReply, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Release a stream scanned piece by piece, between two durable records."""
        assert reply.events is not None  # noqa: S101 - the caller has just looked
        stream = GovernedStream(call, answer.body_of(call), self._metrics)
        call.stage, call.status = "stream", 200
        if call.kept is not None:
            unkept = await self._keeper.keep(call, request=True, response=False)
            if unkept is not None:
                await _close(reply.events)
                call.kept = None
                await self._refuse(call, unkept, send)
                return
        try:
            await self._recorder.record(call, "opened", self._now())
            headers = answer.stream_headers(call, reply)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            with Caller(receive, send) as caller:
                last = await self._release(
                    call, stream, reply.events, caller, self._stream_patience(call, scope)
                )
        except LedgerError:
            refusal = Decision.refuse(ReasonCode.LEDGER_UNAVAILABLE, UNRECORDED)
            await self._refuse(call, refusal, send)
            return
        finally:
            await _close(reply.events)
        await self._end_stream(call, stream, last, send)

    async def _release(
        self,
        call: Call,
        stream: GovernedStream,
        events: AsyncIterator[WireEvent],
        caller: Caller,
        patience: Patience,
    ) -> bytes:
        """Release what was scanned, as it comes; return the last frames, which wait for the record."""
        patience.start()
        try:
            async for event in events:
                frames = stream.feed(event)
                if frames:
                    if call.tracing is not None and not call.first_ns:
                        call.first_ns = self._now()
                    await caller.send(frames)
                if stream.over:
                    break
                caller.check()
            return stream.finish()
        except asyncio.CancelledError:
            refusal = patience.refusal()
            if refusal is None:
                raise
            self._metrics.cancelled(refusal.reason.code).inc()
            return self._broken(call, KeepstoneError(refusal.reason.message), refusal.reason.code)
        except CallerLeftError as error:
            return self._broken(call, error, ReasonCode.CALLER_LEFT)
        except (UpstreamError, RequestError) as error:
            return self._broken(call, error)
        except Exception:  # the head has left already, so the outermost door cannot answer any more
            LOG.exception("a stream failed inside the gateway", extra={"request": call.id})
            failed = KeepstoneError("the gateway failed to go on with this stream")
            return self._broken(call, failed, ReasonCode.INTERNAL)
        finally:
            patience.stop()

    def _stream_patience(self, call: Call, scope: Scope) -> Patience:
        assert call.model is not None  # noqa: S101 - admit refuses a model without a route
        now = self._now()
        seconds = call.model.rules.stream_deadline_s - (now - call.started_ns) / 1e9
        return Patience(self._watch, scope, seconds, now)

    def _broken(
        self, call: Call, error: KeepstoneError, code: ReasonCode = ReasonCode.UPSTREAM_MALFORMED
    ) -> bytes:
        """Return the exception that ends a stream which cannot go on."""
        if error.code == "upstream.timeout":
            code = ReasonCode.UPSTREAM_TIMED_OUT
        if code in (ReasonCode.UPSTREAM_MALFORMED, ReasonCode.UPSTREAM_TIMED_OUT):
            self._metrics.failures(call.upstream, error.code).inc()
            if call.lane is not None:
                call.lane.failed(self._now(), error.code)
        message = f"upstream `{call.upstream}` broke off the stream: {error.message}"
        if code in (ReasonCode.CALLER_LEFT, ReasonCode.DEADLINE_EXCEEDED, ReasonCode.INTERNAL):
            message = error.message
        decision = Decision.refuse(code, message)
        call.refuse(decision, "forward")
        return answer.body_of(call).failed(decision.reason)

    async def _end_stream(self, call: Call, stream: GovernedStream, last: bytes, send: Send) -> None:
        now = self._now()
        stream.settle()
        call.upstream_ns = max(0, now - call.started_ns - stream.scan_ns)
        call.inspect_ns += stream.scan_ns
        call.answer_bytes = stream.released_bytes + len(last)
        if call.usage.total == 0:
            call.usage = answer.estimated_stream(call, stream.released_chars)
        charge(call)
        if call.kept is not None:
            call.sealed = NOTHING_SEALED
            unkept = await self._keeper.keep(call, request=False, response=True)
            if unkept is not None:
                call.refuse(unkept, "record")
                last = answer.body_of(call).failed(unkept.reason)
        try:
            await self._recorder.record(call, "closed", now)
        except LedgerError:
            refusal = Decision.refuse(
                ReasonCode.LEDGER_UNAVAILABLE, "the end of the stream cannot be recorded"
            )
            call.refuse(refusal, "record")
            last = answer.body_of(call).failed(refusal.reason)
        self._count(call)
        await send({"type": "http.response.body", "body": last})

    # --- around it

    def _settle(self, call: Call) -> None:
        if call.reservation is not None:
            if self._stores.shared is None:
                self._stores.budget.settle(call.reservation, used(call), self._now())
            else:
                self._stores.shared.settle(call.reservation, used(call))

    def _fare(self, call: Call, lane: Lane, outcome: str, elapsed_ns: int) -> None:
        """Note what a call used at an upstream with quotas, and how the arm of a trial fares."""
        if lane.usage is not None and call.usage.total:
            lane.usage.settle(self._now(), call.usage.total - len(call.body) // CHARS_PER_TOKEN)
        arm = arm_of(call)
        if arm:
            self._metrics.trials(call.known_model, arm, outcome).inc()
            self._metrics.trial_seconds(call.known_model, arm).inc(elapsed_ns / 1e9)
            self._metrics.trial_tokens(call.known_model, arm, "input").inc(call.usage.input)
            self._metrics.trial_tokens(call.known_model, arm, "output").inc(call.usage.output)

    def _count(self, call: Call) -> None:
        decision = call.decision
        labels = (
            call.route.operation if call.route else "",
            call.known_model,
            decision.outcome if decision else Outcome.REFUSE,
            decision.reason.code if decision else "",
        )
        elapsed = self._now() - call.started_ns
        self._metrics.answers.add(labels, elapsed / 1e9, (elapsed - call.upstream_ns) / 1e9)
        if call.lane is not None and (call.lane.usage is not None or arm_of(call)):
            self._fare(call, call.lane, labels[2], elapsed)
        if call.usage.total:
            self._metrics.answers.add_tokens(call.known_model, "input", call.usage.input)
            self._metrics.answers.add_tokens(call.known_model, "output", call.usage.output)
            if call.currency:
                self._metrics.answers.add_cost(call.known_model, call.currency, call.cost)
        if self.telemetry is not None and call.tracing is not None:
            self.telemetry.end(call, call.tracing, elapsed)


async def _close(events: Any) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()


def _readable(reply: UpstreamReply) -> None:
    try:
        reply.document = decode_document(reply.body)
    except KeepstoneError as error:
        raise UpstreamError("upstream's answer is not a JSON object", code="upstream.malformed") from error
