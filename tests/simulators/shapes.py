"""Values against botocore's service model: what AWS would refuse, and what it would never answer.

The walk checks required members, types, lengths and ranges, enums, patterns and unions. Members that the
model does not know are let through in requests and are a bug in answers.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import botocore.session

Violations = Iterator[str]


@cache
def service(name: str = "bedrock-runtime") -> Any:
    """botocore's model of a service."""
    return botocore.session.get_session().get_service_model(name)


class Rules(NamedTuple):
    """How strict a walk is."""

    closed: bool
    where: str = ""

    def at(self, step: str) -> "Rules":
        """The same strictness, one step deeper."""
        return Rules(self.closed, f"{self.where}.{step}" if self.where else step)


def request_violations(operation: str, value: dict[str, Any], of: str = "bedrock-runtime") -> list[str]:
    """What AWS would refuse of an operation's input, in its words."""
    return list(_walk(service(of).operation_model(operation).input_shape, value, Rules(closed=False)))


def answer_violations(operation: str, value: dict[str, Any], of: str = "bedrock-runtime") -> list[str]:
    """Where an answer is none that AWS could give."""
    return list(_walk(service(of).operation_model(operation).output_shape, value, Rules(closed=True)))


def event_violations(operation: str, event: str, value: dict[str, Any]) -> list[str]:
    """Where an event of a streaming operation is none that AWS could send."""
    stream = service().operation_model(operation).get_event_stream_output()
    if event not in stream.members:
        return [f"`{operation}` has no event `{event}`"]
    return list(_walk(stream.members[event], value, Rules(closed=True)))


def _walk(shape: Any, value: Any, rules: Rules) -> Violations:
    if getattr(shape, "is_document_type", False):
        return
    if not _CHECKS[shape.type_name][0](value):
        where = f"Value at '{rules.where}' failed to satisfy constraint"
        yield f"{where}: Member must be of type {shape.type_name}"
        return
    yield from _CHECKS[shape.type_name][1](shape, value, rules)


def _structure(shape: Any, value: dict[str, Any], rules: Rules) -> Violations:
    given = {name: item for name, item in value.items() if item is not None}
    for name in shape.required_members:
        if name not in given:
            where = rules.at(name).where
            yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    known = [name for name in given if name in shape.members]
    if getattr(shape, "is_tagged_union", False) and len(known) != 1:
        yield f"Value at '{rules.where}' failed to satisfy constraint: exactly one member must be set"
    for name in known:
        yield from _walk(shape.members[name], given[name], rules.at(name))
    if rules.closed and len(known) < len(given):
        yield f"unknown members at '{rules.where}': {sorted(given.keys() - set(known))}"


def _list(shape: Any, value: list[Any], rules: Rules) -> Violations:
    yield from _bounds(shape, len(value), rules, "length")
    for index, item in enumerate(value, 1):
        yield from _walk(shape.member, item, rules.at(f"{index}.member"))


def _map(shape: Any, value: dict[str, Any], rules: Rules) -> Violations:
    yield from _bounds(shape, len(value), rules, "length")
    for name, item in value.items():
        yield from _walk(shape.key, name, rules.at("key"))
        yield from _walk(shape.value, item, rules.at(f"{name}.value"))


def _string(shape: Any, value: str, rules: Rules) -> Violations:
    yield from _bounds(shape, len(value), rules, "length")
    where = f"Value at '{rules.where}' failed to satisfy constraint: Member must satisfy"
    if shape.enum and value not in shape.enum:
        yield f"{where} enum value set: [{', '.join(shape.enum)}]"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield f"{where} regular expression pattern: {pattern}"


def _blob(shape: Any, value: str | bytes, rules: Rules) -> Violations:
    yield from _bounds(shape, len(_bytes(value) or b""), rules, "length")


def _number(shape: Any, value: float, rules: Rules) -> Violations:
    yield from _bounds(shape, value, rules, "value")


def _bounds(shape: Any, size: float, rules: Rules, what: str) -> Violations:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    where = f"Value at '{rules.where}' failed to satisfy constraint: Member must have {what}"
    if least is not None and size < least:
        yield f"{where} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"{where} less than or equal to {most}"


def _bytes(value: Any) -> bytes | None:
    """A blob as it stands in JSON (base64) or as it is in a body."""
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _nothing(shape: Any, value: Any, rules: Rules) -> Violations:
    return iter(())


_Check = tuple[Callable[[Any], bool], Callable[[Any, Any, Rules], Violations]]
_CHECKS: dict[str, _Check] = {
    "structure": (lambda value: isinstance(value, dict), _structure),
    "list": (lambda value: isinstance(value, list), _list),
    "map": (lambda value: isinstance(value, dict), _map),
    "string": (lambda value: isinstance(value, str), _string),
    "blob": (lambda value: _bytes(value) is not None, _blob),
    "boolean": (lambda value: isinstance(value, bool), _nothing),
    "timestamp": (lambda value: _is_number(value) or isinstance(value, str), _nothing),
    "integer": (_is_integer, _number),
    "long": (_is_integer, _number),
    "float": (_is_number, _number),
    "double": (_is_number, _number),
}
