"""One view of the bodies of all operations: where the text is, what it cost, how a guardrail answers.

Converse has one shape for all models, InvokeModel one per family (`wire.families`). The stages and the
stream know none of these differences.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from keepstone.core.decision import Reason
from keepstone.core.exchange import Operation, TokenUsage
from keepstone.gateway.wire import converse
from keepstone.gateway.wire.deltas import (
    Delta,
    Kind,
    classify_converse,
    decode_event,
    unwrap_chunk,
    wrap_chunk,
)
from keepstone.gateway.wire.errors import stream_exception
from keepstone.gateway.wire.eventstream import WireEvent, encode_event, encode_exception
from keepstone.gateway.wire.families import Family, family_for
from keepstone.gateway.wire.family.unknown import UNKNOWN
from keepstone.gateway.wire.rules import DocumentText
from keepstone.gateway.wire.slots import encode_document

Document = dict[str, Any]
Trace = dict[str, Any]


@dataclass(slots=True)
class StreamState:
    """How far a stream has come when a guardrail ends it."""

    started: bool = False
    open_block: int | None = None
    next_block: int = 0


class Body(Protocol):
    """How the bodies of one operation, for one model, are read and written."""

    answers_in_text: bool
    buffer_all: bool
    has_end: bool
    stream_type: bytes

    def request_slots(self, document: Document) -> DocumentText:
        """Return the text of a request; raise `RequestError` when it has no shape."""
        ...

    def response_slots(self, document: Document) -> DocumentText:
        """Return the text of an answer."""
        ...

    def usage(self, document: Mapping[str, Any], headers: Mapping[str, str]) -> TokenUsage | None:
        """Return the counts of an answer or of a stream's event, `None` when it has none."""
        ...

    def max_tokens(self, document: Document) -> int | None:
        """Return the caller's own limit of output tokens."""
        ...

    def blocked(self, message: str, used: TokenUsage, trace: Trace) -> Document:
        """Return the answer of an intervening guardrail."""
        ...

    def blocked_frames(self, message: str, used: TokenUsage, trace: Trace, state: StreamState) -> bytes:
        """Return the frames with which an intervening guardrail ends a stream."""
        ...

    def add_trace(self, document: Document, trace: Trace) -> None:
        """Put a guardrail's trace into an answer."""
        ...

    def read_event(self, event: WireEvent) -> tuple[Document, Delta]:
        """Return an event's document and what it means; raise `WireError` for a broken one."""
        ...

    def write(self, document: Document) -> bytes:
        """Return the bytes of a whole answer; raise `RequestError` for one that cannot be written."""
        ...

    def write_event(self, event_type: str, document: Document) -> bytes:
        """Return the frame of an event."""
        ...

    def last(self) -> bytes:
        """Return what ends a stream after its last event."""
        ...

    def failed(self, reason: Reason) -> bytes:
        """Return what ends a stream that cannot go on."""
        ...


class AwsBody:
    """What the bodies of all of AWS's operations share: JSON, and event streams that need no end."""

    stream_type = b"application/vnd.amazon.eventstream"

    def write(self, document: Document) -> bytes:
        """Return JSON."""
        return encode_document(document)

    def last(self) -> bytes:
        """Return nothing: an event stream ends with its last event."""
        return b""

    def failed(self, reason: Reason) -> bytes:
        """Return an exception's frame."""
        return encode_exception(*stream_exception(reason))


