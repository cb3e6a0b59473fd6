"""Every check has its words, and rows that make it pass, fail, and say that it could not tell."""

import pytest

from keepstone.catalog.checks import check_texts, rule_sets, trend_rules
from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.kinds import ATTRIBUTES, Kind
from keepstone.posture.snapshot import Resource, Snapshot
from keepstone.posture.values import Unknown
from keepstone.posture.verdict import Finding, Verdict
from tests.unit.posture.rows import ROWS, Row
from tests.unit.posture.sound import SOUND, snapshot


def findings(check: str, **changes) -> tuple[Finding, ...]:
    return judged(snapshot(**changes), [EVERY[check]])


def verdicts(check: str, **changes) -> set[Verdict]:
    return {each.verdict for each in findings(check, **changes)}


def test_every_check_has_a_text_and_every_text_a_check():
    assert check_texts().keys() == EVERY.keys()
    assert len(EVERY) >= 60


def test_every_check_is_in_the_table():
    assert {row.check for row in ROWS} == EVERY.keys()


def test_all_sixteen_rules_of_trend_micro_are_covered():
    assert len(trend_rules()) == 16
    assert {slug for text in check_texts().values() for slug in text.trend} == trend_rules().keys()


@pytest.mark.parametrize("name", rule_sets())
def test_every_rule_of_a_set_is_answered_or_told_why_not(name):
    rules = rule_sets()[name]
    answers = rules.answers()
    assert {rule for rule, by in answers.items() if not by} == rules.open.keys()
    cited = {rule for text in check_texts().values() for rule in getattr(text, rules.field)}
    assert cited <= set(rules.rules)
    assert len(set(rules.rules)) == len(rules.rules)
    assert all(why.endswith(".") for why in rules.open.values())


def test_ids_of_trend_micro_stand_only_where_they_were_read():
    assert {rule.id for rule in trend_rules().values()} - {""} == {
        "Bedrock-001",
        "Bedrock-002",
        "Bedrock-003",
        "Bedrock-007",
        "Bedrock-014",
    }


def test_the_sound_account_has_all_kinds_with_all_their_attributes():
    assert {kind for kind, _ in SOUND.values()} == set(Kind)
    for address, (kind, attributes) in SOUND.items():
        assert attributes.keys() == ATTRIBUTES[kind], address


@pytest.mark.parametrize("check", EVERY)
def test_a_sound_account_passes(check):
    found = verdicts(check)
    assert Verdict.PASS in found
    assert found <= {Verdict.PASS, Verdict.NOT_APPLICABLE}, findings(check)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.check}-{row.address}-{'-'.join(row.bad)}")
def test_what_is_wrong_fails_with_a_reason(row: Row):
    found = [
        each
        for each in findings(row.check, address=row.address, change=row.bad)
        if each.verdict is Verdict.FAIL
    ]
    assert found
    for each in found:
        assert each.reason
        assert each.evidence
        assert not each.reason.endswith(".")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.check}-{row.address}-{row.unknown}")
def test_what_is_not_known_is_not_judged(row: Row):
    change = {row.unknown: Unknown("known after apply")}
    found = [
        each
        for each in findings(row.check, address=row.address, change=change)
        if each.verdict is Verdict.NOT_EVALUATED
    ]
    assert found, findings(row.check, address=row.address, change=change)
    assert all("known after apply" in each.reason for each in found)


@pytest.mark.parametrize("check", EVERY)
def test_nothing_known_is_never_a_pass(check):
    """Whatever is unknown, no attribute by itself makes a check pass that has to know more."""
    nothing = snapshot_of_nothing()
    assert Verdict.PASS not in {each.verdict for each in judged(nothing, [EVERY[check]])}


def snapshot_of_nothing() -> Snapshot:
    whole = snapshot()
    return Snapshot(
        whole.provenance, tuple(Resource(each.kind, each.address, {}) for each in whole.resources)
    )


@pytest.mark.parametrize("check", EVERY)
def test_an_empty_snapshot_has_nothing_to_judge(check):
    found = judged(Snapshot(snapshot().provenance, ()), [EVERY[check]])
    assert {each.verdict for each in found} == {Verdict.NOT_APPLICABLE}
