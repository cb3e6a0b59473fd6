"""Decoding a body into its typed shape; what is wrong is told without the words of the caller.

msgspec quotes values and unknown names in its messages. They may be personal data and the message goes into
the record, so only its places are kept: they hold names of our own shapes and numbers.
"""

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from keepstone.core.errors import RequestError
from keepstone.gateway.wire.routes import is_clean_id

_T = TypeVar("_T")
_PLACE = re.compile(r" - at `(\$[^`]*)`")
_UNKNOWN = re.compile(r"unknown field `([a-z_]{1,40})`")
_SAFE = re.compile(r"Expected `[^`]*`(?:, got `[a-z]+`)?|Object missing required field `[^`]*`")


class Shape(Struct, forbid_unknown_fields=True):
    """A part of a body that takes the named members only: what is not carried is refused, not dropped."""


def decoded(decoder: msgspec.json.Decoder[_T], body: bytes, refused: frozenset[str] = frozenset()) -> _T:
    """Decode a body; raise `RequestError`. `refused` are members of the protocol that are named when met."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise RequestError(_told(str(error), refused)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError("the body is not valid JSON") from error
    except RecursionError as error:
        raise RequestError("the body nests too deep") from error


def _told(message: str, refused: frozenset[str]) -> str:
    found = _PLACE.search(message)
    place = f"`{found[1]}`" if found else "the body"
    unknown = _UNKNOWN.search(message)
    if unknown and unknown[1] in refused:
        return f"{place}: `{unknown[1]}` is not carried by this gateway; leave it out"
    if "unknown field" in message:
        return f"{place}: has a member that this gateway does not know, and so does not carry"
    safe = _SAFE.search(message)
    if safe:
        return f"{place}: {safe[0][0].lower()}{safe[0][1:]}"
    return f"{place}: a value that this gateway does not carry"


def model_id(name: str) -> str:
    """Return a model's id as it is; raise `RequestError` when it is not clean enough to be one."""
    if not name or not is_clean_id(name):
        raise RequestError("`$.model`: expected the id of a model")
    return name


def json_object(raw: str, place: str) -> dict[str, Any]:
    """Return the object in a string of JSON, such as a tool call's arguments; empty text is an empty one."""
    try:
        value = msgspec.json.decode(raw) if raw.strip() else {}
    except (ValueError, RecursionError) as error:
        raise RequestError(f"`{place}`: expected JSON within the string") from error
    if type(value) is not dict:
        raise RequestError(f"`{place}`: expected a JSON object within the string")
    return value


def only(value: object, allowed: tuple[object, ...], name: str) -> None:
    """Raise `RequestError` unless a member has one of the values that mean nothing special."""
    if value is not None and value not in allowed:
        raise RequestError(f"`$.{name}`: this value is not carried by this gateway; leave the member out")
