"""Whether a value is what AWS's own service model says: members, types, choices, lengths, patterns.

botocore checks a request's required members and types; this checks the rest, too, and answers as well.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

import re2
from botocore.model import ListShape, MapShape, Shape, StructureShape

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, datetime),
    "blob": (bytes, str),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}
_LENGTH = {"string", "list", "map", "blob"}


def faults(shape: Shape | None, value: Any, at: str = "") -> Iterator[str]:
    """Say what of a value its shape does not allow, each with its place; nothing where all is well."""
    if shape is None:
        if value:
            yield f"{at or 'the answer'}: expected nothing"
        return
    if not _has_type(shape, value):
        yield f"{at}: expected `{shape.type_name}`, got `{type(value).__name__}`"
        return
    yield from _limits(shape, value, at)
    if isinstance(shape, StructureShape):
        yield from _members(shape, value, at)
    elif isinstance(shape, ListShape):
        for position, each in enumerate(value):
            yield from faults(shape.member, each, f"{at}[{position}]")
    elif isinstance(shape, MapShape):
        for key, each in value.items():
            yield from faults(shape.key, key, f"{at} (key)")
            yield from faults(shape.value, each, f"{at}.{key}")


def _has_type(shape: Shape, value: Any) -> bool:
    if isinstance(value, bool):
        return bool(shape.type_name == "boolean")
    return isinstance(value, _TYPES[shape.type_name])


def _members(shape: StructureShape, value: dict[str, Any], at: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield f"{at}.{name}: required"
    for name, each in value.items():
        if name not in shape.members:
            yield f"{at}.{name}: no such member"
        else:
            yield from faults(shape.members[name], each, f"{at}.{name}")


def _limits(shape: Shape, value: Any, at: str) -> Iterator[str]:
    rules = shape.metadata
    size = len(value) if shape.type_name in _LENGTH else value
    if shape.type_name in _LENGTH or isinstance(value, int | float):
        if "min" in rules and size < rules["min"]:
            yield f"{at}: expected at least {rules['min']}, got {size}"
        if "max" in rules and size > rules["max"]:
            yield f"{at}: expected at most {rules['max']}, got {size}"
    if "enum" in rules and value not in rules["enum"]:
        yield f"{at}: expected one of {sorted(rules['enum'])}, got `{value}`"
    if isinstance(value, str) and not _matches(rules.get("pattern"))(value):
        yield f"{at}: expected to match `{rules['pattern']}`, got `{value}`"


@cache
def _matches(pattern: str | None) -> Callable[[str], object]:
    """How a whole string is held against a pattern; one that neither engine reads is not checked."""
    if pattern is None:
        return _anything
    try:
        return re.compile(pattern).fullmatch
    except re.error:
        pass
    try:
        options = re2.Options()
        options.log_errors = False
        found: Callable[[str], object] = re2.compile(pattern, options).fullmatch
    except re2.error:
        return _anything
    return found


def _anything(_: str) -> bool:
    return True
