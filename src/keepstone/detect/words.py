"""Words and phrases of the customer's, in any letter case, as whole words, up to ten thousand at once."""

from collections.abc import Sequence
from typing import Any

import re2
from ahocorasick_rs import AhoCorasick

from keepstone.detect.span import Span

WORD_TYPE = "CUSTOM_WORD"
MOST_IN_SET = 200
SET_MEMORY = 8 * 1024 * 1024


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
        self._ascii = _ascii_set(self.phrases)

    def hits(self, text: str) -> bool:
        """Say whether any phrase stands in `text`, as a whole word or not."""
        if self._ascii is not None and text.isascii():
            return bool(self._ascii.Match(text.encode()))
        return bool(self._automaton.find_matches_as_indexes(fold(text)))

    def scan(self, text: str) -> list[Span]:
        """Return the spans of all phrases in `text`, overlapping ones too."""
        return [
            Span(start, end, WORD_TYPE, f"word:{index}")
            for index, start, end in self._automaton.find_matches_as_indexes(fold(text), overlapping=True)
            if _is_whole(text, start, end)
        ]


def _ascii_set(phrases: Sequence[str]) -> Any:
    """Return a set that finds the ASCII phrases in ASCII text at half the automaton's cost; `None` if many.

    A phrase with other letters cannot stand in ASCII text, and there RE2's letter case is `fold`'s.
    """
    plain = [each for each in map(fold, phrases) if each.isascii()]
    if not 0 < len(plain) <= MOST_IN_SET:
        return None
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = SET_MEMORY
    options.log_errors = False
    found = re2.Set.SearchSet(options)
    for each in plain:
        found.Add(re2.escape(each).encode())
    found.Compile()
    return found


def _is_whole(text: str, start: int, end: int) -> bool:
    """Say whether no letter or digit continues the word at either side."""
    left = start > 0 and _in_word(text[start]) and _in_word(text[start - 1])
    right = end < len(text) and _in_word(text[end - 1]) and _in_word(text[end])
    return not left and not right


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
