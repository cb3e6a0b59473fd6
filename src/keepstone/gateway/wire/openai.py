"""An OpenAI chat-completions answer, whole or streamed, as Converse's answer and events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from keepstone.core.errors import WireError
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire.converse import usage_members
from keepstone.gateway.wire.usage import count

Document = dict[str, Any]
Event = tuple[str, Document]

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "content_filtered",
}
_MOST_CALLS = 256


def from_openai(document: Mapping[str, Any], *, latency_ms: int = 0) -> Document:
    """Return the Converse answer that a chat completion stands for; raise `WireError` if it is none."""
    try:
        choice = document["choices"][0]
        message = choice["message"]
        content = _blocks(message)
        reason = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise WireError("the answer is not a chat completion") from error
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(reason, has_calls=bool(message.get("tool_calls"))),
        "usage": usage_members(usage(document) or TokenUsage()),
        "metrics": {"latencyMs": latency_ms},
    }


def usage(document: Mapping[str, Any]) -> TokenUsage | None:
    """Return the counts of an answer or a chunk, or `None` when it has none; cached input is named apart."""
    counts = document.get("usage")
    if not isinstance(counts, dict):
        return None
    details = counts.get("prompt_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    prompt = count(counts.get("prompt_tokens"))
    cached = min(cached, prompt)
    return TokenUsage(prompt - cached, count(counts.get("completion_tokens")), cached)


def stop_reason(reason: object, *, has_calls: bool) -> str:
    """Return Converse's word for a finish reason; several servers say `stop` after a tool call."""
    found = STOP_REASONS.get(reason, "end_turn") if isinstance(reason, str) else "end_turn"
    return "tool_use" if has_calls and found == "end_turn" else found


def _blocks(message: Mapping[str, Any]) -> list[Document]:
    blocks: list[Document] = []
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(reasoning, str):
        blocks.append({"reasoningContent": {"reasoningText": {"text": reasoning}}})
    text = message.get("content") or message.get("refusal")
    if isinstance(text, str):
        blocks.append({"text": text})
    for number, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        blocks.append(
            {
                "toolUse": {
                    "toolUseId": str(call.get("id") or f"call_{number}"),
                    "name": str(function["name"]),
                    "input": _arguments(function.get("arguments")),
                }
            }
        )
    return blocks or [{"text": ""}]


def _arguments(raw: object) -> Document:
    try:
        arguments = msgspec.json.decode(raw) if isinstance(raw, str) and raw.strip() else {}
    except (ValueError, RecursionError) as error:
        raise WireError("a tool call's arguments are not JSON") from error
    if type(arguments) is not dict:
        raise WireError("a tool call's arguments are not a JSON object")
    return arguments


@dataclass(slots=True)
class StreamTranslator:
    """A state machine from chat-completion chunks to Converse events; blocks come one after the other.

    Converse's stream ends with `messageStop` and `metadata`, but a chat stream names the reason before the
    usage: both are kept until `finish`.
    """

    _started: bool = False
    _block: int = -1
    _open: str = ""
    _seen_calls: set[int] = field(default_factory=set)
    _reason: object = None
    _usage: TokenUsage | None = None

    def feed(self, chunk: Mapping[str, Any]) -> list[Event]:
        """Return the events that one chunk stands for; raise `WireError` if it is no chunk."""
        events: list[Event] = []
        try:
            self._usage = usage(chunk) or self._usage
            for choice in chunk.get("choices") or ():
                if choice.get("index", 0) == 0:  # n > 1 is never asked for
                    self._choice(choice, events)
        except (KeyError, TypeError, AttributeError) as error:
            raise WireError("an event is not a chat completion's chunk") from error
        return events

    def finish(self, *, latency_ms: int = 0) -> list[Event]:
        """Return the last events; raise `WireError` when the stream ended before the model did."""
        if self._reason is None:
            raise WireError("the stream ended before its finish reason", code="wire.truncated")
        events: list[Event] = []
        self._start(events)
        self._close(events)
        reason = stop_reason(self._reason, has_calls=bool(self._seen_calls))
        used = self._usage or TokenUsage(estimated=True)
        metadata = {"usage": usage_members(used), "metrics": {"latencyMs": latency_ms}}
        return [*events, ("messageStop", {"stopReason": reason}), ("metadata", metadata)]

    def _choice(self, choice: Mapping[str, Any], events: list[Event]) -> None:
        delta = choice.get("delta") or {}
        self._start(events)
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        text = delta.get("content") or delta.get("refusal")
        if isinstance(reasoning, str) and reasoning:
            if text and self._open == "text":  # both would go on in a block of their own, piece by piece
                raise WireError("the pieces of two texts are mixed")
            self._enter("reasoning", events)
            events.append(self._delta({"reasoningContent": {"text": reasoning}}))
        if isinstance(text, str):
            self._enter("text", events)
            events.append(self._delta({"text": text}))
        for call in delta.get("tool_calls") or ():
            self._call(call, events)
        if choice.get("finish_reason") is not None:
            self._reason = choice["finish_reason"]

    def _call(self, call: Mapping[str, Any], events: list[Event]) -> None:
        index = call.get("index", 0)
        if type(index) is not int or len(self._seen_calls) >= _MOST_CALLS:
            raise WireError("a tool call has no usable index")
        function = call.get("function") or {}
        channel = f"call {index}"
        if index not in self._seen_calls:
            self._seen_calls.add(index)
            use = {"toolUseId": str(call.get("id") or f"call_{index}"), "name": str(function["name"])}
            self._enter(channel, events, {"toolUse": use})
        elif self._open != channel:
            raise WireError("the pieces of two tool calls are mixed")
        arguments = function.get("arguments")
        if isinstance(arguments, str) and arguments:
            events.append(self._delta({"toolUse": {"input": arguments}}))

    def _start(self, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            events.append(("messageStart", {"role": "assistant"}))

    def _enter(self, channel: str, events: list[Event], start: Document | None = None) -> None:
        """Make `channel` the open block; only tool calls announce themselves, as in Bedrock."""
        if self._open == channel:
            return
        self._close(events)
        self._block += 1
        self._open = channel
        if start is not None:
            events.append(("contentBlockStart", {"start": start, "contentBlockIndex": self._block}))

    def _close(self, events: list[Event]) -> None:
        if self._open:
            events.append(("contentBlockStop", {"contentBlockIndex": self._block}))
            self._open = ""

    def _delta(self, delta: Document) -> Event:
        return "contentBlockDelta", {"delta": delta, "contentBlockIndex": self._block}
