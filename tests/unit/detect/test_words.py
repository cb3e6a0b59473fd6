import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.detect.engine import Scanner, encode
from keepstone.detect.span import Span
from keepstone.detect.words import WORD_TYPE, WordMatcher, fold

MATCHER = WordMatcher(["Blue Harbor", "café", "c++", "blue"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BLUE HARBOR!", ["BLUE HARBOR", "BLUE"]),
        ("blueharbor blues skyblue", []),
        ("Das CAFÉ, İstanbul CAFÉ", ["CAFÉ", "CAFÉ"]),
        ("use C++ now", ["C++"]),
        ("blue_x xblue", []),
    ],
)
def test_phrases_are_found_as_whole_words(text, found):
    spans = MATCHER.scan(text)
    assert sorted(text[each.start : each.end] for each in spans) == sorted(found)


def test_a_span_names_the_phrase_by_its_place():
    assert MATCHER.scan("my café") == [Span(3, 7, WORD_TYPE, "word:1")]


def test_ten_thousand_phrases():
    matcher = WordMatcher([f"codename {number}" for number in range(10_000)])
    assert [span.detector for span in matcher.scan("on Codename 9999.")] == ["word:9999"]


_PHRASES = ["Kessel", "straße", "maß", "is it", "İz", "c++", "(a|b)"]
_pieces = st.lists(st.sampled_from([*_PHRASES, "KESSEL", "\u212aessel", "\u017f", "İ", " ", "k"]), max_size=6)


@given(_pieces.map("".join), st.sets(st.sampled_from(_PHRASES), min_size=1))
def test_what_the_scan_finds_the_first_pass_has_seen(text, phrases):
    matcher = WordMatcher(sorted(phrases))
    seen = bool(Scanner((), signs=matcher.signs).candidates(encode(text)))
    assert not matcher.scan(text) or seen or matcher.hits(text)


@given(st.text())
def test_folding_keeps_the_length(text):
    assert len(fold(text)) == len(text)
