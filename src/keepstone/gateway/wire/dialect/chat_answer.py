"""Converse's answer and events as a chat completion and its chunks."""

from collections.abc import Mapping

import msgspec

from keepstone.core.decision import Reason
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire import converse
from keepstone.gateway.wire.dialect.blocks import not_carried, text_of
from keepstone.gateway.wire.dialect.dialect import Asked, Document
from keepstone.gateway.wire.dialect.openai_error import error_document

FINISH: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""Converse's stop reasons in the words of chat completions; a fault of the model is a `stop`."""


def counts(used: TokenUsage) -> Document:
    """Return the usage; OpenAI counts cached tokens as part of the prompt."""
    prompt = used.input + used.cache_read + used.cache_write
    return {
        "prompt_tokens": prompt,
        "completion_tokens": used.output,
        "total_tokens": prompt + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cache_read},
    }


class ChatWriter:
    """Writes one answer; `usage_asked` says that the stream's last chunk shall hold the usage."""

    def __init__(self, asked: Asked, *, usage_asked: bool) -> None:
        self._head = {
            "id": f"chatcmpl-{asked.call_id}",
            "object": "chat.completion.chunk",
            "created": asked.time,
            "model": asked.model,
        }
        self._usage_asked = usage_asked
        self._calls: dict[int, int] = {}
        self._usage = TokenUsage()

    def whole(self, document: Document) -> bytes:
        """Return the chat completion."""
        message: Document = {"role": "assistant", "content": None, "refusal": None}
        texts: list[str] = []
        calls: list[Document] = []
        reasoning: list[str] = []
        for block in document["output"]["message"]["content"]:
            text = text_of(block)
            if text is not None:
                texts.append(text)
            elif "toolUse" in block:
                calls.append(_call(block["toolUse"]))
            elif "reasoningContent" in block:
                reasoning.append(str(block["reasoningContent"].get("reasoningText", {}).get("text", "")))
            else:
                raise not_carried(block)
        message["content"] = "".join(texts) if texts or not calls else None
        if calls:
            message["tool_calls"] = calls
        if any(reasoning):
            message["reasoning_content"] = "".join(reasoning)
        finish = FINISH.get(document["stopReason"], "stop")
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        head = {**self._head, "object": "chat.completion"}
        used = converse.usage(document) or TokenUsage()
        return msgspec.json.encode({**head, "choices": [choice], "usage": counts(used)})

    def event(self, name: str, document: Document) -> bytes:
        """Return the chunk of an event."""
        match name:
            case "messageStart":
                return self._delta({"role": "assistant", "content": ""})
            case "contentBlockStart":
                return self._start(document)
            case "contentBlockDelta":
                return self._piece(document)
            case "messageStop":
                return self._delta({}, FINISH.get(document["stopReason"], "stop"))
            case "metadata":
                self._usage = converse.usage(document) or TokenUsage()
            case _:
                pass  # an end of a block, which chunks do not tell
        return b""

    def last(self) -> bytes:
        """Return the usage, if asked for, and the end."""
        chunk = b""
        if self._usage_asked:
            chunk = sse({**self._head, "choices": [], "usage": counts(self._usage)})
        return chunk + b"data: [DONE]\n\n"

    def failed(self, reason: Reason, status: int) -> bytes:
        """Return an error, after which no `[DONE]` comes."""
        return sse(error_document(reason, status))

    def _start(self, document: Document) -> bytes:
        started = document["start"]
        if "toolUse" not in started:
            raise not_carried(started)
        number = self._calls.setdefault(document["contentBlockIndex"], len(self._calls))
        use = started["toolUse"]
        function = {"name": use["name"], "arguments": ""}
        call = {"index": number, "id": use["toolUseId"], "type": "function", "function": function}
        return self._delta({"tool_calls": [call]})

    def _piece(self, document: Document) -> bytes:
        match document["delta"]:
            case {"text": str(text)}:
                return self._delta({"content": text})
            case {"toolUse": {"input": str(arguments)}}:
                number = self._calls[document["contentBlockIndex"]]
                return self._delta({"tool_calls": [{"index": number, "function": {"arguments": arguments}}]})
            case {"reasoningContent": dict(reasoning)}:
                thought = reasoning.get("text")
                return self._delta({"reasoning_content": thought}) if thought else b""
            case {"citation": _}:
                return b""
            case delta:
                raise not_carried(delta)

    def _delta(self, delta: Document, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse({**self._head, "choices": [choice]})


def sse(document: Document) -> bytes:
    """Return a server-sent event without a name."""
    return b"data: " + msgspec.json.encode(document) + b"\n\n"


def _call(use: Document) -> Document:
    arguments = msgspec.json.encode(use.get("input") or {}).decode()
    return {
        "id": use["toolUseId"],
        "type": "function",
        "function": {"name": use["name"], "arguments": arguments},
    }
