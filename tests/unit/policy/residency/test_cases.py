"""Every row of `cases.txt`: regions x profiles x instruments x dates, and what the law says of them."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from keepstone.policy.residency.addresses import shipped
from keepstone.policy.residency.routing import Reach, weigh
from keepstone.policy.residency.verdict import Says
from tests.unit.policy.residency.worlds import UPSTREAM, facts, rules


class Case(NamedTuple):
    data: str
    region: str
    profile: str
    instruments: str
    stay: str
    day: str
    purpose: str
    consent: str
    says: str
    cites: str


def cases():
    text = Path(__file__).with_name("cases.txt").read_text("utf-8")
    rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [Case(*(cell.strip() for cell in row.split(" | "))) for row in rows]


def words(cell, separator=None):
    return [] if cell == "-" else cell.split(separator)


def reach(profile):
    if profile == "?":
        return Reach(unknown="nobody knows")
    if profile.startswith("@"):
        return Reach(shipped(f"{profile[1:]}.anthropic.claude"))
    return Reach(tuple(words(profile, ",")))


@pytest.mark.parametrize("case", cases(), ids=lambda case: " ".join(case[:6]))
def test_a_case(case):
    stay = [
        (code, places.split("+")) for code, _, places in (each.partition(":") for each in words(case.stay))
    ]
    known = rules(case.region, stay=stay, instruments=words(case.instruments))
    asked = facts(case.data.split(), case.day, "" if case.purpose == "-" else case.purpose, case.consent)
    weighed = weigh(known, asked, UPSTREAM, reach(case.profile))
    assert weighed.says == case.says, weighed.words
    cited = [word.verdict.article for word in weighed.words if word.verdict.says is weighed.says]
    if case.cites != "-":
        assert any(case.cites in article for article in cited), cited


def test_there_are_enough_of_them_and_none_twice():
    found = Counter(cases())
    assert len(found) >= 200
    assert not [case for case, times in found.items() if times > 1]
    assert {case.says for case in found} == {each.value for each in Says}
