"""Converse's answer and events as an OpenAI response and its events."""

from typing import Any

import msgspec

from keepstone.core.decision import Reason
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire import converse
from keepstone.gateway.wire.dialect.blocks import not_carried, text_of
from keepstone.gateway.wire.dialect.dialect import Asked, Document
from keepstone.gateway.wire.dialect.openai_error import error_document
from keepstone.gateway.wire.dialect.responses_shapes import ResponsesRequest

_INCOMPLETE = {
    "max_tokens": "max_output_tokens",
    "model_context_window_exceeded": "max_output_tokens",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def counts(used: TokenUsage) -> Document:
    """Return the usage; cached tokens are part of the input."""
    given = used.input + used.cache_read + used.cache_write
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": used.cache_read},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": given + used.output,
    }


class ResponsesWriter:
    """Writes one answer; items are built one after the other, as blocks come."""

    def __init__(self, asked: Asked, request: ResponsesRequest) -> None:
        self._asked = asked
        self._request = request
        self._bare = asked.call_id.replace("-", "")
        self._number = 0
        self._items: list[Document] = []
        self._open: Document | None = None
        self._pieces: list[str] = []
        self._incomplete: str | None = None
        self._usage: TokenUsage | None = None

    def whole(self, document: Document) -> bytes:
        """Return the response."""
        for block in document["output"]["message"]["content"]:
            self._items.append(self._item(block))
        self._incomplete = _INCOMPLETE.get(document["stopReason"])
        self._usage = converse.usage(document) or TokenUsage()
        return msgspec.json.encode(self._response())

    def event(self, name: str, document: Document) -> bytes:
        """Return the events that one of Converse's becomes."""
        match name:
            case "messageStart":
                response = self._response(status="in_progress")
                return self._sse("response.created", response=response) + self._sse(
                    "response.in_progress", response=response
                )
            case "contentBlockStart":
                if "toolUse" not in document["start"]:
                    raise not_carried(document["start"])
                use = document["start"]["toolUse"]
                return self._enter(self._call(use["toolUseId"], use["name"], ""))
            case "contentBlockDelta":
                return self._piece(document["delta"])
            case "contentBlockStop":
                return self._close()
            case "messageStop":
                self._incomplete = _INCOMPLETE.get(document["stopReason"])
            case "metadata":
                self._usage = converse.usage(document) or TokenUsage()
            case _:
                pass
        return b""

    def last(self) -> bytes:
        """Return the end, with the whole response."""
        closed = self._close()
        response = self._response()
        return closed + self._sse(f"response.{response['status']}", response=response)

    def failed(self, reason: Reason, status: int) -> bytes:
        """Return the event of a response that failed."""
        error = error_document(reason, status)["error"]
        shown = {"code": "server_error", "message": error["message"]}
        return self._sse("response.failed", response={**self._response(status="failed"), "error": shown})

    # --- the response

    def _response(self, *, status: str = "") -> Document:
        reason = self._incomplete if not status else None
        asked = self._request
        return {
            "id": f"resp_{self._bare}",
            "object": "response",
            "created_at": self._asked.time,
            "status": status or ("incomplete" if reason else "completed"),
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "metadata": asked.metadata or {},
            "model": self._asked.model,
            "output": self._items,
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": asked.temperature,
            "text": asked.text or {"format": {"type": "text"}},
            "tool_choice": asked.tool_choice or "auto",
            "tools": asked.tools or [],
            "top_p": asked.top_p,
            "truncation": "disabled",
            "usage": counts(self._usage) if self._usage else None,
        }

    # --- items

    def _next_id(self, kind: str) -> str:
        return f"{kind}_{self._bare}{len(self._items)}"

    def _text(self, text: str) -> Document:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {
            "id": self._next_id("msg"),
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }

    def _call(self, call_id: str, name: str, arguments: str) -> Document:
        return {
            "id": self._next_id("fc"),
            "type": "function_call",
            "status": "completed",
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
        }

    def _reasoning(self, text: str, signature: str | None) -> Document:
        return {
            "id": self._next_id("rs"),
            "type": "reasoning",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": text}],
            "encrypted_content": signature,
        }

    def _item(self, block: Document) -> Document:
        text = text_of(block)
        if text is not None:
            return self._text(text)
        match block:
            case {"toolUse": {"toolUseId": str(call_id), "name": str(name), **rest}}:
                return self._call(call_id, name, msgspec.json.encode(rest.get("input") or {}).decode())
            case {"reasoningContent": {"reasoningText": {"text": str(thought), **signed}}}:
                return self._reasoning(thought, str(signed.get("signature") or "") or None)
            case _:
                raise not_carried(block)

    # --- the stream

    def _piece(self, delta: Document) -> bytes:
        match delta:
            case {"text": str(text)}:
                return self._grow(self._text, "response.output_text.delta", text, logprobs=[])
            case {"toolUse": {"input": str(arguments)}}:
                return self._argue(arguments)
            case {"reasoningContent": {"text": str(thought)}}:
                return self._grow(
                    lambda text: self._reasoning(text, None), "response.reasoning_text.delta", thought
                )
            case {"reasoningContent": {"signature": str(signature)}}:
                return self._sign(signature)
            case {"citation": _}:
                return b""
            case _:
                raise not_carried(delta)

    def _grow(self, make: Any, event: str, text: str, **more: Any) -> bytes:
        """Add text to the open item; the first piece opens it."""
        opened = b""
        if self._open is None:
            opened = self._enter(make(""))
        item = self._open
        assert item is not None  # noqa: S101 - it was opened just now
        self._pieces.append(text)
        return opened + self._at(event, item, content_index=0, delta=text, **more)

    def _sign(self, signature: str) -> bytes:
        """Keep a signature for the item's end; it may come before the text, which is scanned first."""
        opened = self._enter(self._reasoning("", None)) if self._open is None else b""
        if self._open is not None:
            self._open["encrypted_content"] = signature
        return opened

    def _argue(self, arguments: str) -> bytes:
        item = self._open
        if item is None:
            return b""
        item["arguments"] += arguments
        return self._at("response.function_call_arguments.delta", item, delta=arguments)

    def _enter(self, item: Document) -> bytes:
        closed = self._close()
        self._open = item
        shown = {**item, **({"status": "in_progress"} if "status" in item else {})}
        if item["type"] != "function_call":
            shown["content"] = []
        added = self._sse("response.output_item.added", output_index=len(self._items), item=shown)
        if item["type"] == "message":
            added += self._at("response.content_part.added", item, content_index=0, part=item["content"][0])
        return closed + added

    def _close(self) -> bytes:
        item, self._open = self._open, None
        if item is None:
            return b""
        text = "".join(self._pieces)
        self._pieces.clear()
        if item["type"] == "message":
            part = item["content"][0]
            part["text"] = text
            done = self._at("response.output_text.done", item, content_index=0, text=text, logprobs=[])
            done += self._at("response.content_part.done", item, content_index=0, part=part)
        elif item["type"] == "reasoning":
            item["content"][0]["text"] = text
            done = self._at("response.reasoning_text.done", item, content_index=0, text=text)
        else:
            item["arguments"] = item["arguments"] or "{}"
            done = self._at(
                "response.function_call_arguments.done", item, name=item["name"], arguments=item["arguments"]
            )
        done += self._sse("response.output_item.done", output_index=len(self._items), item=item)
        self._items.append(item)
        return done

    def _at(self, event: str, item: Document, **members: Any) -> bytes:
        return self._sse(event, item_id=item["id"], output_index=len(self._items), **members)

    def _sse(self, event: str, **members: Any) -> bytes:
        document = {"type": event, "sequence_number": self._number, **members}
        self._number += 1
        return b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode(document))
