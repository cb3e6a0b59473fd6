"""How many characters a pattern needs to see: what a stream must hold back, and what it must look back on.

`decisive(p)` is the number of characters after which an attempted match of `p` has become visible, perhaps in
a shorter form that touches the end of what can be seen: a run such as `[a-z]{4,}` shows itself after four. It
is `None` where no bound exists. Patterns are read with Python's parser; what it cannot read has no bound.
"""

import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any

_parser = importlib.import_module("re._parser")
_MAXREPEAT = importlib.import_module("re._constants").MAXREPEAT

Width = int | None
_ATOMS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": lambda each: each.isascii() and each.isdigit(),
    "CATEGORY_SPACE": lambda each: each in " \t\n\r\f\v",
    "CATEGORY_WORD": lambda each: each.isascii() and (each.isalnum() or each == "_"),
}


def parse(pattern: str) -> Any | None:
    """Return Python's parse of an RE2 pattern, or `None` where Python's dialect differs."""
    try:
        return _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return None


def longest(tree: Any) -> Width:
    """Return the most characters that the parsed pattern can match."""
    total = 0
    for node in tree:
        width = _node_longest(node)
        if width is None:
            return None
        total += width
    return total


def decisive(tree: Any) -> Width:
    """Return the characters after which a match of the parsed pattern has become visible."""
    nodes = list(tree)
    last = max((i for i, node in enumerate(nodes) if _node_shortest(node) > 0), default=-1)
    head = longest(nodes[:last]) if last > 0 else 0
    own = _node_decisive(nodes[last]) if last >= 0 else 0
    tail = [_node_decisive(node) for node in nodes[last + 1 :]]
    if head is None or own is None or any(each is None for each in tail):
        return None
    return max(head + own, *(each or 0 for each in tail), 0)


def can_contain(tree: Any, character: str) -> bool:
    """Say whether a match of the parsed pattern can hold `character`."""
    return any(_node_contains(node, character) for node in tree)


def _children(node: Any) -> Sequence[Any]:
    kind, value = str(node[0]), node[1]
    match kind:
        case "BRANCH":
            return list(value[1])
        case "SUBPATTERN":
            return [value[3]]
        case "MAX_REPEAT" | "MIN_REPEAT":
            return [value[2]]
        case _:
            return []


def _node_shortest(node: Any) -> int:
    kind, value = str(node[0]), node[1]
    if kind in _ATOMS:
        return 1
    inner = [sum(map(_node_shortest, child)) for child in _children(node)]
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        return int(value[0]) * inner[0]
    return min(inner, default=0)


def _node_longest(node: Any) -> Width:
    kind, value = str(node[0]), node[1]
    if kind in _ATOMS:
        return 1
    inner = [longest(child) for child in _children(node)]
    if any(each is None for each in inner):
        return None
    width = max((each for each in inner if each is not None), default=0)
    if kind in ("MAX_REPEAT", "MIN_REPEAT"):
        return None if value[1] == _MAXREPEAT and width else width * min(int(value[1]), 100_000)
    return width


def _node_decisive(node: Any) -> Width:
    kind, value = str(node[0]), node[1]
    if kind in _ATOMS:
        return 1
    inner = [decisive(child) for child in _children(node)]
    if any(each is None for each in inner):
        return None
    width = max((each for each in inner if each is not None), default=0)
    if kind not in ("MAX_REPEAT", "MIN_REPEAT") or value[0] <= 1:
        return width
    once = longest(value[2])
    return None if once is None else once * (int(value[0]) - 1) + width


def _node_contains(node: Any, character: str) -> bool:
    kind, value = str(node[0]), node[1]
    match kind:
        case "LITERAL":
            return chr(value) == character
        case "NOT_LITERAL":
            return chr(value) != character
        case "ANY":
            return True
        case "IN":
            return _class_contains(value, character)
        case _:
            return any(can_contain(child, character) for child in _children(node))


def _class_contains(items: Any, character: str) -> bool:
    negated = str(items[0][0]) == "NEGATE"
    inside = any(_item_contains(str(kind), value, character) for kind, value in items)
    return inside != negated


def _item_contains(kind: str, value: Any, character: str) -> bool:
    match kind:
        case "LITERAL":
            return chr(value) == character
        case "RANGE":
            return bool(value[0] <= ord(character) <= value[1])
        case "CATEGORY":
            name = str(value)
            positive = _CATEGORIES[name.replace("_NOT_", "_")](character)
            return positive != ("_NOT_" in name)
        case _:
            return False
