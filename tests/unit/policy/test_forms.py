"""Every form of text in the document has its words, and they are what the error says."""

import re
from collections.abc import Iterator

import pytest
from msgspec import inspect

from keepstone.policy.cases import CaseTable
from keepstone.policy.forms import FORMS
from keepstone.policy.schema.document import Policy
from tests.unit.policy.documents import MINIMAL, problems_of


def patterns(kind: inspect.Type, seen: set[type]) -> Iterator[str]:
    match kind:
        case inspect.Metadata():
            yield from patterns(kind.type, seen)
        case inspect.StructType() if kind.cls not in seen:
            seen.add(kind.cls)
            for each in kind.fields:
                yield from patterns(each.type, seen)
        case inspect.UnionType():
            for each in kind.types:
                yield from patterns(each, seen)
        case inspect.VarTupleType():
            yield from patterns(kind.item_type, seen)
        case inspect.DictType():
            yield from patterns(kind.key_type, seen)
            yield from patterns(kind.value_type, seen)
        case inspect.StrType(pattern=str() as pattern):
            yield pattern


def test_every_pattern_has_its_words_and_no_other() -> None:
    used = {each for kind in (Policy, CaseTable) for each in patterns(inspect.type_info(kind), set())}
    assert used == set(FORMS)


@pytest.mark.parametrize("pattern", FORMS)
def test_the_example_fits(pattern: str) -> None:
    form = FORMS[pattern]
    assert re.search(pattern, form.example)
    assert form.expected == f"{form.words}, such as `{form.example}`"


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        (
            'models: ["anthropic.*"]',
            'models: ["anthropic.*"]\n          times: ["Mon-Fri 8-18"]',
            "hours with two digits each, and an IANA time zone, such as `Mon-Fri 08:00-18:00 Europe/Berlin`",
        ),
        ("{kind: dev}", "{kind: dev, timeout: 5 minutes}", "such as `30s`"),
        ("  dev: {kind", "  Dev: {kind", "lower-case letters, digits"),
    ],
)
def test_an_error_says_the_form_in_words(old: str, new: str, hint: str) -> None:
    (found,) = (each for each in problems_of(MINIMAL.replace(old, new)) if "expected form" in each.message)
    assert hint in found.hint
    assert "^" not in found.hint
