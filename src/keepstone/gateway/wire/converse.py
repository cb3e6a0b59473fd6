"""Converse: where the text of a request and of an answer lies, what it cost, and what a refusal looks like.

The shapes follow bedrock-runtime's service model; members that it does not know pass through and are
inspected as text of unknown origin.
"""

from collections.abc import Mapping
from typing import Any

from keepstone.core.errors import RequestError
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire import usage as counts
from keepstone.gateway.wire.converse_blocks import MESSAGE_BLOCKS, SYSTEM_BLOCKS
from keepstone.gateway.wire.rules import (
    DocumentText,
    blocks,
    by_role,
    each,
    mapping,
    of,
    plain,
    read,
    schema_text,
    struct,
    text,
    tree,
)
from keepstone.gateway.wire.slots import Origin

_MESSAGE_CONTENT = blocks(MESSAGE_BLOCKS)

_TOOL = struct(
    {
        "toolSpec": struct(
            {
                "name": plain,
                "description": text,
                "inputSchema": struct({"json": tree}),
                "strict": plain,
            }
        ),
        "systemTool": plain,
        "cachePoint": plain,
    }
)

_STRUCTURE = struct({"jsonSchema": struct({"schema": schema_text, "name": tree, "description": text})})

_SETTINGS = {
    "inferenceConfig": struct(
        {"maxTokens": plain, "temperature": plain, "topP": plain, "stopSequences": each(text)}
    ),
    "guardrailConfig": plain,
    "performanceConfig": plain,
    "serviceTier": plain,
    "additionalModelResponseFieldPaths": plain,
}

REQUEST = {
    "messages": each(by_role({"content": _MESSAGE_CONTENT})),
    "system": of(Origin.SYSTEM, blocks(SYSTEM_BLOCKS)),
    "toolConfig": of(Origin.SYSTEM, struct({"tools": each(_TOOL), "toolChoice": plain})),
    "promptVariables": of(Origin.USER, mapping(struct({"text": text}))),
    "additionalModelRequestFields": of(Origin.UNKNOWN, tree),
    "requestMetadata": of(Origin.UNKNOWN, tree),
    "outputConfig": of(Origin.SYSTEM, struct({"textFormat": struct({"structure": _STRUCTURE})})),
    **_SETTINGS,
}

RESPONSE = {
    "output": struct({"message": struct({"role": plain, "content": _MESSAGE_CONTENT})}),
    "stopReason": plain,
    "usage": plain,
    "metrics": plain,
    "additionalModelResponseFields": tree,
    "trace": of(Origin.UNKNOWN, tree),
    "performanceConfig": plain,
    "serviceTier": plain,
}


def request_slots(document: dict[str, Any]) -> DocumentText:
    """Return the text of a Converse request; raise `RequestError` when its messages have no shape."""
    _check(document)
    return read(document, REQUEST)


def response_slots(document: dict[str, Any]) -> DocumentText:
    """Return the text of a Converse answer; what the model said has the origin assistant."""
    return read(document, RESPONSE, Origin.ASSISTANT)


def last_user_text(document: Mapping[str, Any]) -> str:
    """Return the text blocks of the last user message, one a line; empty when there is none."""
    for message in reversed(document.get("messages") or ()):
        if message.get("role") == "user":
            blocks = (block.get("text") for block in message["content"] if isinstance(block, dict))
            return "\n".join(block for block in blocks if isinstance(block, str))
    return ""


def max_tokens(document: Mapping[str, Any]) -> int | None:
    """Return how many tokens of output the caller asked for at most, if it said."""
    settings = document.get("inferenceConfig")
    value = settings.get("maxTokens") if isinstance(settings, dict) else None
    return counts.count(value) or None


def usage(document: Mapping[str, Any]) -> TokenUsage | None:
    """Return the counts of an answer or of a `metadata` event, or `None` when it has none."""
    return counts.from_members(document.get("usage"), counts.CONVERSE)


def usage_members(used: TokenUsage) -> dict[str, int]:
    """Return the counts as Converse writes them."""
    found = {"inputTokens": used.input, "outputTokens": used.output, "totalTokens": used.total}
    if used.cache_read or used.cache_write:
        found |= {"cacheReadInputTokens": used.cache_read, "cacheWriteInputTokens": used.cache_write}
    return found


def blocked_response(
    message: str, used: TokenUsage, *, latency_ms: int = 0, trace: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the answer of an intervening guardrail; `trace` is the member of that name, if asked for."""
    response: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": [{"text": message}]}},
        "stopReason": "guardrail_intervened",
        "usage": usage_members(used),
        "metrics": {"latencyMs": latency_ms},
    }
    if trace is not None:
        response["trace"] = dict(trace)
    return response


def blocked_stream_events(  # noqa: PLR0913 - the state of the stream so far, by keyword
    message: str,
    used: TokenUsage,
    *,
    started: bool = False,
    open_block: int | None = None,
    next_block: int = 0,
    latency_ms: int = 0,
    trace: Mapping[str, Any] | None = None,
) -> list[tuple[str, dict[str, Any]]]:
    """Return the events with which an intervening guardrail ends a stream.

    `started` says that messageStart was sent, `open_block` which block was not stopped yet, `next_block` the
    first index that is free: the message stands in a block of its own.
    """
    events: list[tuple[str, dict[str, Any]]] = []
    if not started:
        events.append(("messageStart", {"role": "assistant"}))
    if open_block is not None:
        events.append(("contentBlockStop", {"contentBlockIndex": open_block}))
    metadata: dict[str, Any] = {"usage": usage_members(used), "metrics": {"latencyMs": latency_ms}}
    if trace is not None:
        metadata["trace"] = dict(trace)
    return [
        *events,
        ("contentBlockDelta", {"delta": {"text": message}, "contentBlockIndex": next_block}),
        ("contentBlockStop", {"contentBlockIndex": next_block}),
        ("messageStop", {"stopReason": "guardrail_intervened"}),
        ("metadata", metadata),
    ]


def _check(document: dict[str, Any]) -> None:
    """Check only what inspection relies on; the rest of the schema is the upstream's to judge."""
    messages = document.get("messages")
    if messages is None:
        return  # a managed prompt: its text lies in promptVariables
    if type(messages) is not list:
        raise _invalid("messages", "Member must be a list")
    for number, message in enumerate(messages, start=1):
        if type(message) is not dict:
            raise _invalid(f"messages.{number}.member", "Member must be a structure")
        if type(message.get("role")) is not str:
            raise _invalid(f"messages.{number}.member.role", "Member must not be null")
        if type(message.get("content")) is not list:
            raise _invalid(f"messages.{number}.member.content", "Member must not be null")


def _invalid(place: str, constraint: str) -> RequestError:
    return RequestError(
        f"1 validation error detected: Value at '{place}' failed to satisfy constraint: {constraint}"
    )
