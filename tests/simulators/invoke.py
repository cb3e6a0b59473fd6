"""InvokeModel: the bodies of Bedrock's model families, as their models take and give them.

Sources: the "Inference request parameters and response fields" pages of the Bedrock user guide. A family is
a row of `FAMILIES`: which model ids, which members it requires, its whole answer, its stream of events.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.simulators.behaviour import Behaviour, pieces_of
from tests.simulators.converse import SIGNATURE, converse_answer, converse_events, said, used
from tests.simulators.invoke_text import (
    cohere,
    cohere_embedding,
    cohere_stream,
    llama,
    llama_stream,
    mistral,
    mistral_chat,
    mistral_chat_stream,
    mistral_stream,
    titan,
    titan_embedding,
    titan_embedding_v1,
    titan_stream,
)

Json = dict[str, Any]


class Family(NamedTuple):
    """How one family of models speaks; a family without `stream` refuses to stream."""

    ids: tuple[str, ...]
    required: frozenset[str]
    whole: Callable[[Json, Behaviour], Json]
    stream: Callable[[Json, Behaviour], Iterator[Json]] | None


def base_id(model_id: str) -> str:
    """The model in an id, an inference profile's id or an ARN."""
    name = model_id.rsplit("/", 1)[-1]
    prefix, _, rest = name.partition(".")
    return rest if prefix in {"us", "eu", "apac", "jp", "au", "ca", "global", "us-gov"} else name


def family_of(model_id: str) -> Family | None:
    """The family that a model id belongs to; None for a model that nobody offers."""
    name = base_id(model_id)
    return next((family for family in FAMILIES if name.startswith(family.ids)), None)


def body_fault(family: Family, body: Any) -> str | None:
    """What the model's own parser says to a body that lacks something."""
    if not isinstance(body, dict):
        return "Malformed input request, please reformat your input and try again."
    missing = sorted(family.required - body.keys())
    if missing:
        return (
            f"Malformed input request: #: required key [{missing[0]}] not found, please reformat your input "
            "and try again."
        )
    return None


# --- Anthropic: the Messages API


def _anthropic(body: Json, behaviour: Behaviour) -> Json:
    content: list[Json] = []
    if behaviour.reasoning:
        content.append({"type": "thinking", "thinking": behaviour.reasoning, "signature": SIGNATURE})
    if said(behaviour) or not behaviour.tools:
        content.append({"type": "text", "text": said(behaviour)})
    content += [
        {"type": "tool_use", "id": tool.id, "name": tool.name, "input": tool.input}
        for tool in behaviour.tools
    ]
    given, spoken = used(body, behaviour)
    return {
        **_anthropic_head(),
        "content": content,
        "stop_reason": behaviour.stop_reason or ("tool_use" if behaviour.tools else "end_turn"),
        "stop_sequence": None,
        "usage": {"input_tokens": given, "output_tokens": spoken},
    }


def _anthropic_head() -> Json:
    model = "claude-simulated"
    return {"id": "msg_bdrk_01simulated", "type": "message", "role": "assistant", "model": model}


def _anthropic_stream(body: Json, behaviour: Behaviour) -> Iterator[Json]:
    whole = _anthropic(body, behaviour)
    message = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(whole["content"]):
        start, deltas = _anthropic_deltas(block, behaviour.pieces)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {
        "type": "message_delta",
        "delta": delta,
        "usage": {"output_tokens": whole["usage"]["output_tokens"]},
    }
    yield {"type": "message_stop"}


def _anthropic_deltas(block: Json, pieces: tuple[int, ...]) -> tuple[Json, list[Json]]:
    match block["type"]:
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": p} for p in pieces_of(block["thinking"], pieces)]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        case "text":
            deltas = [{"type": "text_delta", "text": p} for p in pieces_of(block["text"], pieces)]
            return {"type": "text", "text": ""}, deltas
        case _:
            text = json.dumps(block["input"], ensure_ascii=False)
            deltas = [{"type": "input_json_delta", "partial_json": p} for p in pieces_of(text, pieces)]
            return {**block, "input": {}}, deltas


# --- Nova: close to Converse


def _nova(body: Json, behaviour: Behaviour) -> Json:
    answer = converse_answer(body, behaviour)
    usage = {**answer["usage"], "cacheReadInputTokenCount": 0, "cacheWriteInputTokenCount": 0}
    return {"output": answer["output"], "stopReason": answer["stopReason"], "usage": usage}


def _nova_stream(body: Json, behaviour: Behaviour) -> Iterator[Json]:
    for name, members in converse_events(body, behaviour):
        yield {name: members if name != "metadata" else {**members, "metrics": {}, "trace": {}}}


def _family(*ids: str, needs: str, whole: Any, stream: Any = None) -> Family:
    return Family(ids, frozenset(needs.split()), whole, stream)


FAMILIES = (
    _family(
        "anthropic.",
        needs="anthropic_version max_tokens messages",
        whole=_anthropic,
        stream=_anthropic_stream,
    ),
    _family("amazon.nova-", needs="messages", whole=_nova, stream=_nova_stream),
    _family("amazon.titan-embed-text-v2", needs="inputText", whole=titan_embedding),
    _family("amazon.titan-embed", needs="inputText", whole=titan_embedding_v1),
    _family("amazon.titan-text", needs="inputText", whole=titan, stream=titan_stream),
    _family("meta.llama", needs="prompt", whole=llama, stream=llama_stream),
    _family("mistral.mistral-large-2407", needs="messages", whole=mistral_chat, stream=mistral_chat_stream),
    _family("mistral.", needs="prompt", whole=mistral, stream=mistral_stream),
    _family("cohere.embed", needs="texts input_type", whole=cohere_embedding),
    _family("cohere.command-r", needs="message", whole=cohere, stream=cohere_stream),
)
