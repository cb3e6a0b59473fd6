"""Model ids and the patterns that stand for them.

A pattern is literal text with `*` for any run of characters, also none. Matching walks the text once for each
literal part, so no pattern and no id can make it slow. An id is known under several names:

* what the caller wrote;
* for an ARN of a foundation model or an inference profile, its last segment;
* for denials only, each of these without the geography of an inference profile (`us.`, `eu.`, `global.`):
  who denies `anthropic.*` means its profiles too, while an allowance covers what it says and no more.
"""

import re
from collections.abc import Iterable

_GEOGRAPHY = re.compile(r"(?:[a-z]{2}(?:-gov)?|apac|global)\.(?=.)")
_OPEN_ARNS = ("foundation-model", "inference-profile")


class Glob:
    """One pattern, split once; `matches` takes time linear in the text for each of its parts."""

    __slots__ = ("_head", "_middle", "_tail", "pattern")

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        head, *rest = pattern.split("*")
        self._head = head
        self._tail = rest.pop() if rest else None
        self._middle = tuple(part for part in rest if part)

    def matches(self, text: str) -> bool:
        """Say whether the whole of `text` fits the pattern."""
        if self._tail is None:
            return text == self.pattern
        at, end = len(self._head), len(text) - len(self._tail)
        if at > end or not text.startswith(self._head) or not text.endswith(self._tail):
            return False
        for part in self._middle:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    def matches_any(self, texts: Iterable[str]) -> bool:
        """Say whether one of `texts` fits."""
        return any(self.matches(text) for text in texts)


def is_pattern(text: str) -> bool:
    """Say whether `text` stands for more than itself."""
    return "*" in text


def names_of(model_id: str) -> tuple[str, ...]:
    """Return the id as written and, for an ARN that ends in a public model id, that id."""
    if not model_id.startswith("arn:"):
        return (model_id,)
    parts = model_id.split(":", 5)
    if len(parts) < 6 or parts[2] != "bedrock":
        return (model_id,)
    kind, _, name = parts[5].partition("/")
    if kind not in _OPEN_ARNS or not name or "/" in name:
        return (model_id,)
    return (model_id, name)


def canonical_name(model_id: str) -> str:
    """Return the one name that all spellings of a model share: of an ARN its last segment, no geography."""
    name = names_of(model_id)[-1]
    geography = _GEOGRAPHY.match(name)
    return name[geography.end() :] if geography else name


def names_for_denial(model_id: str) -> tuple[str, ...]:
    """Return every name under which a denial may know the model, in lower case."""
    names = [name.lower() for name in names_of(model_id)]
    bare = [_GEOGRAPHY.sub("", name, count=1) for name in names if _GEOGRAPHY.match(name)]
    return tuple(dict.fromkeys([*names, *bare]))


def overlap(left: str, right: str) -> bool:
    """Say whether some text fits both patterns; for very long ones, that it may."""
    if not is_pattern(left):
        return Glob(right).matches(left)
    if not is_pattern(right):
        return Glob(left).matches(right)
    if len(left) * len(right) > 100_000:
        return True
    seen: set[tuple[int, int]] = set()
    todo = [(0, 0)]
    while todo:
        state = todo.pop()
        if state in seen:
            continue
        seen.add(state)
        if state == (len(left), len(right)):
            return True
        todo += _steps(left, right, *state)
    return False


def witness(left: str, right: str) -> str | None:
    """Return a shortest text that fits both patterns, `None` when there is none or the search is too long."""
    if len(left) * len(right) > 10_000:
        return None
    reached: dict[tuple[int, int], str] = {(0, 0): ""}
    todo = [(0, 0)]
    for i, j in todo:
        text = reached[i, j]
        if (i, j) == (len(left), len(right)):
            return text
        for step in _steps(left, right, i, j):
            if step not in reached:
                a, b = left[i : i + 1], right[j : j + 1]
                free = (a == "*" and step == (i + 1, j)) or (b == "*" and step == (i, j + 1))
                reached[step] = text if free else text + (b if a == "*" else a)
                todo.append(step)
    return None


def _steps(left: str, right: str, i: int, j: int) -> list[tuple[int, int]]:
    """Return the positions in both patterns that one more character, or none, can lead to."""
    a, b = left[i : i + 1], right[j : j + 1]
    steps = []
    if a == "*":
        steps.append((i + 1, j))
    if b == "*":
        steps.append((i, j + 1))
    if a == "*" and b not in ("", "*"):
        steps.append((i, j + 1))
    if b == "*" and a not in ("", "*"):
        steps.append((i + 1, j))
    if a and a == b:
        steps.append((i + 1, j + 1))
    return steps
