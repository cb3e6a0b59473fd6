"""What two documents decide differently: named for people, true in both, nothing for one and itself."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.differences import compare, way_of
from keepstone.policy.model_ids import Glob, overlap, witness
from tests.laws import examples
from tests.unit.policy.documents import loaded
from tests.unit.policy.test_conditions import DOCUMENT
from tests.unit.policy.test_times import at

NOW = at("2026-11-16T00:00:00")
BASE = compile_policy(loaded(DOCUMENT))


def diff(*changes: tuple[str, str]):
    text = DOCUMENT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return compare(BASE, compile_policy(loaded(text)), NOW)


CHANGED = {
    "a ceiling": (
        [
            (
                'trusted:\n      allow: [{models: ["*"], max_data_class: Restricted}]',
                "trusted:\n      allow: []",
            )
        ],
        "role `trusted` may no longer use `american` and `local` up to Internal",
    ),
    "a class": (
        [
            (
                'anywhere-but:\n      allow: [{models: ["*"]}]',
                'anywhere-but:\n      allow: [{models: ["*"], max_data_class: Confidential}]',
            )
        ],
        "role `anywhere-but` may now use `both` with Confidential data",
    ),
    "a purpose": (
        [("purposes: [support], max", "purposes: [support, marketing], max")],
        "for `marketing`",
    ),
    "hours": ([("22:00-06:00", "21:00-06:00")], "role `night` may now use"),
    "a clearance": (
        [("eu-central-1, max_data_class: Restricted", "eu-central-1, max_data_class: Internal")],
        "role `trusted` may no longer use `both` with Confidential and Restricted data",
    ),
    "a region": (
        [('deny: [{regions: ["us-*"]}]', "deny: []")],
        "may go to `oregon` (us-west-2) and `frankfurt` (eu-central-1), before to `frankfurt` (eu-central-1)",
    ),
    "an operation": (
        [
            (
                'weekend-off:\n      allow: [{models: ["*"]}]',
                'weekend-off:\n      allow: [{models: ["*"], operations: [Converse]}]',
            )
        ],
        "by ConverseStream, InvokeModel",
    ),
}


@pytest.mark.parametrize("row", CHANGED.values(), ids=CHANGED)
def test_a_change_is_told(row: tuple) -> None:
    changes, words = row
    found = diff(*changes)
    assert any(words in each.sentence for each in found.decisions), [e.sentence for e in found.decisions]
    assert not found.cut


def test_a_document_and_itself() -> None:
    found = compare(BASE, compile_policy(loaded(DOCUMENT)), NOW)
    assert found.empty
    assert found.compared > 1000


def test_settings_are_told_by_their_path() -> None:
    found = diff(("strict: {pii: {EMAIL: BLOCK}}", "strict: {pii: {EMAIL: ANONYMIZE}}"))
    assert not found.decisions
    assert [(each.path, each.before, each.after) for each in found.settings] == [
        ("guardrails.strict.pii.EMAIL", "BLOCK", "ANONYMIZE")
    ]


def test_a_role_that_only_denies_shows_in_company() -> None:
    found = diff(("    trusted:\n", "    no-claude: {deny: [{models: [local]}]}\n    trusted:\n"))
    told = [each for each in found.decisions if "`no-claude`" in each.sentence]
    assert told  # until now nobody could hold it
    assert all(len(role.split(" + ")) == 2 for each in told for role in each.roles)


SMALL = """\
version: 1
organisation: {name: Acme}
purposes:
  support: {description: answering customers}
  marketing: {description: writing advertisements}
data: {default_class: Public}
identities:
  roles:
    desk:
      allow: [{models: ["*"], purposes: [support], max_data_class: Restricted}]
    european:
      allow: [{models: ["*"], regions: ["eu-*"], max_data_class: Restricted}]
      deny: [{purposes: [marketing], because: not with these data}]
    night:
      allow: [{models: ["*"], times: ["Mon-Fri 22:00-06:00 Europe/Berlin"]}]
      deny: [{regions: ["us-*"]}]
upstreams:
  frankfurt: {kind: bedrock, region: eu-central-1, max_data_class: Restricted}
  oregon: {kind: bedrock, region: us-west-2, max_data_class: Internal}
models:
  - {id: both, upstreams: [oregon, frankfurt], max_data_class: Restricted}
  - {id: american, upstreams: [oregon]}
guardrails: {default: {pii: {EMAIL: BLOCK}}}
"""
"""One rule for each condition that there is: some 6,000 calls to compare, not 27,000 as `DOCUMENT`."""
texts = {
    "max_data_class: Restricted": st.sampled_from(["max_data_class: Restricted", "max_data_class: Internal"]),
    "purposes: [support]": st.sampled_from(["purposes: [support]", "purposes: [marketing]"]),
    '["us-*"]': st.sampled_from(['["us-*"]', '["eu-*"]', '["us-west-2"]']),
    "Mon-Fri 22:00-06:00": st.sampled_from(["Mon-Fri 22:00-06:00", "daily 20:00-23:00", "Sat 00:00-24:00"]),
    "because: not with these data": st.sampled_from(
        ["because: not with these data", "operations: [Converse]"]
    ),
    'models: ["*"], times': st.sampled_from(['models: ["*"], times', 'models: ["*o*"], times']),
}


@functools.cache
def small(chosen: tuple[str, ...]) -> CompiledPolicy:
    text = SMALL
    for old, new in zip(texts, chosen, strict=True):
        assert old in text
        text = text.replace(old, new)
    return compile_policy(loaded(text))


@given(st.tuples(*texts.values()), st.tuples(*texts.values()))
@settings(max_examples=examples(40), deadline=None)
def test_a_difference_is_true_in_both_deciders(first: tuple, second: tuple) -> None:
    old, new = small(first), small(second)
    found = compare(old, new, NOW)
    assert found.compared < 10_000  # or this law becomes the slowest of the suite
    assert found.empty == (old.hash == new.hash) or found.decisions == ()
    for change in found.decisions:
        before, after = way_of(old, change.example), way_of(new, change.example)
        assert before != after
        assert change.effect == ("allowed" if before is None else "refused" if after is None else "rerouted")
    back = compare(new, old, NOW)
    assert len(back.decisions) == len(found.decisions)


patterns = st.text("ab*", min_size=1, max_size=6)


@given(patterns, patterns)
@settings(max_examples=examples(500))
def test_a_witness_fits_both(left: str, right: str) -> None:
    found = witness(left, right)
    assert (found is not None) == overlap(left, right)
    if found is not None:
        assert Glob(left).matches(found)
        assert Glob(right).matches(found)
