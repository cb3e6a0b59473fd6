"""InvokeModel bodies of the families that take plain text (Titan, Llama, Mistral, Cohere) and of embeddings.

Only the last event of a stream carries the counts and the reason for stopping, as with the real models.
"""

import json
from collections.abc import Iterator
from typing import Any

from tests.simulators.behaviour import Behaviour, pieces_of
from tests.simulators.converse import said, used

Json = dict[str, Any]


def titan(body: Json, behaviour: Behaviour) -> Json:
    """Titan Text."""
    given, spoken = used(body, behaviour)
    reason = behaviour.stop_reason or "FINISH"
    result = {"tokenCount": spoken, "outputText": said(behaviour), "completionReason": reason}
    return {"inputTextTokenCount": given, "results": [result]}


def titan_stream(body: Json, behaviour: Behaviour) -> Iterator[Json]:
    """Titan Text, streamed."""
    given, spoken = used(body, behaviour)
    for text, last in _with_last(behaviour):
        yield {
            "outputText": text,
            "index": 0,
            "totalOutputTextTokenCount": spoken if last else None,
            "completionReason": (behaviour.stop_reason or "FINISH") if last else None,
            "inputTextTokenCount": given if last else None,
        }


def llama(body: Json, behaviour: Behaviour) -> Json:
    """Llama."""
    given, spoken = used(body, behaviour)
    return {
        "generation": said(behaviour),
        "prompt_token_count": given,
        "generation_token_count": spoken,
        "stop_reason": behaviour.stop_reason or "stop",
    }


def llama_stream(body: Json, behaviour: Behaviour) -> Iterator[Json]:
    """Llama, streamed."""
    given, _ = used(body, behaviour)
    for number, (text, last) in enumerate(_with_last(behaviour)):
        yield {
            "generation": text,
            "prompt_token_count": None if number else given,
            "generation_token_count": number + 1,
            "stop_reason": (behaviour.stop_reason or "stop") if last else None,
        }


def mistral(body: Json, behaviour: Behaviour) -> Json:
    """Mistral, by prompt."""
    return {"outputs": [{"text": said(behaviour), "stop_reason": behaviour.stop_reason or "stop"}]}


def mistral_stream(body: Json, behaviour: Behaviour) -> Iterator[Json]:
    """Mistral by prompt, streamed."""
    for text, last in _with_last(behaviour):
        yield {
            "outputs": [{"text": text, "stop_reason": (behaviour.stop_reason or "stop") if last else None}]
        }


def mistral_chat(body: Json, behaviour: Behaviour) -> Json:
    """Mistral, by messages."""
    calls = [
        {"id": tool.id, "function": {"name": tool.name, "arguments": json.dumps(tool.input)}}
        for tool in behaviour.tools
    ]
    message: Json = {"role": "assistant", "content": said(behaviour), "tool_calls": calls or None}
    reason = behaviour.stop_reason or ("tool_calls" if calls else "stop")
    return {"choices": [{"index": 0, "message": message, "stop_reason": reason}]}


def mistral_chat_stream(body: Json, behaviour: Behaviour) -> Iterator[Json]:
    """Mistral by messages, streamed."""
    for text, last in _with_last(behaviour):
        reason = (behaviour.stop_reason or "stop") if last else None
        message = {"role": "assistant", "content": text}
        yield {"choices": [{"index": 0, "message": message, "stop_reason": reason}]}


def cohere(body: Json, behaviour: Behaviour) -> Json:
    """Command R."""
    history = [*body.get("chat_history", []), {"role": "USER", "message": body["message"]}]
    return {
        "response_id": "simulated-response",
        "generation_id": "simulated-generation",
        "text": said(behaviour),
        "chat_history": [*history, {"role": "CHATBOT", "message": said(behaviour)}],
        "finish_reason": behaviour.stop_reason or "COMPLETE",
    }


def cohere_stream(body: Json, behaviour: Behaviour) -> Iterator[Json]:
    """Command R, streamed."""
    whole = cohere(body, behaviour)
    for text in pieces_of(whole["text"], behaviour.pieces):
        yield {"is_finished": False, "event_type": "text-generation", "text": text}
    reason = whole["finish_reason"]
    yield {"is_finished": True, "event_type": "stream-end", "response": whole, "finish_reason": reason}


def _with_last(behaviour: Behaviour) -> Iterator[tuple[str, bool]]:
    pieces = list(pieces_of(said(behaviour), behaviour.pieces))
    yield from ((text, number == len(pieces)) for number, text in enumerate(pieces, 1))


def _vector(text: str, length: int) -> list[float]:
    return [round(((len(text) * 31 + place * 17) % 200 - 100) / 1000, 6) for place in range(length)]


def titan_embedding(body: Json, behaviour: Behaviour) -> Json:
    """Titan Embeddings V2."""
    vector = _vector(body["inputText"], body.get("dimensions", 1024))
    count = used(body["inputText"], behaviour)[0]
    return {"embedding": vector, "embeddingsByType": {"float": vector}, "inputTextTokenCount": count}


def titan_embedding_v1(body: Json, behaviour: Behaviour) -> Json:
    """Titan Embeddings V1."""
    count = used(body["inputText"], behaviour)[0]
    return {"embedding": _vector(body["inputText"], 1536), "inputTextTokenCount": count}


def cohere_embedding(body: Json, behaviour: Behaviour) -> Json:
    """Cohere Embed."""
    return {
        "embeddings": [_vector(text, 1024) for text in body["texts"]],
        "id": "simulated-embedding",
        "response_type": "embeddings_floats",
        "texts": body["texts"],
    }
