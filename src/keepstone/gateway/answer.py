"""What leaves the gateway: headers, blocked answers, passed-on errors, a guardrail's trace, token counts."""

from typing import Any

import msgspec

from keepstone.core.decision import Decision, Reason, ReasonCode
from keepstone.core.exchange import Operation, TokenUsage
from keepstone.gateway.bodies import Body, StreamState, body_for
from keepstone.gateway.call import Call
from keepstone.gateway.ports import UpstreamReply
from keepstone.gateway.wire.errors import ERRORS, render
from keepstone.guard.apply import guardrail_trace
from keepstone.guard.guardrail import Direction

Headers = list[tuple[bytes, bytes]]

CHARS_PER_TOKEN = 4
KEPT = (
    "x-amzn-bedrock-input-token-count",
    "x-amzn-bedrock-output-token-count",
    "x-amzn-bedrock-invocation-latency",
    "x-amzn-bedrock-cache-read-input-token-count",
    "x-amzn-bedrock-cache-write-input-token-count",
    "x-amzn-bedrock-performanceconfig-latency",
    "x-amzn-bedrock-service-tier",
)
_KEPT = frozenset(KEPT)
JSON = b"application/json"
_BLOCKING = frozenset({ReasonCode.INPUT_BLOCKED, ReasonCode.OUTPUT_BLOCKED})


def headers(call: Call, reply: UpstreamReply | None, content_type: bytes = JSON) -> Headers:
    """Return the headers of an answer; its length is added by whoever knows it."""
    found = [
        (b"content-type", content_type),
        (b"x-amzn-requestid", call.id.encode()),
        (b"x-keepstone-outcome", call.decision.outcome.encode() if call.decision else b""),
    ]
    if call.dialect is not None:
        found.append((call.dialect.request_id, call.id.encode()))
    if reply is not None and not _KEPT.isdisjoint(reply.headers):
        found += [
            (name.encode(), reply.headers[name].encode("latin-1")) for name in KEPT if name in reply.headers
        ]
    return found


def stream_headers(call: Call, reply: UpstreamReply) -> Headers:
    """Return the headers of an event stream; InvokeModel's names the type of what its chunks hold."""
    found = headers(call, reply, body_of(call).stream_type)
    assert call.route is not None  # noqa: S101 - admit refuses a call without a route
    if call.route.operation is Operation.INVOKE_MODEL_STREAM:
        found.append((b"x-amzn-bedrock-content-type", JSON))
    return found


def body_of(call: Call) -> Body:
    """Return how the answer of a call is read and written: as Bedrock does, or in the caller's dialect."""
    if call.spoken is not None:
        return call.spoken
    assert call.route is not None  # noqa: S101 - admit refuses a call without a route
    return body_for(call.route.operation, call.route.model_id)


def refusal(call: Call, decision: Decision) -> tuple[int, Headers, bytes]:
    """Return the answer of a refused call: a guardrail's words with status 200, or an error."""
    if decision.reason.code in _BLOCKING and call.route is not None and body_of(call).answers_in_text:
        return _blocked(call, decision)
    status, found, body = render(
        decision.reason,
        call.id,
        retry_after=call.retry_after,
        original_status=call.original_status,
        resource=call.known_model,
    )
    if call.dialect is None:
        return status, found, body
    status, body = call.dialect.error(decision.reason, status, call.id)
    return status, [*_without_length(found), *_sized(call, body)], body


def _without_length(found: Headers) -> Headers:
    return [each for each in found if each[0] not in (b"content-length", b"x-amzn-errortype")]


def _sized(call: Call, body: bytes) -> Headers:
    assert call.dialect is not None  # noqa: S101 - the caller has just looked
    return [(call.dialect.request_id, call.id.encode()), (b"content-length", b"%d" % len(body))]


def _blocked(call: Call, decision: Decision) -> tuple[int, Headers, bytes]:
    """Return the answer of an intervening guardrail, whole or as a stream, as Bedrock gives it."""
    assert call.route is not None  # noqa: S101 - `refusal` has looked
    body = body_of(call)
    guardrail = call.blocker or call.guardrails[0]
    is_input = decision.reason.code is ReasonCode.INPUT_BLOCKED
    message = guardrail.messages.input if is_input else guardrail.messages.output
    found = trace(call)
    reason = (b"x-keepstone-reason", decision.reason.code.value.encode())
    if call.route.operation.streams:
        frames = body.blocked_frames(message, call.usage, found, StreamState()) + body.last()
        return 200, [*stream_headers(call, UpstreamReply(200)), reason], frames
    return 200, [*headers(call, None), reason], body.write(body.blocked(message, call.usage, found))


def trace(call: Call) -> dict[str, Any]:
    """Return `trace.guardrail` as Bedrock shapes it, empty unless the caller asked for a trace."""
    inputs = [(name, each) for direction, name, each in call.assessments if direction is Direction.INPUT]
    outputs = [(name, each) for direction, name, each in call.assessments if direction is Direction.OUTPUT]
    return guardrail_trace(inputs, outputs)


def upstream_error(call: Call, reply: UpstreamReply, message: str) -> tuple[int, Headers, bytes]:
    """Return the upstream's own refusal under its own name, or as `ValidationException` if it has none."""
    name = reply.error_type if reply.error_type in ERRORS else "ValidationException"
    body = msgspec.json.encode({"message": message})
    if call.dialect is not None:
        shown = Reason(ReasonCode.UPSTREAM_REFUSED, message)
        status, body = call.dialect.error(shown, reply.status, call.id)
        return status, [*headers(call, reply), (b"x-keepstone-reason", shown.code.value.encode())], body
    return (
        reply.status if reply.error_type in ERRORS else ERRORS[name].status,
        [
            *headers(call, reply),
            (b"x-amzn-errortype", name.encode()),
            (b"x-keepstone-reason", ReasonCode.UPSTREAM_REFUSED.value.encode()),
        ],
        body,
    )


def error_message(body: bytes) -> str:
    """Return the sentence in an upstream's error body; AWS and OpenAI put it in different places."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "the upstream refused the request and did not say why"
    holder = document.get("error", document) if isinstance(document, dict) else {}
    found = holder.get("message", holder.get("Message")) if isinstance(holder, dict) else None
    return found[:2000] if isinstance(found, str) and found else "the upstream refused the request"


def estimated(call: Call, reply: UpstreamReply) -> TokenUsage:
    """Return a guess from lengths, marked as one, for an answer that does not count."""
    return TokenUsage(len(call.body) // CHARS_PER_TOKEN, len(reply.body) // CHARS_PER_TOKEN, estimated=True)


def estimated_stream(call: Call, released_chars: int) -> TokenUsage:
    """Return a guess from lengths, marked as one, for a stream that does not count."""
    return TokenUsage(len(call.body) // CHARS_PER_TOKEN, released_chars // CHARS_PER_TOKEN, estimated=True)


def merged(known: TokenUsage, found: TokenUsage) -> TokenUsage:
    """Return the larger of each count: events of one stream tell them one by one, or again and again."""
    return TokenUsage(
        max(known.input, found.input),
        max(known.output, found.output),
        max(known.cache_read, found.cache_read),
        max(known.cache_write, found.cache_write),
    )
