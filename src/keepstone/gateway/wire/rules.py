"""The grammar in which a body's shape is written down: small rules that say what a member holds.

A rule takes a walk, an address and the origin of what stands around it. A shape is a table from member names
to rules; a member that is in no table is walked as a tree of unknown origin. So a shape can be incomplete
without anything escaping inspection.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from keepstone.core.errors import RequestError
from keepstone.gateway.wire.slots import (
    Base64Slot,
    EmbeddedSlot,
    Origin,
    Slot,
    Walk,
    locate,
    readable_base64,
)

Rule = Callable[[Walk, Any, Any, Origin], None]
Shape = Mapping[str, Rule]

ROLES = {
    "user": Origin.USER,
    "USER": Origin.USER,
    "assistant": Origin.ASSISTANT,
    "CHATBOT": Origin.ASSISTANT,
    "system": Origin.SYSTEM,
    "SYSTEM": Origin.SYSTEM,
    "developer": Origin.SYSTEM,
    "tool": Origin.TOOL,
    "TOOL": Origin.TOOL,
}

TEXT_FORMATS = frozenset({"txt", "md", "csv", "html"})


class DocumentText(Struct, frozen=True):
    """What a body says: the addresses of its text, and the paths of content that is no text."""

    slots: list[Slot]
    uninspectable: tuple[str, ...] = ()


def text(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
    """The member is text of the surrounding origin."""
    walk.text(container, key, origin)


def tree(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
    """The member is a free-form value of the surrounding origin."""
    walk.tree(container, key, origin)


def plain(walk: Walk, container: Any, key: Any, _origin: Origin) -> None:
    """The member holds names, ids, constants or numbers; a string that looks like more is inspected."""
    walk.plain(container, key)


def finished(rule: Rule) -> Rule:
    """The member follows `rule`, and is complete: no later event of a stream goes on with it."""

    def apply(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
        first = len(walk.slots)
        rule(walk, container, key, origin)
        walk.settle(first)

    return apply


def skipped(_walk: Walk, _container: Any, _key: Any, _origin: Origin) -> None:
    """The member was dealt with by a rule beside it."""


def opaque(walk: Walk, container: Any, key: Any, _origin: Origin) -> None:
    """The member is content that cannot be read as text."""
    if container[key] is not None:
        walk.opaque.append((container, key))


def signature(walk: Walk, container: Any, key: Any, _origin: Origin) -> None:
    """The member is a provider's signature: base64 that a mask would break; anything else is inspected."""
    value = container[key]
    if type(value) is not str or not _SIGNATURE.issuperset(value):
        walk.tree(container, key, Origin.UNKNOWN)


_NUMBERS = frozenset({int, float})
_MOST_EMBEDDED = 64 * 1024
_OPENINGS = frozenset({"{", "["})
_SIGNATURE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-")


def of(origin: Origin, rule: Rule) -> Rule:
    """Give the member an origin of its own."""

    def apply(walk: Walk, container: Any, key: Any, _origin: Origin) -> None:
        rule(walk, container, key, origin)

    return apply


