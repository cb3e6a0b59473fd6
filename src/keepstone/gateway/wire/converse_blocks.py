"""Converse's content blocks: one table from the block's name to where its text lies."""

from typing import Any

from keepstone.gateway.wire.rules import (
    TEXT_FORMATS,
    Rule,
    Shape,
    each,
    media,
    members,
    of,
    opaque,
    plain,
    signature,
    struct,
    text,
    text_file,
    tree,
)
from keepstone.gateway.wire.slots import Origin, Walk

_TEXTS = each(struct({"text": text}))
_ERROR: Shape = {"error": struct({"message": text})}
_IMAGE = media(_ERROR)


def _document(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
    """A file for the model: text formats are read, other formats are listed."""
    document = container[key]
    if type(document) is not dict:
        walk.tree(container, key, Origin.UNKNOWN)
        return
    named = document.get("format")
    known = type(named) is str and named in TEXT_FORMATS
    shape = _READABLE if known else _UNREADABLE
    members(walk, document, shape, origin if origin is Origin.TOOL else Origin.DOCUMENT)


def _document_shape(rule: Rule) -> Shape:
    source = struct({"bytes": rule, "text": text, "content": _TEXTS, "s3Location": opaque})
    return {"format": plain, "name": text, "context": text, "citations": plain, "source": source}


_READABLE = _document_shape(text_file)
_UNREADABLE = _document_shape(opaque)

_SEARCH_RESULT = struct({"source": text, "title": text, "content": _TEXTS, "citations": plain})
_CITATION_SHAPE: Shape = {
    "title": text,
    "source": text,
    "sourceContent": _TEXTS,
    "location": struct(
        {
            "web": struct({"url": text, "domain": text}),
            "documentChar": plain,
            "documentPage": plain,
            "documentChunk": plain,
            "searchResultLocation": plain,
        }
    ),
}

CITATION: Rule = of(Origin.DOCUMENT, struct(_CITATION_SHAPE))
"""One citation: what it quotes and where it found that."""

_TOOL_RESULT_BLOCKS: Shape = {
    "text": text,
    "json": tree,
    "image": _IMAGE,
    "video": media({}),
    "document": _document,
    "searchResult": _SEARCH_RESULT,
}

_GUARD_CONTENT = struct({"text": struct({"text": text, "qualifiers": plain}), "image": _IMAGE})

MESSAGE_BLOCKS: Shape = {
    "text": text,
    "image": _IMAGE,
    "video": media({}),
    "audio": media(_ERROR),
    "document": _document,
    "toolUse": struct(
        {"toolUseId": plain, "name": plain, "type": plain, "input": of(Origin.ASSISTANT, tree)}
    ),
    "toolResult": of(
        Origin.TOOL,
        struct(
            {"toolUseId": plain, "status": plain, "type": plain, "content": each(struct(_TOOL_RESULT_BLOCKS))}
        ),
    ),
    "guardContent": _GUARD_CONTENT,
    "cachePoint": plain,
    "reasoningContent": struct(
        {"reasoningText": struct({"text": text, "signature": signature}), "redactedContent": opaque}
    ),
    "citationsContent": struct({"content": _TEXTS, "citations": each(CITATION)}),
    "searchResult": of(Origin.DOCUMENT, _SEARCH_RESULT),
}
"""The blocks of a message; a block of another name is inspected as unknown."""

SYSTEM_BLOCKS: Shape = {"text": text, "guardContent": _GUARD_CONTENT, "cachePoint": plain}
"""The blocks of the system prompt."""
