"""Overlaps and masks: which spans count, and the text with `{TYPE}` in the place of what is masked."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from keepstone.detect.span import Span
from keepstone.guard.plan import Family, Outcome, Rule
from keepstone.policy.schema.guardrails import PiiType

StandIn = Callable[[Rule, str, str], str]
"""What stands between the braces, for a find's rule, its type and the text that it hides."""

SECRETS = frozenset(
    {
        PiiType.AWS_ACCESS_KEY,
        PiiType.AWS_SECRET_KEY,
        PiiType.CREDIT_DEBIT_CARD_CVV,
        PiiType.PASSWORD,
        PiiType.PIN,
    }
)
"""Personal data that opens something: it is masked by its type, whatever else is masked reversibly."""

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


def is_secret(rule: Rule, kind: str) -> bool:
    """Say whether a find is one that is never put back."""
    return rule.family is Family.CREDENTIAL or kind in SECRETS


def by_type(_rule: Rule, kind: str, _hidden: str) -> str:
    """Mask as Bedrock does, by the type alone."""
    return kind


class _Secrets:
    """Where the secrets of a text are; a stretch that touches one is masked by its type."""

    def __init__(self, spans: Iterable[Span], rules: Mapping[str, Rule]) -> None:
        found = sorted(each for each in spans if is_secret(rules[each.detector], each.type))
        self._starts = [each.start for each in found]
        self._reach = list(accumulate((each.end for each in found), max))

    def touch(self, start: int, end: int) -> bool:
        """Say whether a secret overlaps the stretch."""
        before = bisect_left(self._starts, end)
        return before > 0 and self._reach[before - 1] > start


_NONE = _Secrets((), {})


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
    secrets = _Secrets(spans, rules) if stand_in is not by_type else _NONE
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
        how = by_type if secrets.touch(start, end) else stand_in
        hidden = how(rules[winner.detector], winner.type, text[start:end])
        parts += (text[position:start], "{", hidden, "}")
        position = end
    parts.append(text[position:])
    return "".join(parts)


def _precedence(span: Span, rules: Mapping[str, Rule]) -> tuple[int, int, int, str]:
    rank = _RANK[rules[span.detector].outcome]
    return (rank, span.start - span.end, span.start, span.detector)
