"""How much of a stream must be seen before a part of it may go: computed from what a plan looks for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from keepstone.detect import width
from keepstone.detect.recogniser import Recogniser
from keepstone.guard.plan import Plan

MOST_HELD = 2048  # a pattern that needs more is not worth a window: the stream is buffered whole
SPACES = " \t\n\r"
_A_SPACE, _A_WIDE = " ", "\u4e00"


@dataclass(frozen=True, slots=True)
class Window:
    """Characters that are held back behind a cut, and looked back on before it.

    A cut after white space only concerns patterns that reach over white space, so it needs to hold back
    less; a cut after an East Asian character likewise. `anywhere` is for text that has neither.
    """

    after_space: int
    after_wide: int
    anywhere: int
    look_back: int


def window_of(plan: Plan) -> Window | None:
    """Return what `plan` needs, or `None` when one of its patterns has no bound."""
    spaced, wide, anywhere, look_back = [1], [1], [1], [1]
    for row in plan.scanner.rows:
        reach = _measure(row)
        if reach is None:
            return None
        anywhere.append(reach.held)
        look_back.append(reach.back)
        if reach.over_space:
            spaced.append(reach.held)
        if reach.over_wide:
            wide.append(reach.held)
    for phrase in _phrases(plan):
        anywhere.append(len(phrase) + 1)
        if any(each.isspace() for each in phrase):
            spaced.append(len(phrase) + 1)
        if any(is_wide(each) for each in phrase):
            wide.append(len(phrase) + 1)
    if max(anywhere) > MOST_HELD:
        return None
    return Window(max(spaced), max(wide), max(anywhere), max(look_back))


def is_wide(character: str) -> bool:
    """Say whether `character` is East Asian, and so may end a word without a space."""
    return (
        "\u3000" <= character <= "\u9fff"
        or "\uac00" <= character <= "\ud7a3"
        or "\uff00" <= character <= "\uffef"
    )


@dataclass(frozen=True, slots=True)
class _Reach:
    """The characters to hold back and to look back on for one row, and what a match may hold."""

    held: int
    back: int
    over_space: bool
    over_wide: bool


@lru_cache(maxsize=2048)
def _measure(row: Recogniser) -> _Reach | None:
    """Return what one row needs; `None` without a bound. Guardrails share most rows, so it is remembered.

    What a validator judges must be seen whole where it has an end, since a part of a number fails its check.
    """
    value, before, after = (width.parse(each) for each in (row.pattern, row.before, row.after))
    if value is None or before is None or after is None:
        return None
    held = width.decisive(value)
    if row.validate is not None:
        held = width.longest(value) or held
    back, ahead = width.longest(before), width.longest(after)
    if held is None or back is None or ahead is None:
        return None
    over_space = any(width.can_contain(value, each) for each in SPACES)
    return _Reach(held + ahead + 1, back + 1, over_space, width.can_contain(value, _A_WIDE))


def _phrases(plan: Plan) -> Sequence[str]:
    return plan.words.phrases if plan.words is not None else ()


def best_cut(text: str, spans: Iterable[tuple[int, int]], low: int, high: int, window: Window) -> int:
    """Return the last clean place to cut `text` after `low`, or `low` when there is none up to `high`.

    Clean is a place inside of no span, with enough text behind it that no match can still reach over it.
    """
    inside = sorted(spans)
    limits = (
        (window.after_space, SPACES.__contains__),
        (window.after_wide, is_wide),
        (window.anywhere, bool),
    )
    best = low
    for hold, fits in limits:
        place = high - hold
        while place > best:
            place = _before_spans(place, inside)
            if place > best and fits(text[place - 1]):
                best = place
                break
            place -= 1
    return best


def _before_spans(place: int, spans: Sequence[tuple[int, int]]) -> int:
    """Return `place`, or the start of the first of the spans that it lies inside of."""
    for start, end in reversed(spans):
        if start < place < end:
            place = start
    return place