class ConverseBody(AwsBody):
    """Converse and ConverseStream."""

    answers_in_text = True
    buffer_all = False
    has_end = True

    request_slots = staticmethod(converse.request_slots)
    response_slots = staticmethod(converse.response_slots)
    max_tokens = staticmethod(converse.max_tokens)

    def usage(self, document: Mapping[str, Any], headers: Mapping[str, str]) -> TokenUsage | None:
        """Return the counts of an answer or of a `metadata` event."""
        return converse.usage(document)

    def blocked(self, message: str, used: TokenUsage, trace: Trace) -> Document:
        """Return an answer whose stop reason is `guardrail_intervened`."""
        return converse.blocked_response(message, used, trace={"guardrail": trace} if trace else None)

    def blocked_frames(self, message: str, used: TokenUsage, trace: Trace, state: StreamState) -> bytes:
        """Return the events up to `metadata`, after those that were sent."""
        events = converse.blocked_stream_events(
            message,
            used,
            started=state.started,
            open_block=state.open_block,
            next_block=state.next_block,
            trace={"guardrail": trace} if trace else None,
        )
        return b"".join(self.write_event(name, document) for name, document in events)

    def add_trace(self, document: Document, trace: Trace) -> None:
        """Set `trace.guardrail`."""
        document.setdefault("trace", {})["guardrail"] = trace

    def read_event(self, event: WireEvent) -> tuple[Document, Delta]:
        """Decode and classify."""
        document = decode_event(event.payload)
        return document, classify_converse(event.type, document)

    def write_event(self, event_type: str, document: Document) -> bytes:
        """Encode under its own type."""
        return encode_event(event_type, encode_document(document))


class InvokeBody(AwsBody):
    """InvokeModel and its stream, in one family's words."""

    has_end = False

    def __init__(self, family: Family) -> None:
        self._family = family
        self.answers_in_text = family.answers_in_text
        self.buffer_all = family.buffer_all
        self.request_slots = family.request_slots
        self.response_slots = family.response_slots
        self.usage = family.usage
        self.max_tokens = family.max_tokens

    def blocked(self, message: str, used: TokenUsage, trace: Trace) -> Document:
        """Return the family's own answer, marked as Bedrock marks it."""
        document = self._family.blocked_response(message)
        if trace:
            self.add_trace(document, trace)
        return document

    def blocked_frames(self, message: str, used: TokenUsage, trace: Trace, state: StreamState) -> bytes:
        """Return the family's chunks: an open block is stopped, the message stands in one of its own."""
        documents = self._family.blocked_stream(message)
        if trace:
            self.add_trace(documents[-1], trace)
        meanings = [self._family.classify(document) for document in documents]
        numbered = any(
            delta.kind is Kind.STOP and "index" in document
            for document, delta in zip(documents, meanings, strict=True)
        )
        frames, stop = [], b""
        for document, delta in zip(documents, meanings, strict=True):
            if delta.kind is Kind.START and not delta.block and state.started:
                continue  # the message has begun already
            if numbered and delta.kind is Kind.STOP and state.open_block is not None:
                stop = self.write_event("chunk", {**document, "index": state.open_block})
            own = {"index": state.next_block} if numbered and delta.block else {}
            frames.append(self.write_event("chunk", {**document, **own}))
        return stop + b"".join(frames)

    def add_trace(self, document: Document, trace: Trace) -> None:
        """Set `amazon-bedrock-trace`."""
        document["amazon-bedrock-trace"] = {"guardrail": trace}

    def read_event(self, event: WireEvent) -> tuple[Document, Delta]:
        """Take the family's document out of the chunk and classify it."""
        _, document = unwrap_chunk(event.payload)
        return document, self._family.classify(document)

    def write_event(self, event_type: str, document: Document) -> bytes:
        """Wrap the family's document into a chunk."""
        return encode_event("chunk", wrap_chunk(document))


CONVERSE: Body = ConverseBody()
COUNT: Body = InvokeBody(UNKNOWN)
"""The answer of CountTokens; the request inside it has the body of its own operation."""


@lru_cache(maxsize=512)
def body_for(operation: Operation, model_id: str) -> Body:
    """Return how the bodies of this operation are read for this model."""
    match operation:
        case Operation.INVOKE_MODEL | Operation.INVOKE_MODEL_STREAM:
            return InvokeBody(family_for(model_id))
        case Operation.COUNT_TOKENS:
            return COUNT
        case _:
            return CONVERSE
