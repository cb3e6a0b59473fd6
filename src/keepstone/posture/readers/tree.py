"""Terraform's values as one tree: what is unknown or sensitive becomes `Unknown`, in its own place."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from keepstone.posture.values import Unknown, Value

AFTER_APPLY = Unknown("known after apply")
SENSITIVE = Unknown("marked sensitive, so it is not looked at")


def merged(value: Any, unknown: Any, sensitive: Any) -> Value:
    """Return `value` frozen, with `Unknown` wherever Terraform says unknown or sensitive."""
    if unknown is True:
        return AFTER_APPLY
    if sensitive is True:
        return SENSITIVE
    if isinstance(value, dict) or (value is None and isinstance(unknown, dict) and unknown):
        unknowns = unknown if isinstance(unknown, dict) else {}
        secrets = sensitive if isinstance(sensitive, dict) else {}
        known: dict[str, Any] = value or {}
        names = dict.fromkeys((*known, *unknowns))
        return MappingProxyType(
            {name: merged(known.get(name), unknowns.get(name), secrets.get(name)) for name in names}
        )
    if isinstance(value, list):
        return tuple(merged(each, _at(unknown, n), _at(sensitive, n)) for n, each in enumerate(value))
    return value


def _at(marks: Any, position: int) -> Any:
    return marks[position] if isinstance(marks, list) and position < len(marks) else None


def pick(tree: Value, path: str) -> Value:
    """Return what stands at a dotted path; `None` for nothing, `Unknown` where the way there is unknown.

    A block that may stand once is entered as if it were no list.
    """
    for name in path.split("."):
        if isinstance(tree, tuple):
            tree = tree[0] if tree else None
        if tree is None or isinstance(tree, Unknown):
            return tree
        if not isinstance(tree, Mapping):
            return Unknown("it does not have the shape that this reader knows")
        tree = tree.get(name)
    return tree


def given(tree: Value, path: str) -> Value:
    """Return what stands at a path, and `None` where nothing was asked for and AWS chooses."""
    found = pick(tree, path)
    return None if isinstance(found, Unknown) and found.unset else found


def defaulted(tree: Value, path: str, default: Value) -> Value:
    """Return what stands at a path, `default` for nothing."""
    found = pick(tree, path)
    return default if found is None else found


def rows(tree: Value, path: str) -> Value:
    """Return the blocks at a path: a tuple, empty for none, or `Unknown`."""
    found = pick(tree, path)
    if found is None:
        return ()
    return found if isinstance(found, tuple | Unknown) else (found,)


def each_of(blocks: Value, **names: str) -> Value:
    """Return blocks with these names and what stands at these paths of each; `Unknown` stays so."""
    if isinstance(blocks, Unknown):
        return blocks
    return tuple(
        block
        if isinstance(block, Unknown)
        else MappingProxyType({name: pick(block, path) for name, path in names.items()})
        for block in blocks
    )


def count(blocks: Value) -> Value:
    """Return how many blocks there are, or `Unknown`."""
    return blocks if isinstance(blocks, Unknown) else len(blocks)
