import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.errors import GuardError
from keepstone.detect.engine import Scanner, compile_pattern, encode
from keepstone.detect.recogniser import Recogniser
from keepstone.detect.span import Span

WORD = Recogniser("word", "WORD", r"\bcat\b")
EVEN = Recogniser("even", "EVEN", r"\d+(?: \d+)*", validate=lambda value: len(value.split()) % 2 == 0)
NAMED = Recogniser("named", "NAMED", r"\d+", before=r"\bpin ", after=r"$|[^\d.]")


def test_spans_are_in_characters_of_the_text():
    assert Scanner([WORD]).scan("Größe 🔑 cat, cat") == [
        Span(8, 11, "WORD", "word"),
        Span(13, 16, "WORD", "word"),
    ]


def test_only_the_value_is_the_span():
    assert Scanner([NAMED]).scan("my pin 12 now") == [Span(7, 9, "NAMED", "named")]
    assert Scanner([NAMED]).scan("my pin 12.5") == []


def test_a_value_is_valid_without_its_last_word():
    assert Scanner([EVEN]).scan("1 2 3") == [Span(0, 3, "EVEN", "even")]


def test_a_refused_value_hides_nothing_inside_of_it():
    row = Recogniser("pair", "PAIR", r"\d\d \d\d", validate=lambda value: value == "34 56")
    assert Scanner([row]).scan("12 34 56") == [Span(3, 8, "PAIR", "pair")]


def test_groups_of_rows_find_what_one_group_finds():
    text = "cat 1 2 pin 34"
    assert sorted(Scanner([WORD], [EVEN, NAMED]).scan(text)) == sorted(
        Scanner([WORD, EVEN, NAMED]).scan(text)
    )
    assert Scanner([], []).scan(text) == []


def test_a_lone_surrogate_keeps_offsets():
    text = "\ud800 cat"
    assert encode(text) == b"? cat"
    assert Scanner([WORD]).scan(text) == [Span(2, 5, "WORD", "word")]


def test_a_bad_pattern_is_an_error_with_its_reason():
    with pytest.raises(GuardError, match="not valid RE2: missing"):
        compile_pattern("(a")


@given(st.lists(st.sampled_from(["cat", "dog", " ", "é", "🔑", "\u200b", "x"])).map("".join))
def test_every_span_is_the_word_wherever_it_stands(text):
    found = {(span.start, span.end) for span in Scanner([WORD]).scan(text)}
    assert all(text[start:end] == "cat" for start, end in found)
    alone = [
        i
        for i in range(len(text))
        if text.startswith("cat", i) and not _ascii_word(text, i - 1) and not _ascii_word(text, i + 3)
    ]
    assert sorted(start for start, _ in found) == alone


def _ascii_word(text, index):
    return 0 <= index < len(text) and text[index].isascii() and text[index].isalnum()
