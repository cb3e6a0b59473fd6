"""The prompt-attack detector: rules over a text, over its readable view, and over what it encodes."""

from collections.abc import Iterable

from keepstone.detect.attack_rules import RULES, Confidence
from keepstone.detect.attack_view import BASE64_RUN, HEX_RUN, HIDING, decoded, readable
from keepstone.detect.engine import Scanner
from keepstone.detect.recogniser import Recogniser
from keepstone.detect.span import Span

ATTACK_TYPE = "PROMPT_ATTACK"
DEPTH = 2  # how often an encoded text is looked into for another

# Rows that say that a text has a readable view of its own, or parts that may be decoded.
HIDING_MARK = Recogniser("mark.hiding", "MARK", HIDING)
ENCODED_MARKS = (
    Recogniser("mark.base64", "MARK", BASE64_RUN),
    Recogniser("mark.hexadecimal", "MARK", HEX_RUN),
)
MARKS = (HIDING_MARK, *ENCODED_MARKS)

CONFIDENCE: dict[str, Confidence] = {rule.id: rule.confidence for rule in RULES}


def attack_rows(least: Confidence) -> tuple[Recogniser, ...]:
    """Return the rules of at least a confidence, and the marks, as the rows of a scanner."""
    rules = tuple(
        Recogniser(each.id, ATTACK_TYPE, each.pattern) for each in RULES if each.confidence >= least
    )
    return (*rules, *MARKS)


class AttackScanner:
    """Finds prompt attacks; one that only a view or a decoded run shows spans the whole text or run."""

    def __init__(self, least: Confidence) -> None:
        self.rows = attack_rows(least)
        self.row_ids = frozenset(each.id for each in self.rows)
        self._scanner = Scanner(self.rows)

    def scan(self, text: str) -> list[Span]:
        """Return the spans of the attacks in `text`."""
        return self._scan(text, DEPTH)

    def unveil(self, text: str, spans: Iterable[Span], depth: int = DEPTH) -> list[Span]:
        """Return the attacks among `spans`, found by `rows` in `text`, and those that the marks lead to."""
        attacks: list[Span] = []
        hiding = False
        for span in spans:
            if span.type != "MARK":
                attacks.append(span)
            elif span.detector == HIDING_MARK.id:
                hiding = True
            elif depth and (plain := decoded(text[span.start : span.end])):
                inner = self._scan(plain, depth - 1)
                attacks += [Span(span.start, span.end, each.type, each.detector) for each in inner]
        if hiding and depth and (view := readable(text)) != text:
            attacks += [Span(0, len(text), each.type, each.detector) for each in self._scan(view, depth - 1)]
        return attacks

    def _scan(self, text: str, depth: int) -> list[Span]:
        spans = self._scanner.scan(text)
        return self.unveil(text, spans, depth) if spans else spans
