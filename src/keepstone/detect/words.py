"""Words and phrases of the customer's, in any letter case, as whole words, up to ten thousand at once."""

from collections.abc import Sequence

import re2
from ahocorasick_rs import AhoCorasick

from keepstone.detect.span import Span

WORD_TYPE = "CUSTOM_WORD"
MOST_SIGNS = 200


def fold(text: str) -> str:
    """Return `text` in lower case, character for character, so that offsets stay true."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(low if len(low := each.lower()) == 1 else each for each in text)


class WordMatcher:
    """Finds phrases; the detector of a span is `word:` and the phrase's place in the list."""

    def __init__(self, phrases: Sequence[str]) -> None:
        self.phrases = tuple(phrases)
        self._automaton = AhoCorasick([fold(each) for each in self.phrases])
        self.signs = _signs(self.phrases)
        self._all_are_signs = bool(self.signs) and len(self.signs) == len(self.phrases)

    def hits(self, text: str) -> bool:
        """Say whether a phrase that none of the `signs` stands for is in `text`, as a whole word or not."""
        if self.signs and (self._all_are_signs or text.isascii()):
            return False
        return bool(self._automaton.find_matches_as_indexes(fold(text)))

    def scan(self, text: str) -> list[Span]:
        """Return the spans of all phrases in `text`, overlapping ones too."""
        return [
            Span(start, end, WORD_TYPE, f"word:{index}")
            for index, start, end in self._automaton.find_matches_as_indexes(fold(text), overlapping=True)
            if _is_whole(text, start, end)
        ]


def _signs(phrases: Sequence[str]) -> tuple[str, ...]:
    """Return RE2 patterns that hit wherever an ASCII phrase stands, for a scanner's first pass; none if many.

    A phrase with other letters cannot stand in ASCII text, and RE2 ignores letter case wherever `fold` does.
    """
    plain = tuple(f"(?i:{re2.escape(each)})" for each in map(fold, phrases) if each.isascii())
    return plain if len(plain) <= MOST_SIGNS else ()


def _is_whole(text: str, start: int, end: int) -> bool:
    """Say whether no letter or digit continues the word at either side."""
    left = start > 0 and _in_word(text[start]) and _in_word(text[start - 1])
    right = end < len(text) and _in_word(text[end - 1]) and _in_word(text[end])
    return not left and not right


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
