"""From a method and a raw path to an operation and its model or guardrail.

Clients spell one model id in several ways: botocore writes `:` as `%3A` and the `/` of an ARN as `%2F`,
others send both raw. The id is percent-decoded exactly once, so that what policy compares is what is sent.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from keepstone.core.exchange import Operation

MAX_ID = 2048  # the longest modelId of the service model

_MODEL_OPERATIONS = {
    b"converse": Operation.CONVERSE,
    b"converse-stream": Operation.CONVERSE_STREAM,
    b"invoke": Operation.INVOKE_MODEL,
    b"invoke-with-response-stream": Operation.INVOKE_MODEL_STREAM,
    b"count-tokens": Operation.COUNT_TOKENS,
}
_MODEL = b"/model/"
_GUARDRAIL = re.compile(rb"/guardrail/(.+)/version/([^/]+)/apply")
_VERSION = re.compile(r"DRAFT|[1-9][0-9]{0,7}")
_ESCAPE = re.compile(rb"%(..?)?", re.DOTALL)
_HEX = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Route:
    """What a path names: an operation, and a model, or a guardrail with its version."""

    operation: Operation
    model_id: str = ""
    guardrail_id: str = ""
    guardrail_version: str = ""


@lru_cache(maxsize=512)
def parse(method: str, raw_path: bytes) -> Route | None:
    """Return the route of a request, or `None` when the protocol has no such path or the id is not clean.

    No operation takes a query, so none is read.
    """
    if method != "POST" or len(raw_path) > 3 * MAX_ID + 64:
        return None
    if raw_path.startswith(_MODEL):
        name, separator, tail = raw_path[len(_MODEL) :].rpartition(b"/")
        operation = _MODEL_OPERATIONS.get(tail)
        model_id = _identifier(name) if separator else None
        return Route(operation, model_id=model_id) if operation and model_id else None
    return _guardrail(raw_path)


def _guardrail(raw_path: bytes) -> Route | None:
    found = _GUARDRAIL.fullmatch(raw_path)
    if found is None:
        return None
    name, version = _identifier(found[1]), _identifier(found[2])
    if name is None or version is None or not _VERSION.fullmatch(version):
        return None
    return Route(Operation.APPLY_GUARDRAIL, guardrail_id=name, guardrail_version=version)


def _identifier(raw: bytes) -> str | None:
    """Decode an id once; refuse control and format characters, broken escapes, and path tricks."""
    if any(_is_broken(escape[1]) for escape in _ESCAPE.finditer(raw)):
        return None
    try:
        text = _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), raw).decode()
    except UnicodeDecodeError:
        return None
    return text if is_clean_id(text) else None


def is_clean_id(text: str) -> bool:
    """Say whether an id that was not in a path holds nothing that one in a path must not hold."""
    if not text.isprintable() or not 0 < len(text) <= MAX_ID:
        return False
    return not any(segment in ("", ".", "..") for segment in text.split("/"))


def _is_broken(digits: bytes | None) -> bool:
    return digits is None or len(digits) != 2 or not _HEX.issuperset(digits)
