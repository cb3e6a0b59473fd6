"""Overlaps and masks: which spans count, and the text with `{TYPE}` in the place of what is masked."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence

from keepstone.detect.span import Span
from keepstone.guard.plan import Family, Outcome, Rule

StandIn = Callable[[Rule, str, str], str]
"""What stands between the braces, for a find's rule, its type and the text that it hides."""

_RANK = {Outcome.BLOCKED: 0, Outcome.ANONYMIZED: 1, Outcome.NONE: 2}


def resolve(spans: Iterable[Span], rules: Mapping[str, Rule]) -> list[Span]:
    """Return the spans that count, in order of the text.

    Of overlapping ones the one that blocks counts, then one that masks, then the longest, then the earliest.
    Attacks are about the whole text and hide nothing.
    """
    ordered = sorted(spans, key=lambda each: _precedence(each, rules))
    if len(ordered) < 2:
        return ordered
    attacks = [each for each in ordered if rules[each.detector].family is Family.ATTACK]
    kept: list[Span] = []  # in order of the text, none overlapping another
    for span in ordered:
        if rules[span.detector].family is not Family.ATTACK:
            place = bisect_left(kept, span)
            neighbours = kept[max(place - 1, 0) : place + 1]
            if not any(span.overlaps(each) for each in neighbours):
                kept.insert(place, span)
    return sorted({*kept, *attacks})


def by_type(_rule: Rule, kind: str, _hidden: str) -> str:
    """Mask as Bedrock does, by the type alone."""
    return kind


def mask(
    text: str,
    spans: Sequence[Span],
    kept: Iterable[Span],
    rules: Mapping[str, Rule],
    stand_in: StandIn = by_type,
) -> str:
    """Return `text` with each masked stretch replaced by what stands in for the span that counts there.

    A stretch reaches over all the spans that overlap in it, so that no tail of a second find shows. `spans`
    are all that were found.
    """
    masked = sorted(each for each in spans if rules[each.detector].outcome is Outcome.ANONYMIZED)
    names = sorted(each for each in kept if rules[each.detector].outcome is Outcome.ANONYMIZED)
    starts = [each.start for each in names]
    parts: list[str] = []
    position = index = 0
    while index < len(masked):
        start, end = masked[index].start, masked[index].end
        while index < len(masked) and masked[index].start < end:
            end = max(end, masked[index].end)
            index += 1
        inside = names[bisect_left(starts, start) : bisect_left(starts, end)]
        if not inside:  # hidden by a span that blocks: nothing of this text is shown
            continue
        winner = min(inside, key=lambda each: _precedence(each, rules))
        hidden = stand_in(rules[winner.detector], winner.type, text[start:end])
        parts += (text[position:start], "{", hidden, "}")
        position = end
    parts.append(text[position:])
    return "".join(parts)


def _precedence(span: Span, rules: Mapping[str, Rule]) -> tuple[int, int, int, str]:
    rank = _RANK[rules[span.detector].outcome]
    return (rank, span.start - span.end, span.start, span.detector)
