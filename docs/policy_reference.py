"""The policy document's reference page, from its msgspec types."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import NODEFAULT, inspect

from keepstone.core.exchange import DataClass, Operation
from keepstone.policy.forms import FORMS
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import Guardrail, PiiType
from keepstone.policy.schema.words import ModelGlob

HEAD = """# The policy document

Every field of `keepstone.yaml`, from the types that read it. [The policy](../policy.md) explains how it
works; `keepstone policy schema` prints the same as JSON Schema, `keepstone policy explain` says what a
document of yours means. A field without a default is **required**. Words in *italics* are forms of text: they
stand [at the end](#forms), each with an example.

"""
_LABELS = tuple(each.label for each in DataClass)
ORDERS = (_LABELS, ("as-found", *_LABELS), ("LOW", "MEDIUM", "HIGH"))
"""Literals whose order means something; msgspec tells their values in alphabetical order."""
KINDS = {
    frozenset(_LABELS): "[data class](#data-classes)",
    frozenset(("*", *(each.value for each in Operation))): "[operation](#operations)",
}
"""Sets of choices that have a place of their own on the page."""
MOST_INLINE = 10
NO_BOUND = 10**15
Places = dict[type, list[str]]


def policy_page() -> str:
    """Return the page: the document first, then each part below the field that holds it."""
    places: Places = {}
    order: dict[type, tuple[int, inspect.StructType]] = {}
    _visit(inspect.type_info(Policy), "", 2, places, order)
    parts = [_section(struct, level, places[cls]) for cls, (level, struct) in order.items()]
    return HEAD + "\n".join([*parts, _choices_of_page(), _forms()])


def _visit(
    node: inspect.Type,
    path: str,
    level: int,
    places: Places,
    order: dict[type, tuple[int, inspect.StructType]],
) -> None:
    """Note every struct below a type once, in the order of reading, and every place at which it stands."""
    for struct, where in _members(node, path):
        known = struct.cls in order
        places.setdefault(struct.cls, []).append(where)
        if known:
            continue
        order[struct.cls] = (level, struct)
        for each in struct.fields:
            below = f"{where}.{each.encode_name}" if where else each.encode_name
            _visit(each.type, below, 2 if struct.cls is Policy else 3, places, order)


def _members(node: inspect.Type, path: str) -> Iterator[tuple[inspect.StructType, str]]:
    match node:
        case inspect.StructType():
            yield node, path
        case inspect.Metadata():
            yield from _members(node.type, path)
        case inspect.UnionType():
            for each in node.types:
                yield from _members(each, path)
        case inspect.VarTupleType():
            yield from _members(node.item_type, f"{path}[]")
        case inspect.DictType():
            yield from _members(node.value_type, f"{path}.<{_plain(node.key_type)}>")
        case _:
            return


def _section(struct: inspect.StructType, level: int, places: list[str]) -> str:
    title = "The document" if struct.cls is Policy else struct.cls.__name__
    parts = [f"{'#' * level} {title}\n", _sentence(struct.cls)]
    if struct.tag is not None:
        parts[-1] += f" Chosen by `{struct.tag_field}: {struct.tag}`."
    if struct.cls is not Policy:
        shown = ", ".join(f"`{each}`" for each in dict.fromkeys(places[:4]))
        parts.append(f"\nAt {shown}{' and elsewhere' if len(places) > 4 else ''}.")
    if not struct.fields:
        return "\n".join([*parts, "\nIt has no fields of its own.\n"])
    lines = ["\n| field | type | default | what it says |\n|---|---|---|---|\n"]
    lines += [_row(each) for each in struct.fields]
    return "\n".join(parts) + "\n" + "".join(lines)


def _row(field: inspect.Field) -> str:
    cells = (f"`{field.encode_name}`", type_of(field), _default(field), described(field))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def described(field: inspect.Field) -> str:
    """Return what a field says: its own description, or that of the one thing that it holds."""
    return _description(field.type)


def _description(node: inspect.Type) -> str:
    match node:
        case inspect.Metadata():
            own = (node.extra_json_schema or {}).get("description")
            return str(own) if own else _description(node.type)
        case inspect.StructType() | inspect.EnumType():
            return _sentence(node.cls)
        case inspect.UnionType():
            return next(filter(None, map(_description, node.types)), "")
        case _:
            return ""


def type_of(field: inspect.Field) -> str:
    """Return a field's type as people write it."""
    return _kind(field.type)


def _sentence(cls: type) -> str:
    return " ".join((cls.__doc__ or "").split())


def _kind(node: inspect.Type) -> str:
    match node:
        case inspect.Metadata():
            return _kind(node.type)
        case inspect.StructType():
            return _link(node.cls)
        case inspect.UnionType():
            return _either(node)
        case inspect.VarTupleType():
            return _listed("list", node) + _kind(node.item_type)
        case inspect.DictType():
            return f"{_listed('map', node)}{_kind(node.key_type)} to {_kind(node.value_type)}"
        case inspect.LiteralType():
            return KINDS.get(frozenset(node.values)) or _one_of(_ordered(node.values))
        case inspect.EnumType():
            return _link(node.cls) if node.cls is PiiType else _one_of(each.value for each in node.cls)
        case _:
            return _scalar(node)


def _scalar(node: inspect.Type) -> str:
    match node:
        case inspect.StrType():
            return _text(node)
        case inspect.IntType():
            return f"whole number{_range(node.ge, node.le)}"
        case inspect.FloatType():
            return f"number{_range(node.ge, node.le, above=node.gt)}"
        case inspect.BoolType():
            return "`true` or `false`"
        case inspect.DateType():
            return "*day*"
        case inspect.AnyType():
            return "any value"
        case _:
            raise TypeError(f"the page has no words for {node}")


def _text(node: inspect.StrType) -> str:
    if node.pattern:
        form = FORMS[node.pattern]
        return f"text ({form.words})" if form.kind == "text" else f"*{form.kind}*"
    if _bounds(node) == _bounds(inspect.type_info(ModelGlob)):
        return "*model*"
    return "text" if node.max_length is None else f"text (at most {node.max_length:,} characters)"


def _bounds(node: inspect.Type) -> tuple[int | None, int | None]:
    inner = node.type if isinstance(node, inspect.Metadata) else node
    assert isinstance(inner, inspect.StrType)  # noqa: S101 - only asked of texts
    return inner.min_length, inner.max_length


def _either(node: inspect.UnionType) -> str:
    """Return the choices of a union as one list of words; parts with a tag by it, and numbers once."""
    words = dict.fromkeys(word for each in node.types for word in _words(each))
    if {"whole number", "number"} <= words.keys():
        del words["whole number"]
    return _or(list(words))


def _words(node: inspect.Type) -> list[str]:
    match node:
        case inspect.Metadata():
            return _words(node.type)
        case inspect.NoneType():
            return []
        case inspect.StructType() if node.tag is not None:
            return [f"[`{node.tag}`](#{node.cls.__name__.lower()})"]
        case inspect.EnumType() if node.cls is not PiiType:
            return [f"`{each.value}`" for each in node.cls]
        case inspect.BoolType():
            return ["`true`", "`false`"]
        case _:
            return [_kind(node)]


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _listed(name: str, node: inspect.VarTupleType | inspect.DictType) -> str:
    """Return `list of` or `map of` with how many entries there may be."""
    most = f"at most {node.max_length:,} " if node.max_length else ""
    return f"{'non-empty ' if node.min_length else ''}{name} of {most}"


def _link(cls: type) -> str:
    return f"[{cls.__name__}](#{cls.__name__.lower()})"


def _one_of(values: Any) -> str:
    words = [f"`{each}`" for each in values]
    if len(words) > MOST_INLINE:
        raise ValueError(f"{words} want a place of their own on the page")
    return _or(words)


def _ordered(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return next((order for order in ORDERS if set(order) == set(values)), values)


def _plain(node: inspect.Type) -> str:
    return _kind(node).strip("*").partition("]")[0].lstrip("[").lower()


def _range(least: float | None, most: float | None, *, above: float | None = None) -> str:
    """Return the bounds of a number in parentheses; what is too large to be meant is none."""
    low = f"above {above:,g}" if above is not None else "" if least is None else _figure(least)
    high = "" if most is None or most >= NO_BOUND else _figure(most)
    if low and high:
        return f" ({low} to {high})" if above is None else f" ({low}, at most {high})"
    return f" (at least {low})" if low and above is None else f" ({low or high})" if low or high else ""


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def _default(field: inspect.Field) -> str:
    value: Any = field.default
    if value is NODEFAULT:
        if field.default_factory is NODEFAULT:
            return "**required**"
        value = field.default_factory()
    if isinstance(value, msgspec.Struct):
        return "its own"
    if value == {"default": Guardrail()}:
        return "`default`, with its own defaults"
    plain = msgspec.to_builtins(value)
    match plain:
        case None:
            return "absent"
        case "" | () | [] | {}:
            return "empty"
        case bool():
            return f"`{str(plain).lower()}`"
        case list() | tuple() | dict():
            return ", ".join(f"`{each}`" for each in plain)
        case _:
            return f"`{plain}`"


def _choices_of_page() -> str:
    """Return the lists of words that fields link to."""
    classes = " < ".join(f"`{each.label}`" for each in DataClass)
    operations = ", ".join(f"`{each.value}`" for each in Operation)
    types = ", ".join(f"`{each.value}`" for each in PiiType)
    return (
        f"## Data classes\n\n{classes}\n\n## Operations\n\n{operations}, or `*` for all of them.\n\n"
        f"## {PiiType.__name__}\n\n{_sentence(PiiType)} [Detectors](detectors.md) lists how.\n\n{types}\n"
    )


def _forms() -> str:
    lines = ["## Forms\n\n| form | what it looks like | such as |\n|---|---|---|\n"]
    rows = {(form.kind, form.words, form.example) for form in FORMS.values() if form.kind != "text"}
    rows.add(("model", "a model id, or a pattern in which `*` stands for any text", "eu.anthropic.*"))
    for kind, words, example in sorted(rows):
        lines.append(f"| *{kind}* | {words} | `{example}` |\n")
    return "".join(lines)
