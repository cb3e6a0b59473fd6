"""The policy document's reference page, from its msgspec types."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import NODEFAULT, inspect

from keepstone.core.exchange import DataClass
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import PiiType

HEAD = """# The policy document

Every field of `keepstone.yaml`, from the types that read it. [The policy](../policy.md) explains how it
works; `keepstone policy schema` prints the same as JSON Schema. A field without a default is required. A
`name` is 1 to 64 of `a-z 0-9 . _ -`. A duration is a number and a unit: `500ms`, `30s`, `1m`, `12h`, `90d`.

"""
DURATION = "such as `500ms`, `30s`, `1m`"
ORDERS = (tuple(each.label for each in DataClass), ("LOW", "MEDIUM", "HIGH"))
"""Literals whose order means something; msgspec tells their values in alphabetical order."""


def policy_page() -> str:
    """Return the page: the document first, then each part in the order in which it is met."""
    parts = [_section(each) for each in _structs(inspect.type_info(Policy))]
    return HEAD + "\n".join([*parts, _values(PiiType)])


def _section(struct: inspect.StructType) -> str:
    title = "The document" if struct.cls is Policy else struct.cls.__name__
    tag = f" `{struct.tag_field}: {struct.tag}`." if struct.tag is not None else ""
    text = _sentence(struct.cls)
    lines = [f"## {title}\n\n{text}{tag}\n\n| field | type | default | what it says |\n|---|---|---|---|\n"]
    for each in struct.fields:
        kind, description = _type(each.type)
        cells = (f"`{each.encode_name}`", kind, _default(each), description)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(lines)


def _values(enum: type[PiiType]) -> str:
    names = ", ".join(f"`{each.value}`" for each in enum)
    return f"## {enum.__name__}\n\n{_sentence(enum)}\n\n{names}\n"


def _structs(root: inspect.Type) -> list[inspect.StructType]:
    """Return every struct below `root`, breadth first, once."""
    found: dict[type, inspect.StructType] = {}
    waiting = [root]
    while waiting:
        for each in _members(waiting.pop(0)):
            if each.cls not in found:
                found[each.cls] = each
                waiting += [field.type for field in each.fields]
    return list(found.values())


def _members(node: inspect.Type) -> Iterator[inspect.StructType]:
    match node:
        case inspect.StructType():
            yield node
        case inspect.Metadata():
            yield from _members(node.type)
        case inspect.UnionType():
            for each in node.types:
                yield from _members(each)
        case inspect.VarTupleType():
            yield from _members(node.item_type)
        case inspect.DictType():
            yield from _members(node.value_type)
        case _:
            return


def _type(node: inspect.Type) -> tuple[str, str]:
    """Return how a type is written for people, and its description: the field's own, else its type's."""
    if isinstance(node, inspect.Metadata):
        kind, inner = _type(node.type)
        described = str((node.extra_json_schema or {}).get("description", inner))
        return ("duration", "") if described == DURATION else (kind, described)
    return _kind(node), _sentence(node.cls) if isinstance(node, inspect.StructType | inspect.EnumType) else ""


def _sentence(cls: type) -> str:
    return " ".join((cls.__doc__ or "").split())


def _kind(node: inspect.Type) -> str:
    match node:
        case inspect.StructType():
            return _link(node.cls)
        case inspect.UnionType():
            kinds = [_type(each)[0] for each in node.types if not isinstance(each, inspect.NoneType)]
            return " or ".join(kinds)
        case inspect.VarTupleType():
            return f"list of {_item(node.item_type)}"
        case inspect.DictType():
            return f"map of {_item(node.key_type)} to {_item(node.value_type)}"
        case inspect.LiteralType():
            return ", ".join(f"`{each}`" for each in _ordered(node.values))
        case inspect.EnumType():
            return (
                _link(node.cls) if node.cls is PiiType else ", ".join(f"`{each.value}`" for each in node.cls)
            )
        case inspect.IntType():
            return f"number{_range(node.ge, node.le)}"
        case _:
            return "text"


def _link(cls: type) -> str:
    return f"[{cls.__name__}](#{cls.__name__.lower()})"


def _ordered(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return next((order for order in ORDERS if set(order) == set(values)), values)


def _item(node: inspect.Type) -> str:
    kind, description = _type(node)
    return "name" if description == "lower-case name" else kind


def _range(least: int | None, most: int | None) -> str:
    if least is None and most is None:
        return ""
    return f", {least} to {most}" if most is not None else f", at least {least}"


def _default(field: inspect.Field) -> str:
    value: Any = field.default
    if value is NODEFAULT:
        if field.default_factory is NODEFAULT:
            return ""
        value = field.default_factory()
    if isinstance(value, msgspec.Struct):
        return "each field's"
    plain = msgspec.to_builtins(value)
    if plain is None or plain in ("", (), [], {}):
        return "none"
    many = isinstance(plain, list | tuple | dict)
    return f"`{', '.join(plain)}`" if many else f"`{plain}`"
