"""Anthropic's Messages bodies, and the legacy text completions."""

from collections.abc import Mapping
from typing import Any

from keepstone.core.errors import WireError
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.wire import usage as counts
from keepstone.gateway.wire.deltas import Delta, Flows, Kind, continued, is_text, padding, whole
from keepstone.gateway.wire.family.shaped import BEDROCK, Document, ShapedFamily, settings
from keepstone.gateway.wire.rules import (
    Rule,
    Shape,
    blocks,
    by_role,
    each,
    finished,
    members,
    of,
    opaque,
    signature,
    struct,
    text,
    text_file,
    text_or,
    tree,
)
from keepstone.gateway.wire.slots import Origin, Walk

_ORIGINS = {
    "tool_use": Origin.ASSISTANT,
    "server_tool_use": Origin.ASSISTANT,
    "tool_result": Origin.TOOL,
    "web_search_tool_result": Origin.TOOL,
    "document": Origin.DOCUMENT,
    "search_result": Origin.DOCUMENT,
}


def _source(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
    """Where an image or document comes from: text is read, text files in base64 too, the rest is listed."""
    source = container[key]
    if type(source) is not dict:
        walk.tree(container, key, origin)
        return
    data: Rule = opaque
    if source.get("type") == "text":
        data = text
    elif str(source.get("media_type", "")).startswith("text/"):
        data = text_file
    members(walk, source, {**_SOURCE, "data": data}, origin)


def _block(shape: Shape) -> Rule:
    def apply(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
        block = container[key]
        if type(block) is not dict:
            walk.tree(container, key, origin)
            return
        kind = block.get("type")
        members(walk, block, shape, _ORIGINS.get(kind, origin) if type(kind) is str else origin)

    return apply


_INNER: Shape = {
    **settings("type", "cache_control", "id", "name", "tool_use_id", "is_error"),
    "text": text,
    "citations": of(Origin.DOCUMENT, tree),
    "input": tree,
    "title": text,
    "context": text,
    "content": tree,
    "source": _source,
    "thinking": text,
    "signature": signature,
    "data": opaque,
}
_INNER_CONTENT = text_or(each(_block(_INNER)))
_SOURCE: Shape = {
    **settings("type", "media_type"),
    "url": opaque,
    "file_id": opaque,
    "content": _INNER_CONTENT,
}
_CONTENT = each(_block({**_INNER, "content": _INNER_CONTENT}))

_REQUEST: Shape = {
    **settings(
        "anthropic_version",
        "anthropic_beta",
        "max_tokens",
        "max_tokens_to_sample",
        "temperature",
        "top_p",
        "top_k",
        "tool_choice",
        "thinking",
    ),
    "system": of(Origin.SYSTEM, text_or(blocks(_INNER))),
    "messages": each(by_role({"content": text_or(_CONTENT)})),
    "tools": of(
        Origin.SYSTEM,
        each(
            struct({**settings("name", "type", "cache_control"), "description": text, "input_schema": tree})
        ),
    ),
    "prompt": of(Origin.USER, text),
    "stop_sequences": each(text),
}

_MESSAGE: Shape = {
    **settings("id", "type", "role", "model", "stop_reason", "stop_sequence", "stop", "usage"),
    "content": _CONTENT,
    "completion": text,
}

_EVENT: Shape = {
    **BEDROCK,
    **settings("type", "index", "usage", "stop_reason", "stop"),
    "p": padding,
    "message": struct(_MESSAGE),
    "content_block": _block({**_INNER, "content": _INNER_CONTENT}),
    "delta": struct(
        {
            **settings("type", "stop_reason", "stop_sequence"),
            "text": text,
            "thinking": text,
            "partial_json": text,
            "signature": signature,
            "citation": finished(of(Origin.DOCUMENT, tree)),
        }
    ),
    "completion": text,
    "error": finished(tree),
}
_KINDS = {
    "message_start": Kind.START,
    "content_block_start": Kind.START,
    "content_block_stop": Kind.STOP,
    "message_delta": Kind.END,
    "message_stop": Kind.METADATA,
}
_LEGACY: Flows = {"text": (Kind.TEXT, ("completion",))}
_FLOWS: Flows = {
    "text": (Kind.TEXT, ("delta", "text")),
    "reasoning": (Kind.TEXT, ("delta", "thinking")),
    "tool": (Kind.HELD, ("delta", "partial_json")),
}


def _classify(document: Document) -> Delta:
    index, kind = document.get("index"), document.get("type")
    block = str(index) if type(index) is int else ""
    if kind == "content_block_start" and _begins_with_text(document.get("content_block")):
        raise WireError("a block begins with text, which its deltas may go on with")
    if type(kind) is str and kind in _KINDS:
        return whole(_KINDS[kind], document, _EVENT, block=block)
    if is_text(document, ("completion",)):
        final = document.get("stop_reason") is not None
        return continued(document, _LEGACY, _EVENT, block="0", final=final, otherwise=Kind.END)
    return continued(document, _FLOWS, _EVENT, block=block)


def _begins_with_text(block: object) -> bool:
    return isinstance(block, dict) and any(block.get(name) for name in ("text", "thinking"))


def _counted(document: Mapping[str, Any]) -> TokenUsage | None:
    holder = document.get("message") if document.get("type") == "message_start" else document
    return counts.from_members(holder.get("usage"), counts.ANTHROPIC) if isinstance(holder, dict) else None


def _answer(sentence: str) -> Document:
    return {
        "id": "msg_keepstone",
        "type": "message",
        "role": "assistant",
        "model": "keepstone",
        "content": [{"type": "text", "text": sentence}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def _events(sentence: str) -> list[Document]:
    start = {**_answer(sentence), "content": [], "stop_reason": None}
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": sentence}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 0},
        },
        {"type": "message_stop"},
    ]


MESSAGES = ShapedFamily(
    name="anthropic",
    request=_REQUEST,
    response=_MESSAGE,
    answer=_answer,
    events=_events,
    meaning=_classify,
    counted=_counted,
    limit=(("max_tokens",), ("max_tokens_to_sample",)),
)
"""Claude, by Messages or by the older text completions."""
