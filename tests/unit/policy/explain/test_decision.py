"""A decision in words: what each rule said, and where the call may go."""

import pytest

from keepstone.core.decision import ReasonCode
from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.explain.decision import Explained, explain_decision
from keepstone.policy.load import load
from keepstone.policy.rules import CallFacts
from tests.unit.policy.documents import MINIMAL, loaded
from tests.unit.policy.test_compile import EXAMPLE
from tests.unit.policy.test_conditions import DOCUMENT
from tests.unit.policy.test_times import at

NOON, NIGHT = at("2026-11-20T12:00:00"), at("2026-11-20T23:00:00")


@pytest.fixture(scope="module")
def policy() -> CompiledPolicy:
    return compile_policy(loaded(DOCUMENT))


def asked(
    policy: CompiledPolicy,
    role: str,
    purpose: str = "",
    wall_ns: int = NOON,
    region: str = "",
    model: str = "both",
) -> Explained:
    facts = CallFacts(
        Principal("p", "key", (role,)), Operation.CONVERSE, model, DataClass.PUBLIC, purpose, wall_ns
    )
    return explain_decision(policy, facts, region)


@pytest.mark.parametrize(
    ("call", "code", "upstreams", "says"),
    [
        (("desk",), "purpose_not_allowed", "", ["allows it for purpose `support` only"]),
        (("desk", "support"), "allowed", "oregon frankfurt", ["allows the call"]),
        (("desk", "fun"), "purpose_unknown", "", ["allows it for purpose `support` only"]),
        (("night",), "outside_hours", "", ["allows it at `Mon-Fri 22:00-06:00 Europe/Berlin` only"]),
        (("night", "", NIGHT), "allowed", "oregon frankfurt", ["allows the call"]),
        (
            ("european",),
            "allowed",
            "frankfurt",
            ["does not apply", "allows it in `eu-*` only: at `frankfurt`"],
        ),
        (
            ("european", "marketing"),
            "denied_by_rule",
            "",
            ["denies the call", "allows it in `eu-*` only: at `frankfurt`"],
        ),
        (("anywhere-but",), "allowed", "frankfurt", ["denies it at `oregon`", "allows the call"]),
        (("anywhere-but", "", NOON, "us-west-2"), "region_not_allowed", "frankfurt", None),
        (("anywhere-but", "", NOON, "eu-central-1"), "allowed", "frankfurt", None),
        (
            ("anywhere-but", "", NOON, "", "american"),
            "denied_by_rule",
            "",
            ["denies the call", "allows the call"],
        ),
        (
            ("european", "", NOON, "", "american"),
            "region_not_allowed",
            "",
            ["does not apply", "allows it in `eu-*` only"],
        ),
    ],
)
def test_conditions_are_told(
    policy: CompiledPolicy, call: tuple, code: str, upstreams: str, says: list[str] | None
) -> None:
    found = asked(policy, *call)
    assert found.decision.reason.code == code
    assert [each.name for each in found.upstreams] == upstreams.split()
    assert says is None or [each.says for each in found.considered] == says


def test_a_purpose_is_not_looked_at_where_none_is_declared() -> None:
    found = asked(compile_policy(loaded(MINIMAL)), "engineer", "anything", model="anthropic.x")
    assert found.decision.reason.code is ReasonCode.ALLOWED


def test_a_decision_shows_every_rule_of_its_roles() -> None:
    policy = compile_policy(load(EXAMPLE))
    principal = Principal("p", "key", ("engineer", "analyst"))
    facts = CallFacts(principal, Operation.CONVERSE, "eu.amazon.nova-x", DataClass.CONFIDENTIAL)
    found = explain_decision(policy, facts)
    assert found.decision.allowed
    assert [(each.rule, each.says) for each in found.considered] == [
        ("identities.roles.engineer.deny[0]", "does not apply"),
        ("identities.roles.engineer.allow[0]", "allows up to Internal only"),
        ("identities.roles.analyst.allow[0]", "allows the call"),
    ]


def test_an_unknown_role_has_no_rules_and_is_refused() -> None:
    facts = CallFacts(Principal("p", "key", ("x",)), Operation.CONVERSE, "anthropic.x", DataClass.PUBLIC)
    found = explain_decision(compile_policy(loaded(MINIMAL)), facts)
    assert (found.decision.allowed, found.considered) == (False, ())
