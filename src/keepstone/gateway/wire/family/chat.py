"""The chat-completions bodies that several families share (messages in, choices out)."""

from typing import Any

import msgspec

from keepstone.core.errors import WireError
from keepstone.gateway.wire.deltas import Delta, Flows, Kind, Path, continued, padding
from keepstone.gateway.wire.family.shaped import BEDROCK, Document, ShapedFamily, counted_at, settings
from keepstone.gateway.wire.rules import (
    Shape,
    blocks,
    by_role,
    each,
    json_text,
    of,
    opaque,
    struct,
    text,
    text_or,
    tree,
)
from keepstone.gateway.wire.slots import Origin

_FUNCTION = struct({**settings("name"), "arguments": of(Origin.ASSISTANT, json_text)})
_CALLS = each(struct({**settings("id", "type", "index"), "function": _FUNCTION}))
_PARTS: Shape = {
    **settings("type"),
    "text": text,
    "image_url": opaque,
    "input_audio": opaque,
    "file": opaque,
}
_MESSAGE: Shape = {
    "content": text_or(blocks(_PARTS)),
    "refusal": text,
    "reasoning_content": text,
    "tool_calls": _CALLS,
    **settings("tool_call_id"),
}
_DECLARED = struct(
    {**settings("type"), "function": struct({**settings("name"), "description": text, "parameters": tree})}
)

REQUEST: Shape = {
    **settings("model", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stream"),
    **settings("tool_choice", "n", "seed", "reasoning_effort"),
    "messages": each(by_role(_MESSAGE)),
    "tools": of(Origin.SYSTEM, each(_DECLARED)),
    "prompt": of(Origin.USER, text),
    "stop": text_or(each(text)),
}
"""A chat request."""

_PIECES = each(
    struct(
        {
            **settings("id", "type", "index"),
            "function": struct({**settings("name"), "arguments": of(Origin.ASSISTANT, text)}),
        }
    )
)
"""Tool calls in a chunk: their arguments are a piece of JSON, and mean nothing yet."""

_CHOICE: Shape = {
    **settings("index", "stop_reason", "finish_reason"),
    "logprobs": opaque,  # the answer once more, token by token
    "message": struct({**_MESSAGE, **settings("role")}),
    "delta": struct({**_MESSAGE, **settings("role"), "tool_calls": _PIECES}),
    "text": text,
}
ANSWER: Shape = {
    **settings("id", "object", "created", "model", "usage", "service_tier", "system_fingerprint"),
    **settings("obfuscation"),
    "choices": each(struct(_CHOICE)),
    "outputs": each(struct({**settings("stop_reason"), "text": text, "logprobs": opaque})),
}
"""A chat answer, whole or in chunks, and Mistral's older list of outputs."""

_CHUNK: Shape = {**ANSWER, **BEDROCK, "p": padding}
_HEAD: Path = ("choices", 0)
_FLOWS: Flows = {
    "text": (Kind.TEXT, (*_HEAD, "delta", "content")),
    "message": (Kind.TEXT, (*_HEAD, "message", "content")),
    "completion": (Kind.TEXT, (*_HEAD, "text")),
    "outputs": (Kind.TEXT, ("outputs", 0, "text")),
    "reasoning": (Kind.TEXT, (*_HEAD, "delta", "reasoning_content")),
    "tool": (Kind.HELD, (*_HEAD, "delta", "tool_calls", 0, "function", "arguments")),
}


def classify(document: Document) -> Delta:
    """Return the meaning of one chunk; the channel of a tool call is its index, a choice is a block.

    Raises `WireError` for a chunk that continues several choices or several texts, which could not be held
    back one by one.
    """
    final, block = _is_last(document), _choice_index(document)
    if _several_calls(document):
        raise WireError("a chunk continues several tool calls at once")
    otherwise = Kind.END if final else Kind.METADATA
    found = continued(document, _FLOWS, _CHUNK, block=block, final=final, otherwise=otherwise)
    if found.kind is Kind.HELD:
        return msgspec.structs.replace(found, channel=f"{found.channel}{_call_index(document)}")
    return found if found.kind is Kind.TEXT else msgspec.structs.replace(found, block="")


def _several_calls(document: Any) -> bool:
    """Say whether a chunk continues more than one tool call."""
    try:
        calls = document["choices"][0]["delta"]["tool_calls"]
    except (KeyError, IndexError, TypeError):
        return False
    return type(calls) is list and len(calls) > 1


def _is_last(document: Any) -> bool:
    for holder in (document.get("choices"), document.get("outputs")):
        if type(holder) is list and holder and type(holder[0]) is dict:
            return any(holder[0].get(name) is not None for name in ("finish_reason", "stop_reason"))
    return False


def _choice_index(document: Document) -> str:
    choices = document.get("choices")
    if type(choices) is not list or not choices or type(choices[0]) is not dict:
        return "0"
    if len(choices) > 1:
        raise WireError("a chunk continues several choices at once")
    index = choices[0].get("index")
    return str(index) if type(index) is int else "0"


def _call_index(document: Any) -> int:
    index = document["choices"][0]["delta"]["tool_calls"][0].get("index")
    return index if type(index) is int else 0


def answer(sentence: str) -> Document:
    """Return a whole chat answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": sentence},
        "finish_reason": "content_filter",
    }
    counted = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    return {
        "id": "keepstone",
        "object": "chat.completion",
        "created": 0,
        "model": "keepstone",
        "choices": [choice],
        "usage": counted,
    }


def events(sentence: str) -> list[Document]:
    """Return the chunks of a whole chat answer."""
    head = {"id": "keepstone", "object": "chat.completion.chunk", "created": 0, "model": "keepstone"}
    delta = {"role": "assistant", "content": sentence}
    return [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]},
    ]


CHAT = ShapedFamily(
    name="chat",
    request=REQUEST,
    response=ANSWER,
    answer=answer,
    events=events,
    meaning=classify,
    counted=counted_at("usage", ("prompt_tokens", "completion_tokens", "", "")),
    limit=(("max_completion_tokens",), ("max_tokens",)),
)
"""The families that speak chat completions: OpenAI's open models, Qwen, Jamba, DeepSeek."""
