"""Laws of all checks at once: what is not known never counts as good."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import pytest

from keepstone.posture.documents import Condition, Statement
from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.values import NotKnown, Unknown
from keepstone.posture.verdict import Finding, Verdict
from tests.unit.posture.sound import SOUND, snapshot

OTHER_VALUES = (None, False, True, 0, "", "*", "NONE", "DRAFT", "0.0.0.0/0", ())


def spoilt(value: Any, by: Any) -> Iterator[Any]:
    """Yield a value with each of its parts replaced, one at a time."""
    yield by
    match value:
        case tuple():
            for n, each in enumerate(value):
                yield from ((*value[:n], part, *value[n + 1 :]) for part in spoilt(each, by))
        case Mapping():
            for name, each in value.items():
                yield from (MappingProxyType({**value, name: part}) for part in spoilt(each, by))
        case Statement() | Condition():
            for field in fields(value):
                if field.name != "sid":
                    yield from (
                        replace(value, **{field.name: part})
                        for part in spoilt(getattr(value, field.name), by)
                    )


@pytest.mark.parametrize("address", SOUND)
def test_a_pass_despite_what_is_not_known_holds_whatever_it_is(address):
    """Where a check passes with a part unknown, no value of that part makes it fail."""
    _, attributes = SOUND[address]
    unknown = Unknown("known after apply")
    for name, value in attributes.items():
        changes = zip(spoilt(value, unknown), *(spoilt(value, each) for each in OTHER_VALUES), strict=True)
        for hidden, *others in changes:
            for check in passed(address, name, hidden):
                for other in others:
                    found = verdicts(check, address, name, other)
                    assert Verdict.FAIL not in found, (check, name, other)


def verdicts(check: str, address: str, name: str, value: Any) -> set[Verdict]:
    return {each.verdict for each in judged(snapshot(address, {name: value}), [EVERY[check]])}


def passed(address: str, name: str, value: Any) -> set[str]:
    """Return the checks that looked at the value and passed, and say nothing else of anything."""
    kind = SOUND[address][0]
    about = [each for each in EVERY.values() if each.whole or kind in each.kinds]
    found = judged(snapshot(address, {name: value}), about)
    bad = {each.check for each in found if each.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)}
    return {each.check for each in found if looked(each, address, name)} - bad


def looked(finding: Finding, address: str, name: str) -> bool:
    paths = {each.path for each in finding.evidence}
    return finding.verdict is Verdict.PASS and f"{address}: {name}" in paths


@pytest.mark.parametrize("kind", ["equal", "truth", "length", "walk", "member", "order", "method", "hash"])
def test_an_unknown_value_refuses_every_use(kind):

    unknown = Unknown("known after apply")
    uses = {
        "equal": lambda: unknown == "HIGH",
        "truth": lambda: bool(unknown),
        "length": lambda: len(unknown),
        "walk": lambda: list(unknown),
        "member": lambda: "HIGH" in ("LOW", unknown),
        "order": lambda: unknown > 3,
        "method": lambda: unknown.startswith("arn"),
        "hash": lambda: {unknown},
    }
    with pytest.raises(NotKnown, match="known after apply"):
        uses[kind]()
