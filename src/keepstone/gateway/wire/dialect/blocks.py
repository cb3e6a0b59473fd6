"""What all dialects ask about a block of an answer."""

from collections.abc import Mapping
from typing import Any

from keepstone.core.errors import RequestError

_KINDS = ("image", "audio", "video", "document", "toolResult", "searchResult")


def text_of(block: Mapping[str, Any]) -> str | None:
    """Return the text of a block, cited or not; `None` when it is no text."""
    if "text" in block:
        return str(block["text"])
    if "citationsContent" in block:
        return "".join(str(piece["text"]) for piece in block["citationsContent"]["content"])
    return None


def not_carried(block: Mapping[str, Any]) -> RequestError:
    """Return the error for a block that a dialect has no word for."""
    kind = next((name for name in _KINDS if name in block), "content")
    return RequestError(f"the model answered with `{kind}`, which this protocol does not carry; use Converse")
