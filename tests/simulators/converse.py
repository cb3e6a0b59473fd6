"""Converse and ConverseStream: what a model that follows a `Behaviour` says, in Bedrock's shapes."""

import json
from collections.abc import Iterator
from typing import Any

from tests.simulators.behaviour import Behaviour, pieces_of

Json = dict[str, Any]
SIGNATURE = "c2ltdWxhdGVkLXNpZ25hdHVyZQ=="


def tokens(value: Any) -> int:
    """A count that grows with the text: a token for every four characters, at least one."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return max(1, (len(text) + 3) // 4)


def said(behaviour: Behaviour) -> str:
    """The answer's text."""
    return "A simulated answer." if behaviour.text is None else behaviour.text


def used(body: Any, behaviour: Behaviour) -> tuple[int, int]:
    """Input and output tokens of a call."""
    spoken = said(behaviour) + behaviour.reasoning + "".join(json.dumps(t.input) for t in behaviour.tools)
    return behaviour.usage or (tokens(body), tokens(spoken))


def conversation_fault(body: Json) -> str | None:
    """What Bedrock refuses of a conversation although its shape is right."""
    messages = body.get("messages") or []
    if not messages or messages[0]["role"] != "user":
        return (
            "A conversation must start with a user message. Try again with a conversation that starts with "
            "a user message."
        )
    for number, message in enumerate(messages):
        if not message["content"]:
            return f"The content field in the Message object at messages.{number} is empty."
        for place, block in enumerate(message["content"]):
            if block.get("text") is not None and not block["text"].strip():
                return (
                    f"The text field in the ContentBlock object at messages.{number}.content.{place} is "
                    "blank. Add text to the text field, and try again."
                )
    return None


def converse_answer(body: Json, behaviour: Behaviour) -> Json:
    """The answer of Converse."""
    content: list[Json] = []
    if behaviour.reasoning:
        text = {"text": behaviour.reasoning, "signature": SIGNATURE}
        content.append({"reasoningContent": {"reasoningText": text}})
    if said(behaviour) or not behaviour.tools:
        content.append({"text": said(behaviour)})
    content += [
        {"toolUse": {"toolUseId": tool.id, "name": tool.name, "input": tool.input}}
        for tool in behaviour.tools
    ]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": _stop_reason(behaviour),
        **_measures(body, behaviour),
    }


def converse_events(body: Json, behaviour: Behaviour) -> Iterator[tuple[str, Json]]:
    """The events of ConverseStream; a text block has no start event, as in Bedrock."""
    yield "messageStart", {"role": "assistant"}
    for index, block in enumerate(_streamed_blocks(behaviour)):
        for name, members in block:
            yield name, {**members, "contentBlockIndex": index}
        yield "contentBlockStop", {"contentBlockIndex": index}
    yield "messageStop", {"stopReason": _stop_reason(behaviour)}
    yield "metadata", _measures(body, behaviour)


def _streamed_blocks(behaviour: Behaviour) -> Iterator[list[tuple[str, Json]]]:
    if behaviour.reasoning:
        deltas: list[Json] = [{"text": text} for text in pieces_of(behaviour.reasoning, behaviour.pieces)]
        deltas.append({"signature": SIGNATURE})
        yield [("contentBlockDelta", {"delta": {"reasoningContent": delta}}) for delta in deltas]
    if said(behaviour) or not behaviour.tools:
        pieces = pieces_of(said(behaviour), behaviour.pieces)
        yield [("contentBlockDelta", {"delta": {"text": text}}) for text in pieces]
    for tool in behaviour.tools:
        start = {"toolUse": {"toolUseId": tool.id, "name": tool.name}}
        pieces = pieces_of(json.dumps(tool.input, ensure_ascii=False), behaviour.pieces)
        yield [
            ("contentBlockStart", {"start": start}),
            *(("contentBlockDelta", {"delta": {"toolUse": {"input": text}}}) for text in pieces),
        ]


def _stop_reason(behaviour: Behaviour) -> str:
    return behaviour.stop_reason or ("tool_use" if behaviour.tools else "end_turn")


def _measures(body: Json, behaviour: Behaviour) -> Json:
    given, spoken = used(body, behaviour)
    usage = {"inputTokens": given, "outputTokens": spoken, "totalTokens": given + spoken}
    if behaviour.cached:
        usage |= dict(zip(("cacheReadInputTokens", "cacheWriteInputTokens"), behaviour.cached, strict=True))
    asked = {name: body[name] for name in ("performanceConfig", "serviceTier") if body.get(name)}
    return {"usage": usage, "metrics": {"latencyMs": 42}, **asked}
