import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.detect import width

# pattern, decisive, longest
ROWS = [
    (r"abc", 3, 3),
    (r"[a-z]{4,}", 4, None),
    (r"[a-z]+@[a-z]+", None, None),
    (r"[a-z]{1,8}@[a-z]+", 10, None),
    (r"ab(?:cd)*", 2, None),
    (r"ab(?:c{5})?", 5, 7),
    (r"a|bcd", 3, 3),
    (r"(?:\d{3}-){2,4}", 8, 16),
    (r"x\b", 1, 1),
    (r"a.*b", None, None),
    (r"", 0, 0),
]


@pytest.mark.parametrize(("pattern", "decisive", "longest"), ROWS)
def test_widths(pattern, decisive, longest):
    tree = width.parse(pattern)
    assert (width.decisive(tree), width.longest(tree)) == (decisive, longest)


def test_what_python_cannot_read_has_no_tree():
    assert width.parse(r"\pN+") is None


@pytest.mark.parametrize(
    ("pattern", "character", "expected"),
    [
        (r"[^a]", " ", True),
        (r"[^\s]", " ", False),
        (r"\w+", "一", False),
        (r"\W", "一", True),
        (r"a(?: |b)", " ", True),
        (r"[a-c]", "b", True),
        (r".", "一", True),
        (r"\D\d", "7", True),
    ],
)
def test_can_contain(pattern, character, expected):
    assert width.can_contain(width.parse(pattern), character) is expected


_PIECES = st.sampled_from(["a", "[ab]{2}", "b{1,3}", "(?:ab)?", "a*", "(?:a|ba)", "(?:ab){1,2}"])


@given(st.lists(_PIECES, min_size=1, max_size=4).map("".join), st.text("ab", max_size=24))
def test_a_match_shows_itself_within_its_decisive_width(pattern, text):
    decisive = width.decisive(width.parse(pattern))
    if decisive is not None and re.match(pattern, text):
        assert re.match(pattern, text[:decisive])
