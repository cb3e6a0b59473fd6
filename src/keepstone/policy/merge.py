"""An environment's overlay laid over the base document.

Maps merge field by field, lists replace; the lists `models` and `limits` merge by `id` and by `name`, entries
new to the base come last. An upstream whose `kind` changes is replaced whole. Each value keeps the place it
was written at, so a problem points into the file it comes from.
"""

from keepstone.policy.problems import Path
from keepstone.policy.tree import Node

_KEYED_LISTS: dict[Path, str] = {("models",): "id", ("limits",): "name"}


def merged(base: Node, overlay: Node, path: Path = ()) -> Node:
    """Return a new tree in which `overlay` wins."""
    below, above = base.value, overlay.value
    if isinstance(below, dict) and isinstance(above, dict):
        if "kind" in above and "kind" in below and above["kind"].value != below["kind"].value:
            return overlay
        entries = dict(below)
        for key, node in above.items():
            entries[key] = merged(below[key], node, (*path, key)) if key in below else node
        return Node(entries, overlay.place, {**base.keys, **overlay.keys})
    if isinstance(below, list) and isinstance(above, list) and path in _KEYED_LISTS:
        return Node(_by_key(below, above, _KEYED_LISTS[path]), overlay.place)
    return overlay


def _by_key(below: list[Node], above: list[Node], key: str) -> list[Node]:
    """Merge entries with the same key; entries of one file are never merged with each other."""
    result = list(below)
    position = {_key_of(node, key): index for index, node in reversed(list(enumerate(below)))}
    taken: set[object] = set()
    for node in above:
        name = _key_of(node, key)
        if name is None or name not in position or name in taken:
            result.append(node)
        else:
            result[position[name]] = merged(below[position[name]], node, ("*",))
            taken.add(name)
    return result


def _key_of(node: Node, key: str) -> object:
    if isinstance(node.value, dict) and key in node.value:
        value = node.value[key].value
        return value if isinstance(value, str) else None
    return None
