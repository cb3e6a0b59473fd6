"""Policies that are too long become several that say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.errors import DeployError
from keepstone.deploy.documents import allow, characters, document, split

MOST = 400
statements = st.lists(
    st.builds(
        allow,
        st.lists(st.text(" \u00e9abc:*", min_size=1, max_size=20), min_size=1, max_size=5),
        st.lists(st.text("ab /", max_size=20), max_size=5),
    ),
    max_size=20,
)


@given(statements)
def test_no_statement_is_lost_cut_or_said_twice(given_statements) -> None:
    whole = document(given_statements)
    parts = split(whole, MOST)
    assert all(characters(each) <= MOST for each in parts)
    found = [statement for part in parts for statement in part["Statement"]]
    assert sorted(map(str, found)) == sorted(map(str, given_statements))
    assert all(part["Version"] == whole["Version"] and part["Statement"] for part in parts)


@given(statements)
def test_few_parts_are_made(given_statements) -> None:
    """No two parts fit into one."""
    parts = split(document(given_statements), MOST)
    pairs = [(one, other) for one in parts for other in parts if one is not other]
    assert all(characters(document([*one["Statement"], *other["Statement"]])) > MOST for one, other in pairs)


def test_white_space_does_not_count() -> None:
    assert characters({"a b": ["c\n", " d"]}) == len('{"ab":["c\\n","d"]}')


def test_a_statement_that_is_too_long_by_itself_is_told() -> None:
    with pytest.raises(DeployError, match=f"longer than `{MOST}`"):
        split(document([allow(["s3:GetObject"] * 50, ["*"])]), MOST)
