"""The answers that are kept: bounded in number and age, found by context and question.

Where questions are compared by meaning, those of one context are compared one by one: numbers and negations
must agree, and the cosine of their vectors must reach the threshold.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import sqrt

from msgspec import Struct

from keepstone.gateway.cache.question import Question

MOST_ALIKE = 64
"""How many questions of one context are compared by meaning: the newest ones."""

Vector = Sequence[float]


class Kept(Struct, frozen=True):
    """An inspected answer, encoded, before originals are put back into it."""

    body: bytes
    call_id: str
    at_ns: int
    question: Question
    vector: tuple[float, ...] = ()


class Answers:
    """Answers by context; the event loop's thread only."""

    def __init__(self, entries: int, ttl_ns: int, now: Callable[[], int]) -> None:
        self._entries = entries
        self._ttl_ns = ttl_ns
        self._now = now
        self._kept: OrderedDict[tuple[bytes, str], Kept] = OrderedDict()
        self._contexts: dict[bytes, list[tuple[bytes, str]]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: Question) -> Kept | None:
        """Return the answer to the same words in the same context."""
        kept = self._kept.get((question.context, question.words))
        return kept if kept is not None and self._fresh(kept) else None

    def alike(self, question: Question, vector: Vector, threshold: float) -> Kept | None:
        """Return the answer to the question of the same context that means most nearly the same."""
        best: tuple[float, Kept | None] = (threshold, None)
        telling = question.telling
        for key in self._contexts.get(question.context, ())[-MOST_ALIKE:]:
            kept = self._kept[key]
            if self._fresh(kept) and kept.question.telling == telling:
                likeness = cosine(vector, kept.vector)
                if likeness >= best[0]:
                    best = likeness, kept
        return best[1]

    def keep(self, kept: Kept) -> None:
        """Keep an answer; the oldest leave when there are too many."""
        key = (kept.question.context, kept.question.words)
        self._drop(key)
        self._kept[key] = kept
        self._contexts.setdefault(key[0], []).append(key)
        while len(self._kept) > self._entries or not self._fresh(next(iter(self._kept.values()))):
            self._drop(next(iter(self._kept)))

    def _fresh(self, kept: Kept) -> bool:
        return self._now() - kept.at_ns < self._ttl_ns

    def _drop(self, key: tuple[bytes, str]) -> None:
        if self._kept.pop(key, None) is None:
            return
        keys = self._contexts[key[0]]
        keys.remove(key)
        if not keys:
            del self._contexts[key[0]]


def cosine(one: Vector, other: Vector) -> float:
    """Return the cosine of the angle between two vectors, 0 for vectors that cannot be compared."""
    if len(one) != len(other) or not one:
        return 0.0
    product = sum(a * b for a, b in zip(one, other, strict=True))
    size = sqrt(sum(a * a for a in one) * sum(b * b for b in other))
    return product / size if size else 0.0
