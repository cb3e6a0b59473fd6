"""The tree against the document's types: every field, type, choice, pattern and bound that is wrong, at once.

msgspec has the last word when it decodes; it stops at the first fault, so this walk over the same type
descriptions runs first and finds all of them. A test proves that the two agree.
"""

import difflib
import functools
import re
from collections.abc import Iterable, Iterator
from datetime import date

from msgspec import inspect

from keepstone.policy.forms import FORMS
from keepstone.policy.problems import Fault, Path, shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.upstreams import SecretRef
from keepstone.policy.tree import Node


@functools.cache
def policy_type() -> inspect.Type:
    """Return the description of the whole document's type."""
    return inspect.type_info(Policy)


def faults_of_shape(root: Node) -> Iterator[Fault]:
    """Yield every fault in the shape of a document."""
    yield from _check(root, policy_type(), ())


def faults_of_type(root: Node, expected: type) -> Iterator[Fault]:
    """Yield every fault in the shape of another kind of document."""
    yield from _check(root, inspect.type_info(expected), ())


def _check(node: Node, kind: inspect.Type, path: Path) -> Iterator[Fault]:
    match kind:
        case inspect.Metadata(type=inner):
            yield from _check(node, inner, path)
        case inspect.StructType():
            yield from _struct(node, kind, path)
        case inspect.UnionType():
            yield from _union(node, kind, path)
        case inspect.DictType():
            yield from _dict(node, kind, path)
        case inspect.VarTupleType():
            yield from _list(node, kind, path)
        case _:
            yield from _scalar(node, kind, path)


def _struct(node: Node, kind: inspect.StructType, path: Path) -> Iterator[Fault]:
    if not isinstance(node.value, dict):
        yield _mismatch(node, _noun(kind), path, secret=kind.cls is SecretRef)
        return
    fields = {each.encode_name: each for each in kind.fields}
    for name, child in node.value.items():
        if name in fields:
            yield from _check(child, fields[name].type, (*path, name))
        elif name != kind.tag_field:
            yield _unknown_field((*path, name), fields)
    for name, each in fields.items():
        if each.required and name not in node.value:
            yield Fault(path, f"the field `{name}` is missing", _purpose(each.type))


def _unknown_field(path: Path, fields: Iterable[str]) -> Fault:
    name = str(path[-1])
    near = nearest(name, fields)
    hint = f"did you mean `{near}`?" if near else f"expected one of {_choices(fields)}"
    return Fault(path, f"unknown field `{shown(name)}`", hint, at_key=True)


def _dict(node: Node, kind: inspect.DictType, path: Path) -> Iterator[Fault]:
    if not isinstance(node.value, dict):
        yield _mismatch(node, "a map", path)
        return
    yield from _length(node, len(node.value), kind, path)
    for name, child in node.value.items():
        key = Node(name, node.keys.get(name, node.place))
        for fault in _check(key, kind.key_type, (*path, name)):
            yield Fault(fault.path, fault.message, fault.hint, at_key=True)
        yield from _check(child, kind.value_type, (*path, name))


def _list(node: Node, kind: inspect.VarTupleType, path: Path) -> Iterator[Fault]:
    if not isinstance(node.value, list):
        fault = _mismatch(node, "a list", path)
        hint = f"write `[{shown(node.value)}]`" if isinstance(node.value, str) else ""
        yield Fault(fault.path, fault.message, hint)
        return
    yield from _length(node, len(node.value), kind, path)
    for index, child in enumerate(node.value):
        yield from _check(child, kind.item_type, (*path, index))


def _union(node: Node, kind: inspect.UnionType, path: Path) -> Iterator[Fault]:
    """Pick the one member that the value's form points at, and check against that."""
    members = [_bare(each) for each in kind.types]
    structs = [each for each in members if isinstance(each, inspect.StructType)]
    if structs and structs[0].tag_field is not None:
        yield from _tagged(node, structs, path)
        return
    if node.value is None and any(isinstance(each, inspect.NoneType) for each in members):
        return
    others = [each for each in members if not isinstance(each, (inspect.NoneType, inspect.StructType))]
    if structs and (isinstance(node.value, dict) or not others):
        yield from _struct(node, structs[0], path)
    elif isinstance(node.value, (dict, list)):
        yield _mismatch(node, " or ".join(map(_noun, [*others, *structs])), path)
    else:
        found = [list(_check(node, each, path)) for each in kind.types if _bare(each) in others]
        yield from next((each for each in found if not each), found[0])


def _tagged(node: Node, structs: list[inspect.StructType], path: Path) -> Iterator[Fault]:
    field = str(structs[0].tag_field)
    tags = [str(each.tag) for each in structs]
    if not isinstance(node.value, dict):
        yield _mismatch(node, "a map", path)
    elif field not in node.value:
        yield Fault(path, f"the field `{field}` is missing", f"expected one of {_choices(tags)}")
    else:
        tag = node.value[field].value
        for struct in structs:
            if struct.tag == tag:
                yield from _struct(node, struct, path)
                return
        yield _bad_choice((*path, field), tag, tags)