def struct(shape: Shape) -> Rule:
    """The member is an object of this shape."""

    def apply(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
        value = container[key]
        if type(value) is dict:
            members(walk, value, shape, origin)
        else:
            walk.tree(container, key, origin)

    return apply


def each(rule: Rule) -> Rule:
    """The member is a list whose items follow `rule`."""

    def apply(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
        value = container[key]
        if type(value) is list:
            for index in range(len(value)):
                rule(walk, value, index, origin)
        else:
            walk.tree(container, key, origin)

    return apply


def blocks(shape: Shape) -> Rule:
    """The member is a list of content blocks; the block of plain text, the usual one, is read at once."""
    rule = struct(shape)

    def apply(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
        value = container[key]
        if type(value) is not list:
            walk.tree(container, key, origin)
            return
        for index, block in enumerate(value):
            if type(block) is dict and len(block) == 1 and type(block.get("text")) is str:
                walk.slots.append(Slot(block, "text", origin))
            else:
                rule(walk, value, index, origin)

    return apply


def by_role(shape: Shape) -> Rule:
    """The member is a message: its `role` says the origin of what follows `shape` in it."""

    def apply(walk: Walk, container: Any, key: Any, _origin: Origin) -> None:
        value = container[key]
        if type(value) is not dict:
            walk.tree(container, key, Origin.UNKNOWN)
            return
        role = value.get("role")
        origin = ROLES.get(role, Origin.UNKNOWN) if type(role) is str else Origin.UNKNOWN
        for name in value:
            rule = shape.get(name)
            if rule is not None:
                rule(walk, value, name, origin)
            elif name != "role":
                walk.entry(value, name, Origin.UNKNOWN)
            elif origin is Origin.UNKNOWN:
                walk.plain(value, name)

    return apply


def mapping(rule: Rule) -> Rule:
    """The member is an object with keys of the caller's choice and values that follow `rule`."""

    def apply(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
        value = container[key]
        if type(value) is not dict:
            walk.tree(container, key, origin)
            return
        for name in value:
            if type(value[name]) is dict:
                walk.name(value, name, origin)
                rule(walk, value, name, origin)
            else:
                walk.entry(value, name, origin)

    return apply


def text_or(rule: Rule) -> Rule:
    """The member is text, or else follows `rule`."""

    def apply(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
        if type(container[key]) is str:
            walk.slots.append(Slot(container, key, origin))
        else:
            rule(walk, container, key, origin)

    return apply


def media(shape: Shape) -> Rule:
    """The member is an image, a film, a sound: its source cannot be read, the rest follows `shape`."""
    inner = {"source": skipped, "format": plain, **shape}

    def apply(walk: Walk, container: Any, key: Any, _origin: Origin) -> None:
        opaque(walk, container, key, Origin.UNKNOWN)
        value = container[key]
        if type(value) is dict:
            members(walk, value, inner, Origin.UNKNOWN)

    return apply


def numbers(walk: Walk, container: Any, key: Any, _origin: Origin) -> None:
    """The member is a vector, or vectors by name or number; strings among them are inspected."""
    value = container[key]
    if not (type(value) is list and _NUMBERS.issuperset(map(type, value))):
        walk.plain(container, key)


def json_text(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
    """The member is JSON within a string: what is read and masked are the strings inside it.

    What looks like JSON and cannot be looked into, because it is none or because it is too long to be written
    again for every mask, is content that cannot be read: whoever reads it later may read it otherwise.
    """
    value = container[key]
    if type(value) is str and not _embedded(walk, container, key, origin):
        if value.lstrip()[:1] in _OPENINGS:
            opaque(walk, container, key, origin)
        walk.text(container, key, origin)
    elif type(value) is not str:
        walk.text(container, key, origin)


def schema_text(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
    """The member is a JSON schema within a string: an object, whose strings are read and masked."""
    value = container[key]
    if type(value) is not str or value.lstrip()[:1] != "{" or not _embedded(walk, container, key, origin):
        raise RequestError("a JSON schema is not a JSON object, or is too long to be inspected")


def _embedded(walk: Walk, container: Any, key: Any, origin: Origin) -> bool:
    """Collect what stands inside a string of JSON; say whether it could be looked into."""
    value = container[key]
    if len(value) > _MOST_EMBEDDED:
        return False
    try:
        root = msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return False
    inside = Walk()
    inside.tree([root], 0, origin)
    if _repeats_a_key(value):
        container[key] = msgspec.json.encode(root).decode()  # what was read, and no more, is sent on
    walk.slots.extend(EmbeddedSlot(container, key, origin, slot, root) for slot in inside.slots)
    if inside.opaque:
        opaque(walk, container, key, origin)
    return True


def _repeats_a_key(value: str) -> bool:
    """Say whether an object in a JSON document has a key twice: its reader may take the other one."""
    repeated: list[bool] = []
    json.loads(value, object_pairs_hook=lambda pairs: repeated.append(len(dict(pairs)) < len(pairs)))
    return any(repeated)


def text_file(walk: Walk, container: Any, key: Any, origin: Origin) -> None:
    """The member is base64 that should be a UTF-8 file; what cannot be read is listed."""
    readable = readable_base64(container[key])
    if readable is None:
        opaque(walk, container, key, origin)
    else:
        walk.slots.append(Base64Slot(container, key, origin, readable))


def members(walk: Walk, value: dict[str, Any], shape: Shape, origin: Origin) -> None:
    """Apply a shape to the members of `value`."""
    for name in value:
        rule = shape.get(name)
        if rule is not None:
            rule(walk, value, name, origin)
        else:
            walk.entry(value, name, Origin.UNKNOWN)


def read(document: dict[str, Any], shape: Shape, origin: Origin = Origin.UNKNOWN) -> DocumentText:
    """Return the text of a whole document of this shape."""
    walk = Walk()
    members(walk, document, shape, origin)
    return DocumentText(walk.slots, locate(document, walk.opaque))
