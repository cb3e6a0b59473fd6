"""What is done with an admitted call: a model is asked, a list is told, a guardrail is applied."""

import asyncio
import math
from collections.abc import MutableMapping
from typing import Any

from keepstone.core.decision import Decision, Reason, ReasonCode
from keepstone.core.errors import KeepstoneError, RequestError, UpstreamError
from keepstone.gateway import answer
from keepstone.gateway.cache.answers import Kept
from keepstone.gateway.cache.cache import ResponseCache, recalled
from keepstone.gateway.call import Call
from keepstone.gateway.forward import Failure, Forwarder
from keepstone.gateway.inspection import (
    apply_guardrail,
    forwarded_headers,
    inspect_answer,
    passed_on,
    restore_answer,
)
from keepstone.gateway.intake import Receive
from keepstone.gateway.listing import visible
from keepstone.gateway.outgoing import Send
from keepstone.gateway.patience import Patience, Watch
from keepstone.gateway.ports import UpstreamReply, UpstreamRequest
from keepstone.gateway.release import Release
from keepstone.gateway.routing.deadline import seconds_left
from keepstone.gateway.shadow import Shadows
from keepstone.gateway.stream_release import StreamRelease
from keepstone.gateway.telemetry.note import finish_reason
from keepstone.gateway.trace_context import TRACEPARENT_NAME
from keepstone.gateway.transforms import transform_answer
from keepstone.gateway.wire import listings
from keepstone.gateway.wire.slots import decode_document, encode_document

Scope = MutableMapping[str, Any]

LARGE_BYTES = 64 * 1024
"""Text longer than this is inspected in a thread: others would have to wait."""


class Exchange:
    """Serves admitted calls; `cache` is there when the policy asks for one."""

    def __init__(self, release: Release) -> None:
        self.cache: ResponseCache | None = None
        self._release = release
        self._metrics = release.metrics
        self._now = release.now
        self._watch = Watch(release.now)
        self._streams = StreamRelease(release, self._watch)
        self._forwarder = Forwarder(release.metrics, release.now, _readable)
        self._shadows = Shadows(self._forwarder, release.recorder, release.metrics)

    async def forward(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a model call: from memory, or by asking the model."""
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
            await self._release.refuse(call, reply.decision, send)
        elif reply.status >= 400:
            await self._pass_error(call, reply, send)
        elif reply.events is not None:
            await self._streams.run(call, reply, scope, receive, send)
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
        await self._release.finish(call, 200, headers, body.write(document), send)

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
            await self._release.refuse(call, refusal, send)
            return
        await self._release.finish(call, 200, answer.headers(call, reply), written, send)

    async def list(self, call: Call, asked: listings.Asked, send: Send) -> None:
        """Tell the caller which models it may use."""
        call.stage = "forward"
        try:
            body = listings.answer(asked, await visible(call))
        except UpstreamError as error:
            await self._release.refuse(
                call, Decision.refuse(ReasonCode.UPSTREAM_UNAVAILABLE, error.message), send
            )
        except RequestError as error:
            await self._release.refuse(
                call, Decision.refuse(ReasonCode.REQUEST_MALFORMED, error.message), send
            )
        else:
            if body is None:
                message = "there is no such model or profile, or the caller may not use it"
                await self._release.refuse(call, Decision.refuse(ReasonCode.MODEL_UNKNOWN, message), send)
                return
            await self._release.finish(call, 200, answer.headers(call, None), body, send)

    async def apply_guardrail(self, call: Call, send: Send) -> None:
        """Answer ApplyGuardrail."""
        call.stage = "inspect"
        try:
            document = apply_guardrail(call, self._metrics)
        except RequestError as error:
            await self._release.refuse(
                call, Decision.refuse(ReasonCode.REQUEST_MALFORMED, error.message), send
            )
            return
        await self._release.finish(call, 200, answer.headers(call, None), encode_document(document), send)

    async def _pass_error(self, call: Call, reply: UpstreamReply, send: Send) -> None:
        """Give the caller the upstream's own refusal: the request was wrong for the model, not for us."""
        message = passed_on(call, answer.error_message(reply.body), self._metrics)
        decision = Decision.refuse(
            ReasonCode.UPSTREAM_REFUSED, f"upstream `{call.upstream}` refused the request"
        )
        call.refuse(decision, "forward")
        status, headers, body = answer.upstream_error(call, reply, message)
        await self._release.finish(call, status, headers, body, send)


def _readable(reply: UpstreamReply) -> None:
    try:
        reply.document = decode_document(reply.body)
    except KeepstoneError as error:
        raise UpstreamError("upstream's answer is not a JSON object", code="upstream.malformed") from error