def _scalar(node: Node, kind: inspect.Type, path: Path) -> Iterator[Fault]:
    value = node.value
    match kind:
        case inspect.LiteralType(values=choices) if not _among(value, choices):
            yield _bad_choice(path, value, [str(each) for each in choices])
        case inspect.EnumType(cls=enum) if not _among(value, [each.value for each in enum]):
            yield _bad_choice(path, value, [str(each.value) for each in enum])
        case inspect.StrType() if not isinstance(value, str):
            yield _mismatch(node, "text", path)
        case inspect.StrType():
            yield from _text(str(value), kind, path)
        case inspect.IntType() if isinstance(value, bool) or not isinstance(value, int):
            yield _mismatch(node, "a whole number", path)
        case inspect.IntType():
            yield from _bounds(value, kind, path)
        case inspect.FloatType():
            yield from _number(node, kind, path)
        case inspect.DateType():
            yield from _date(node, path)
        case inspect.BoolType() if not isinstance(value, bool):
            yield _mismatch(node, "`true` or `false`", path)
        case _:
            return


def _text(value: str, kind: inspect.StrType, path: Path) -> Iterator[Fault]:
    yield from _length(None, len(value), kind, path)
    # `$` also matches before a last newline, which no name, URL or duration may hold.
    if kind.pattern and (not re.search(kind.pattern, value) or value.endswith("\n")):
        form = FORMS.get(kind.pattern)
        hint = f"expected {form.expected}" if form else f"expected to match `{kind.pattern}`"
        yield Fault(path, f"`{shown(value)}` does not have the expected form", hint)


def _number(node: Node, kind: inspect.FloatType, path: Path) -> Iterator[Fault]:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        yield _mismatch(node, "a number", path)
    elif kind.gt is not None and value <= kind.gt:
        yield Fault(path, f"expected a number above {kind.gt:g}, got `{value}`")
    elif kind.ge is not None and value < kind.ge:
        yield Fault(path, f"expected a number of at least {kind.ge:g}, got `{value}`")
    elif kind.le is not None and value > kind.le:
        yield Fault(path, f"expected a number of at most {kind.le:g}, got `{value}`")


def _date(node: Node, path: Path) -> Iterator[Fault]:
    if not isinstance(node.value, str):
        yield _mismatch(node, "a date", path)
    elif not _is_date(node.value):
        yield Fault(path, f"expected a date, got `{shown(node.value)}`", "such as `2026-01-31`")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text  # its other forms are no dates to msgspec
    except ValueError:
        return False


def _bounds(value: object, kind: inspect.IntType, path: Path) -> Iterator[Fault]:
    if not isinstance(value, int):
        return
    low, high = kind.ge, kind.le
    if (low is not None and value < low) or (high is not None and value > high):
        span = f"from {low} to {high}" if high is not None else f"of at least {low}"
        yield Fault(path, f"expected a whole number {span}, got `{value}`")


def _length(
    node: Node | None,
    length: int,
    kind: inspect.StrType | inspect.DictType | inspect.VarTupleType,
    path: Path,
) -> Iterator[Fault]:
    unit = "characters" if node is None else "entries"
    if kind.min_length is not None and length < kind.min_length:
        yield Fault(path, f"expected at least {kind.min_length} {unit}, got {length}")
    if kind.max_length is not None and length > kind.max_length:
        yield Fault(path, f"expected at most {kind.max_length} {unit}, got {length}")


def _among(value: object, choices: Iterable[object]) -> bool:
    """Compare with the type, since `True` equals 1 in Python and not in a policy."""
    return any(type(value) is type(each) and value == each for each in choices)


def _bad_choice(path: Path, value: object, choices: list[str]) -> Fault:
    near = nearest(value, choices) if isinstance(value, str) else ""
    expected = f"expected one of {_choices(choices)}"
    if value is True or value is False or value is None:
        expected += "; put words such as `true` or `null` in quotes if they are meant as text"
    got = shown(value) if not isinstance(value, (dict, list)) else _form(value)
    return Fault(path, f"`{got}` is not a choice here", f"did you mean `{near}`?" if near else expected)


def _mismatch(node: Node, expected: str, path: Path, *, secret: bool = False) -> Fault:
    got = _form(node.value)
    if secret:
        return Fault(
            path,
            f"expected a reference to a secret, got {got}",
            "write `{env: NAME}` or `{file: /path}`; the secret itself never stands in the policy",
            secret=True,
        )
    hint = ""
    if expected == "text" and not isinstance(node.value, (dict, list)):
        hint = "put the value in quotes"
    elif expected == "a whole number" and isinstance(node.value, str):
        hint = "write decimal digits only: no quotes, `_`, leading zero or `0x`"
    return Fault(path, f"expected {expected}, got {got}", hint)


def _form(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return f"the boolean `{str(value).lower()}`"
        case int() | float():
            return f"the number `{value}`"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "a map"


def _noun(kind: inspect.Type) -> str:
    match kind:
        case inspect.StructType(cls=cls):
            return f"a map ({', '.join(cls.__struct_encode_fields__[:4])})"
        case inspect.EnumType(cls=enum):
            return f"one of {_choices(each.value for each in enum)}"
        case _:
            return "text"


def _bare(kind: inspect.Type) -> inspect.Type:
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _purpose(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata) and kind.extra_json_schema:
        return str(kind.extra_json_schema.get("description", ""))
    return ""


def _choices(values: Iterable[object]) -> str:
    return ", ".join(f"`{each}`" for each in values)


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return the choice that `word` was probably meant to be, or nothing."""
    by_lower = {each.lower(): each for each in choices}
    found = difflib.get_close_matches(word[:64].lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""
