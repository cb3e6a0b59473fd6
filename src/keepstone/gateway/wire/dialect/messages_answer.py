"""Converse's answer and events as an Anthropic message and its events."""

from collections.abc import Mapping

import msgspec

from keepstone.core.decision import Reason
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire import converse
from keepstone.gateway.wire.dialect.anthropic_error import error_document
from keepstone.gateway.wire.dialect.blocks import not_carried, text_of
from keepstone.gateway.wire.dialect.dialect import Asked, Document

STOPS: Mapping[str, str] = {
    "end_turn": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "refusal",
    "content_filtered": "refusal",
    "model_context_window_exceeded": "model_context_window_exceeded",
}
"""Converse's stop reasons in Anthropic's words; a fault of the model is an `end_turn`."""


def counts(used: TokenUsage) -> Document:
    """Return the usage."""
    return {
        "input_tokens": used.input,
        "output_tokens": used.output,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation_input_tokens": used.cache_write,
    }


class MessagesWriter:
    """Writes one answer; opens the blocks that Converse does not announce."""

    def __init__(self, asked: Asked) -> None:
        self._id = f"msg_{asked.call_id.replace('-', '')}"
        self._model = asked.model
        self._open: int | None = None
        self._next = 0
        self._signature = ""
        self._stop = "end_turn"
        self._usage = TokenUsage()

    def whole(self, document: Document) -> bytes:
        """Return the message."""
        content = [_block(block) for block in document["output"]["message"]["content"]]
        stop = STOPS.get(document["stopReason"], "end_turn")
        used = converse.usage(document) or TokenUsage()
        return msgspec.json.encode(self._message(content, stop, used))

    def event(self, name: str, document: Document) -> bytes:
        """Return the events that one of Converse's becomes."""
        match name:
            case "messageStart":
                return _sse({"type": "message_start", "message": self._message([], None, TokenUsage())})
            case "contentBlockStart":
                return self._start(document["start"])
            case "contentBlockDelta":
                return self._piece(document["delta"])
            case "contentBlockStop":
                return self._close()
            case "messageStop":
                self._stop = STOPS.get(document["stopReason"], "end_turn")
            case "metadata":
                self._usage = converse.usage(document) or TokenUsage()
            case _:
                pass
        return b""

    def last(self) -> bytes:
        """Return the end, with the counts that Converse tells last."""
        delta = {"stop_reason": self._stop, "stop_sequence": None}
        ending = {"type": "message_delta", "delta": delta, "usage": counts(self._usage)}
        return self._close() + _sse(ending) + _sse({"type": "message_stop"})

    def failed(self, reason: Reason, status: int) -> bytes:
        """Return an error event, after which no `message_stop` comes."""
        return _sse(error_document(reason, status))

    def _message(self, content: list[Document], stop: str | None, used: TokenUsage) -> Document:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": counts(used),
        }

    def _start(self, started: Document) -> bytes:
        if "toolUse" not in started:
            raise not_carried(started)
        use = started["toolUse"]
        return self._enter({"type": "tool_use", "id": use["toolUseId"], "name": use["name"], "input": {}})

    def _piece(self, delta: Document) -> bytes:
        match delta:
            case {"text": str(text)}:
                return self._within({"type": "text", "text": ""}, {"type": "text_delta", "text": text})
            case {"toolUse": {"input": str(arguments)}}:
                return self._delta({"type": "input_json_delta", "partial_json": arguments})
            case {"reasoningContent": {"redactedContent": str(data)}}:
                return self._enter({"type": "redacted_thinking", "data": data})
            case {"reasoningContent": dict(reasoning)}:
                return self._thought(reasoning)
            case {"citation": _}:
                return b""
            case _:
                raise not_carried(delta)

    def _thought(self, reasoning: Document) -> bytes:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        found = b""
        if reasoning.get("text"):
            found += self._within(block, {"type": "thinking_delta", "thinking": reasoning["text"]})
        if reasoning.get("signature"):
            found += self._enter(block) if self._open is None else b""
            self._signature = reasoning["signature"]  # its place is after the text, which is scanned first
        return found

    def _within(self, block: Document, delta: Document) -> bytes:
        opened = self._enter(block) if self._open is None else b""
        return opened + self._delta(delta)

    def _enter(self, block: Document) -> bytes:
        closed = self._close()
        self._open, self._next = self._next, self._next + 1
        return closed + _sse({"type": "content_block_start", "index": self._open, "content_block": block})

    def _delta(self, delta: Document) -> bytes:
        return _sse({"type": "content_block_delta", "index": self._open, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        signed = b""
        if self._signature:
            signed = self._delta({"type": "signature_delta", "signature": self._signature})
        closed, self._open, self._signature = self._open, None, ""
        return signed + _sse({"type": "content_block_stop", "index": closed})


class CountWriter:
    """Writes the answer of count_tokens."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def whole(self, document: Document) -> bytes:
        """Return the count."""
        return msgspec.json.encode({"input_tokens": int(document["inputTokens"])})

    def event(self, name: str, document: Document) -> bytes:
        """Return nothing: a count does not stream."""
        return b""

    def last(self) -> bytes:
        """Return nothing."""
        return b""

    def failed(self, reason: Reason, status: int) -> bytes:
        """Return nothing."""
        return b""


def _block(block: Document) -> Document:
    text = text_of(block)
    if text is not None:
        return {"type": "text", "text": text}
    match block:
        case {"toolUse": {"toolUseId": str(call_id), "name": str(name), **rest}}:
            return {"type": "tool_use", "id": call_id, "name": name, "input": rest.get("input") or {}}
        case {"reasoningContent": {"reasoningText": {"text": str(thought), **signed}}}:
            return {"type": "thinking", "thinking": thought, "signature": signed.get("signature", "")}
        case {"reasoningContent": {"redactedContent": str(data)}}:
            return {"type": "redacted_thinking", "data": data}
        case _:
            raise not_carried(block)


def _sse(document: Document) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (document["type"].encode(), msgspec.json.encode(document))
