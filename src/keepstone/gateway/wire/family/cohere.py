"""Cohere's bodies: the older Command, Command R's chat, and embeddings."""

from keepstone.gateway.wire.deltas import padding
from keepstone.gateway.wire.family.shaped import Document, ShapedFamily, settings, text_chunks
from keepstone.gateway.wire.rules import (
    Shape,
    by_role,
    each,
    finished,
    numbers,
    of,
    opaque,
    struct,
    text,
    tree,
)
from keepstone.gateway.wire.slots import Origin

_SETTINGS = settings(
    "max_tokens", "temperature", "p", "k", "num_generations", "stream", "truncate", "return_likelihoods"
)
_TURN = by_role(
    {"message": text, "tool_calls": of(Origin.ASSISTANT, tree), "tool_results": of(Origin.TOOL, tree)}
)
_TOKENS: Shape = {"token_likelihoods": opaque}
"""The answer once more, token by token."""

_ANSWER: Shape = {
    **settings("id", "generation_id", "response_id", "finish_reason", "is_finished", "event_type", "meta"),
    "text": text,
    "prompt": finished(of(Origin.USER, text)),
    "generations": each(struct({**settings("id", "finish_reason", "index"), "text": text, **_TOKENS})),
    "chat_history": finished(each(_TURN)),
    "citations": finished(of(Origin.DOCUMENT, tree)),
    "documents": finished(of(Origin.DOCUMENT, tree)),
    "tool_calls": finished(tree),
    "search_queries": finished(tree),
    **_TOKENS,
}
_CHUNK: Shape = {**_ANSWER, "response": finished(struct(_ANSWER)), "p": padding}
_PATHS: dict[str, tuple[str | int, ...]] = {"text": ("text",), "generations": ("generations", 0, "text")}


def _is_last(document: Document) -> bool:
    return document.get("is_finished") is True


def _generations(sentence: str) -> Document:
    generation = {"id": "keepstone", "text": sentence, "finish_reason": "COMPLETE"}
    return {"id": "keepstone", "generations": [generation]}


def _chat(sentence: str) -> Document:
    return {
        "response_id": "keepstone",
        "generation_id": "keepstone",
        "text": sentence,
        "finish_reason": "COMPLETE",
    }


def _events(sentence: str) -> list[Document]:
    return [
        {"is_finished": False, "event_type": "text-generation", "text": sentence},
        {
            "is_finished": True,
            "event_type": "stream-end",
            "finish_reason": "COMPLETE",
            "response": _chat(sentence),
        },
    ]


COMMAND = ShapedFamily(
    name="cohere-command",
    request={**_SETTINGS, "prompt": of(Origin.USER, text)},
    response=_ANSWER,
    answer=_generations,
    events=lambda sentence: [{"text": sentence, "is_finished": True, "finish_reason": "COMPLETE"}],
    meaning=text_chunks(_CHUNK, _PATHS, _is_last),
)
"""Command and Command Light."""

COMMAND_R = ShapedFamily(
    name="cohere-chat",
    request={
        **_SETTINGS,
        **settings("prompt_truncation", "seed", "search_queries_only", "force_single_step"),
        "message": of(Origin.USER, text),
        "stop_sequences": each(text),
        "preamble": of(Origin.SYSTEM, text),
        "chat_history": each(_TURN),
        "documents": of(Origin.DOCUMENT, tree),
        "tools": of(Origin.SYSTEM, tree),
        "tool_results": of(Origin.TOOL, tree),
    },
    response=_ANSWER,
    answer=_chat,
    events=_events,
    meaning=text_chunks(_CHUNK, _PATHS, _is_last),
)
"""Command R and R+."""

EMBED = ShapedFamily(
    name="cohere-embed",
    request={
        **settings("input_type", "truncate", "embedding_types", "output_dimension", "max_tokens"),
        "texts": of(Origin.USER, each(text)),
        "images": opaque,
    },
    response={
        **settings("id", "response_type"),
        "embeddings": numbers,
        "texts": of(Origin.USER, each(text)),
    },
    answer=lambda sentence: {"id": "keepstone", "embeddings": [], "message": sentence},
    events=lambda sentence: [{"message": sentence}],
    meaning=text_chunks({}, {}, _is_last),
    limit=(),
    answers_in_text=False,
)
"""Embed."""
