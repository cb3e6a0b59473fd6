"""Amazon Titan's bodies: text generation, and embeddings of text and images."""

from keepstone.gateway.wire.family.shaped import Document, ShapedFamily, counted_at, settings, text_chunks
from keepstone.gateway.wire.rules import Shape, each, numbers, of, opaque, plain, struct, text
from keepstone.gateway.wire.slots import Origin

_COUNTS = ("inputTextTokenCount", "totalOutputTextTokenCount", "", "")
_INPUT = of(Origin.USER, text)
_CHUNK: Shape = {
    **settings("index", "inputTextTokenCount", "totalOutputTextTokenCount", "completionReason"),
    "outputText": text,
}


def _answer(sentence: str) -> Document:
    result = {"tokenCount": 0, "outputText": sentence, "completionReason": "CONTENT_FILTERED"}
    return {"inputTextTokenCount": 0, "results": [result]}


def _events(sentence: str) -> list[Document]:
    return [
        {
            "outputText": sentence,
            "index": 0,
            "totalOutputTextTokenCount": 0,
            "completionReason": "CONTENT_FILTERED",
            "inputTextTokenCount": 0,
        }
    ]


def _is_last(document: Document) -> bool:
    return document.get("completionReason") is not None


TEXT = ShapedFamily(
    name="titan-text",
    request={"inputText": _INPUT, "textGenerationConfig": plain},
    response={
        "inputTextTokenCount": plain,
        "results": each(struct({**settings("tokenCount", "completionReason"), "outputText": text})),
    },
    answer=_answer,
    events=_events,
    meaning=text_chunks(_CHUNK, {"text": ("outputText",)}, _is_last),
    counted=counted_at("", _COUNTS),
    limit=(("textGenerationConfig", "maxTokenCount"),),
)
"""Titan Text."""

EMBEDDINGS = ShapedFamily(
    name="titan-embeddings",
    request={
        **settings("dimensions", "normalize", "embeddingTypes", "embeddingConfig"),
        "inputText": _INPUT,
        "inputImage": opaque,
    },
    response={
        **settings("inputTextTokenCount"),
        "embedding": numbers,
        "embeddingsByType": numbers,
        "message": text,
    },
    answer=lambda sentence: {"embedding": [], "inputTextTokenCount": 0, "message": sentence},
    events=lambda sentence: [{"message": sentence}],
    meaning=text_chunks({}, {}, _is_last),
    counted=counted_at("", _COUNTS),
    limit=(),
    answers_in_text=False,
)
"""Titan Text Embeddings and Titan Multimodal Embeddings."""
