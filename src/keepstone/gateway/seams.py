"""Values that are cut in two by the border of two text blocks; whoever reads the blocks reads them as one.

Each block was inspected by itself before. What is found only where two neighbours are put together, directly
or by a space, is blocked, or masked in both. A value that is spread over three blocks or more is not seen.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from keepstone.detect.span import Span
from keepstone.gateway.wire.slots import Slot
from keepstone.guard.guardrail import Direction, Finding, Guardrail, Outcome, Text, count_findings

LOOK = 96
"""Characters on either side of a border that are read together."""
_JOINERS = ("", " ")


def inspect_seams(guardrail: Guardrail, slots: Sequence[Slot], direction: Direction) -> tuple[Finding, ...]:
    """Mask what stands across borders, in place; return what was found there."""
    pairs = list(_neighbours(slots))
    if not pairs:
        return ()
    joined = [
        Text(left.value[-LOOK:] + joiner + right.value[:LOOK], left.origin)
        for left, right in pairs
        for joiner in _JOINERS
    ]
    if not guardrail.inspect(joined, direction).findings:  # the usual case, in one pass
        return ()
    found: list[Span] = []
    for left, right in pairs:
        for joiner in _JOINERS:
            crossing = _crossing(guardrail, left, right, joiner, direction)
            if crossing is not None:
                found.append(crossing)
                break
    return count_findings(found, guardrail.plans[direction].rules) if found else ()


def _neighbours(slots: Sequence[Slot]) -> Iterator[tuple[Slot, Slot]]:
    """Yield texts of blocks that stand one after the other and come from one side."""
    for left, right in pairwise(slots):
        if (
            left.key == "text"
            and right.key == "text"
            and left.origin is right.origin
            and type(left) is Slot
            and type(right) is Slot
        ):
            yield left, right


def _crossing(
    guardrail: Guardrail, left: Slot, right: Slot, joiner: str, direction: Direction
) -> Span | None:
    """Return the find that begins in one text and ends in the other, masked in both if that is its fate."""
    before, after = left.value[-LOOK:], right.value[:LOOK]
    whole = (len(before) == len(left.value), len(after) == len(right.value))
    border, end = len(before), len(before) + len(joiner)
    rules = guardrail.plans[direction].rules
    for span in guardrail.inspect([Text(before + joiner + after, left.origin)], direction).kept[0]:
        cut = (span.start == 0 and not whole[0]) or (span.end == end + len(after) and not whole[1])
        outcome = rules[span.detector].outcome
        if span.start >= border or span.end <= end or cut or outcome is Outcome.NONE:
            continue
        if outcome is Outcome.ANONYMIZED:
            mask = f"{{{span.type}}}"
            left.replace(left.value[: len(left.value) - (border - span.start)] + mask)
            right.replace(mask + right.value[span.end - end :])
        return span
    return None
