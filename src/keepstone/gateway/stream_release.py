"""A streamed answer on its way: scanned, released in pieces, recorded before its first and its last byte."""

import asyncio
import logging
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import KeepstoneError, LedgerError, RequestError, UpstreamError
from keepstone.gateway import answer
from keepstone.gateway.call import Call
from keepstone.gateway.charge import charge
from keepstone.gateway.intake import CallerLeftError, Receive
from keepstone.gateway.outgoing import Caller, Send
from keepstone.gateway.patience import Patience, Watch
from keepstone.gateway.ports import UpstreamReply
from keepstone.gateway.release import UNRECORDED, Release
from keepstone.gateway.streaming import GovernedStream
from keepstone.gateway.wire.eventstream import WireEvent
from keepstone.ledger.record import NOTHING_SEALED

Scope = MutableMapping[str, Any]
LOG = logging.getLogger("keepstone.gateway")


class StreamRelease:
    """Lets streams go, between two durable records each."""

    def __init__(self, release: Release, watch: Watch) -> None:
        self._release = release
        self._watch = watch
        self._metrics = release.metrics

    async def run(self, call: Call, reply: UpstreamReply, scope: Scope, receive: Receive, send: Send) -> None:
        """Release a stream scanned piece by piece, between two durable records."""
        assert reply.events is not None  # noqa: S101 - the caller has just looked
        stream = GovernedStream(call, answer.body_of(call), self._metrics)
        call.stage, call.status = "stream", 200
        if call.kept is not None:
            unkept = await self._release.keeper.keep(call, request=True, response=False)
            if unkept is not None:
                await _close(reply.events)
                call.kept = None
                await self._release.refuse(call, unkept, send)
                return
        try:
            await self._release.recorder.record(call, "opened", self._release.now())
            headers = answer.stream_headers(call, reply)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            with Caller(receive, send) as caller:
                last = await self._scanned(call, stream, reply.events, caller, self._patience(call, scope))
        except LedgerError:
            refusal = Decision.refuse(ReasonCode.LEDGER_UNAVAILABLE, UNRECORDED)
            await self._release.refuse(call, refusal, send)
            return
        finally:
            await _close(reply.events)
        await self._end(call, stream, last, send)

    async def _scanned(
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
                        call.first_ns = self._release.now()
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

    def _patience(self, call: Call, scope: Scope) -> Patience:
        assert call.model is not None  # noqa: S101 - admit refuses a model without a route
        now = self._release.now()
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
                call.lane.failed(self._release.now(), error.code)
        message = f"upstream `{call.upstream}` broke off the stream: {error.message}"
        if code in (ReasonCode.CALLER_LEFT, ReasonCode.DEADLINE_EXCEEDED, ReasonCode.INTERNAL):
            message = error.message
        decision = Decision.refuse(code, message)
        call.refuse(decision, "forward")
        return answer.body_of(call).failed(decision.reason)

    async def _end(self, call: Call, stream: GovernedStream, last: bytes, send: Send) -> None:
        now = self._release.now()
        stream.settle()
        call.upstream_ns = max(0, now - call.started_ns - stream.scan_ns)
        call.inspect_ns += stream.scan_ns
        call.answer_bytes = stream.released_bytes + len(last)
        if call.usage.total == 0:
            call.usage = answer.estimated_stream(call, stream.released_chars)
        charge(call)
        if call.kept is not None:
            call.sealed = NOTHING_SEALED
            unkept = await self._release.keeper.keep(call, request=False, response=True)
            if unkept is not None:
                call.refuse(unkept, "record")
                last = answer.body_of(call).failed(unkept.reason)
        try:
            await self._release.recorder.record(call, "closed", now)
        except LedgerError:
            refusal = Decision.refuse(
                ReasonCode.LEDGER_UNAVAILABLE, "the end of the stream cannot be recorded"
            )
            call.refuse(refusal, "record")
            last = answer.body_of(call).failed(refusal.reason)
        self._release.count(call)
        await send({"type": "http.response.body", "body": last})


async def _close(events: Any) -> None:
    close = getattr(events, "aclose", None)
    if close is not None:
        await close()
