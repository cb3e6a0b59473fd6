"""InvokeModel's bodies by family: how a caller asks, and where it reads the answer."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any, NamedTuple

Json = dict[str, Any]


class Family(NamedTuple):
    """A model of the family, a request body for a text, and the text of an answer and of a chunk."""

    model: str
    ask: Callable[[str], Json]
    said: Callable[[Json], str]
    piece: Callable[[Json], str]


def _anthropic_piece(chunk: Json) -> str:
    return str(chunk.get("delta", {}).get("text", ""))


def _nova_piece(chunk: Json) -> str:
    return str(chunk.get("contentBlockDelta", {}).get("delta", {}).get("text", ""))


def _choice_piece(chunk: Json) -> str:
    (choice,) = chunk["choices"]
    return (choice.get("message") or choice.get("delta") or {}).get("content") or ""


def _user(text: str, *, blocks: bool = False) -> list[Json]:
    return [{"role": "user", "content": [{"text": text}] if blocks else text}]


FAMILIES = {
    "anthropic": Family(
        "anthropic.claude-3-haiku-20240307-v1:0",
        lambda text: {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 99,
            "messages": _user(text),
        },
        lambda answer: answer["content"][0]["text"],
        _anthropic_piece,
    ),
    "nova": Family(
        "amazon.nova-lite-v1:0",
        lambda text: {"messages": _user(text, blocks=True)},
        lambda answer: answer["output"]["message"]["content"][0]["text"],
        _nova_piece,
    ),
    "titan": Family(
        "amazon.titan-text-express-v1",
        lambda text: {"inputText": text, "textGenerationConfig": {"maxTokenCount": 99}},
        lambda answer: answer["results"][0]["outputText"],
        lambda chunk: chunk["outputText"],
    ),
    "llama": Family(
        "meta.llama3-8b-instruct-v1:0",
        lambda text: {"prompt": text, "max_gen_len": 99},
        lambda answer: answer["generation"],
        lambda chunk: chunk["generation"],
    ),
    "mistral": Family(
        "mistral.mistral-7b-instruct-v0:2",
        lambda text: {"prompt": text, "max_tokens": 99},
        lambda answer: answer["outputs"][0]["text"],
        lambda chunk: chunk["outputs"][0]["text"],
    ),
    "mistral-chat": Family(
        "mistral.mistral-large-2407-v1:0",
        lambda text: {"messages": _user(text), "max_tokens": 99},
        lambda answer: answer["choices"][0]["message"]["content"],
        _choice_piece,
    ),
    "cohere": Family(
        "cohere.command-r-v1:0",
        lambda text: {"message": text, "max_tokens": 99},
        lambda answer: answer["text"],
        lambda chunk: chunk["text"] if chunk["event_type"] == "text-generation" else "",
    ),
}

EMBEDDINGS: dict[str, tuple[str, Callable[[str], Json], Callable[[Json], list[float]]]] = {
    "titan-1": (
        "amazon.titan-embed-text-v1",
        lambda text: {"inputText": text},
        lambda answer: answer["embedding"],
    ),
    "titan-2": (
        "amazon.titan-embed-text-v2:0",
        lambda text: {"inputText": text, "dimensions": 256},
        lambda answer: answer["embedding"],
    ),
    "cohere": (
        "cohere.embed-english-v3",
        lambda text: {"texts": [text], "input_type": "search_document"},
        lambda answer: answer["embeddings"][0],
    ),
}


def streamed(answer: Any, family: Family) -> tuple[str, list[Json]]:
    """The text of an InvokeModelWithResponseStream answer, and its chunks."""
    with closing(answer["body"]) as events:
        chunks = [json.loads(event["chunk"]["bytes"]) for event in events]
    return "".join(family.piece(chunk) for chunk in chunks), chunks
