"""Words and phrases of the customer's, in any letter case, as whole words, up to ten thousand at once."""

from collections.abc import Sequence

from ahocorasick_rs import AhoCorasick

from keepstone.detect.span import Span

WORD_TYPE = "CUSTOM_WORD"


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

    def hits(self, text: str) -> bool:
        """Say whether any phrase stands in `text`, as a whole word or not."""
        return bool(self._automaton.find_matches_as_indexes(fold(text)))

    def scan(self, text: str) -> list[Span]:
        """Return the spans of all phrases in `text`, overlapping ones too."""
        return [
            Span(start, end, WORD_TYPE, f"word:{index}")
            for index, start, end in self._automaton.find_matches_as_indexes(fold(text), overlapping=True)
            if _is_whole(text, start, end)
        ]


def _is_whole(text: str, start: int, end: int) -> bool:
    """Say whether no letter or digit continues the word at either side."""
    left = start > 0 and _in_word(text[start]) and _in_word(text[start - 1])
    right = end < len(text) and _in_word(text[end - 1]) and _in_word(text[end])
    return not left and not right


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
