"""The prompt-attack detector: rules over a text, over its readable view, and over what it encodes."""

from functools import cache

from keepstone.detect.attack_rules import RULES, AttackRule, Category, Confidence
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

# Measured: these two halves need the fewest states.
_TOGETHER = (Category.OVERRIDE, Category.JAILBREAK)


class AttackScanner:
    """Finds prompt attacks; one that only a view or a decoded run shows spans the whole text or run."""

    def __init__(self, least: Confidence) -> None:
        rules = [each for each in RULES if each.confidence >= least]
        first = [_row(each) for each in rules if each.category in _TOGETHER]
        second = [_row(each) for each in rules if each.category not in _TOGETHER]
        self.ids = tuple(each.id for each in rules)
        self._scanner = Scanner(first, (*second, *MARKS))

    def may_hit(self, data: bytes) -> bool:
        """Say whether a text, given in UTF-8, is worth a scan."""
        return bool(self._scanner.candidates(data))

    def scan(self, text: str, depth: int = DEPTH) -> list[Span]:
        """Return the spans of the attacks in `text`, looking behind so many layers of disguise."""
        spans = self._scanner.scan(text)
        if not spans:
            return spans
        attacks = [each for each in spans if each.type == ATTACK_TYPE]
        if depth == 0:
            return attacks
        hiding = False
        for mark in (each for each in spans if each.type != ATTACK_TYPE):
            if mark.detector == HIDING_MARK.id:
                hiding = True
            elif plain := decoded(text[mark.start : mark.end]):
                attacks += _moved(self.scan(plain, depth - 1), mark.start, mark.end)
        if hiding and (view := readable(text)) != text:
            attacks += _moved(self.scan(view, depth - 1), 0, len(text))
        return attacks


@cache
def attack_scanner(least: Confidence) -> AttackScanner:
    """Return the scanner of all rules of at least a confidence; one serves every guardrail."""
    return AttackScanner(least)


def _row(rule: AttackRule) -> Recogniser:
    return Recogniser(rule.id, ATTACK_TYPE, rule.pattern)


def _moved(spans: list[Span], start: int, end: int) -> list[Span]:
    return [Span(start, end, each.type, each.detector) for each in spans]
