"""The compiled policy: model look-up, classes, limits, numbers, memory."""

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.decision import ReasonCode
from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.compile import MEMO_SIZE, CompiledPolicy, compile_policy
from keepstone.policy.duration import parse_duration, seconds
from keepstone.policy.load import load
from keepstone.policy.rules import CallFacts
from tests.unit.policy.documents import MINIMAL, loaded

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "keepstone.yaml"

MODELS = """\
version: 1
organisation: {name: Acme}
data: {default_class: Confidential}
identities: {roles: {engineer: {allow: [{models: ["*"], max_data_class: Confidential}]}}}
upstreams: {dev: {kind: dev}, other: {kind: dev}}
models:
  - {id: "anthropic.*", upstreams: [dev]}
  - {id: "anthropic.claude-*", upstreams: [other]}
  - {id: anthropic.claude-x, upstreams: [other, dev], upstream_ids: {dev: here}, max_data_class: Confidential}
  - {id: "us.anthropic.*", upstreams: [dev]}
limits:
  - {name: all, requests: 10}
  - {name: day, window: 1d, tokens: 5, roles: [engineer], models: ["us.*"], scope: role}
retention: {ledger_days: 2}
gateway: {body_timeout: 1500ms}
record: {durability: bounded, window: 20ms}
"""


@pytest.fixture
def policy() -> CompiledPolicy:
    return compile_policy(loaded(MODELS))


@pytest.mark.parametrize(
    ("model_id", "entry"),
    [
        ("anthropic.claude-x", "models[2]"),
        ("anthropic.claude-y", "models[0]"),
        ("us.anthropic.claude-x", "models[3]"),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-x", "models[2]"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.z", "models[3]"),
        ("arn:aws:bedrock:us-east-1:1:imported-model/anthropic.z", None),
        ("Anthropic.claude-x", None),
        ("", None),
    ],
)
def test_an_exact_id_comes_before_patterns_in_order(
    policy: CompiledPolicy, model_id: str, entry: str
) -> None:
    for _ in range(2):
        found = policy.model(model_id)
        assert (found.path if found else None) == entry


def test_a_route_knows_the_id_at_each_upstream(policy: CompiledPolicy) -> None:
    route = policy.model("anthropic.claude-x")
    assert route is not None
    assert [(name, route.upstream_id(name, "anthropic.claude-x")) for name in route.upstreams] == [
        ("other", "anthropic.claude-x"),
        ("dev", "here"),
    ]


@given(stated=st.sampled_from([None, *DataClass]), own=st.sampled_from(DataClass))
def test_a_call_is_at_least_of_its_callers_class(stated: DataClass | None, own: DataClass) -> None:
    policy = compile_policy(loaded(MODELS))
    principal = Principal("p", "key", ("engineer",), data_class=own)
    header = None if stated is None else stated.label.lower()
    floor = DataClass.CONFIDENTIAL if stated is None else stated
    assert policy.effective_class(principal, header) == max(floor, own)


@pytest.mark.parametrize("label", ["", "secret", "Publi", "3", "Public,Internal"])
def test_an_unknown_class_is_an_error(policy: CompiledPolicy, label: str) -> None:
    with pytest.raises(ValueError, match="expected one of Public, Internal, Confidential, Restricted"):
        policy.effective_class(Principal("p", "key", ("engineer",)), label)


def test_durations_become_numbers(policy: CompiledPolicy) -> None:
    assert policy.gateway.body_timeout_s == 1.5
    assert policy.record.window_ns == 20_000_000
    assert policy.retention.ledger_ns == 2 * 86_400 * 10**9
    assert policy.keys.default_lifetime_ns == 90 * 86_400 * 10**9
    assert [each.window_ns for each in policy.limits] == [60 * 10**9, 86_400 * 10**9]


@pytest.mark.parametrize(
    ("roles", "model_id", "names"),
    [
        (("engineer",), "us.anthropic.x", ["all", "day"]),
        (("engineer",), "arn:aws:bedrock:r:1:inference-profile/us.anthropic.x", ["all", "day"]),
        (("engineer",), "anthropic.x", ["all"]),
        (("other",), "us.anthropic.x", ["all"]),
        ((), "", ["all"]),
    ],
)
def test_limits_of_a_call(
    policy: CompiledPolicy, roles: tuple[str, ...], model_id: str, names: list[str]
) -> None:
    found = policy.limits_of(Principal("p", "key", roles), model_id)
    assert [each.name for each in found] == names


def test_a_remembered_decision_is_the_decision(policy: CompiledPolicy) -> None:
    fresh = compile_policy(loaded(MODELS))
    cases = product(
        [("engineer",), ("nobody",), ()],
        [(), ("us.*",)],
        [(), ("Converse",)],
        Operation,
        ["anthropic.x", "us.anthropic.x", "cohere.x"],
        DataClass,
    )
    for roles, models, operations, operation, model_id, data_class in cases:
        principal = Principal("p", "key", roles, models, operations)
        facts = CallFacts(principal, operation, model_id, data_class)
        expected = fresh.admission.decide(facts, fresh.model(model_id)).decision
        assert policy.admit(facts) == policy.admit(facts) == expected


def test_memos_are_bounded(policy: CompiledPolicy) -> None:
    principal = Principal("p", "key", ("engineer",))
    for number in range(MEMO_SIZE + 10):
        facts = CallFacts(principal, Operation.CONVERSE, f"anthropic.{number}", DataClass.PUBLIC)
        assert policy.admit(facts).allowed
        policy.limits_of(principal, f"anthropic.{number}")
    assert len(policy._decisions) == len(policy._models) == len(policy._limits) == 10


def test_unknown_models_are_not_remembered(policy: CompiledPolicy) -> None:
    assert policy.model("cohere.x") is None
    assert not policy._models


def test_the_compiled_policy_cannot_be_changed(policy: CompiledPolicy) -> None:
    with pytest.raises(AttributeError):
        policy.hash = "sha256:0"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1ms", 10**6),
        ("30s", 30 * 10**9),
        ("2m", 120 * 10**9),
        ("1h", 3600 * 10**9),
        ("90d", 7776000 * 10**9),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds
    assert seconds(text) == nanoseconds / 10**9


@pytest.mark.parametrize(
    "text", ["", "1", "s", "0s", "01s", "1.5s", "-1s", "1 s", "1s\n", "1000000s", "1w", "\u0661s"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


class TestExample:
    def test_it_is_valid_without_a_warning(self) -> None:
        assert load(EXAMPLE).warnings == load(EXAMPLE, "prod").warnings == ()

    @pytest.mark.parametrize(
        ("role", "model_id", "data_class", "code"),
        [
            ("claims-service", "eu.anthropic.claude-x", DataClass.RESTRICTED, ReasonCode.ALLOWED),
            ("analyst", "eu.amazon.nova-x", DataClass.CONFIDENTIAL, ReasonCode.ALLOWED),
            ("analyst", "eu.anthropic.claude-x", DataClass.PUBLIC, ReasonCode.NO_RULE_ALLOWS),
            ("engineer", "eu.anthropic.claude-opus-4", DataClass.INTERNAL, ReasonCode.DENIED_BY_RULE),
            ("engineer", "eu.anthropic.claude-opus-4", DataClass.PUBLIC, ReasonCode.ALLOWED),
            ("engineer", "us.anthropic.claude-opus-4", DataClass.PUBLIC, ReasonCode.MODEL_UNKNOWN),
        ],
    )
    def test_it_decides_as_it_reads(
        self, role: str, model_id: str, data_class: DataClass, code: ReasonCode
    ) -> None:
        policy = compile_policy(load(EXAMPLE))
        facts = CallFacts(Principal("p", "key", (role,)), Operation.CONVERSE, model_id, data_class)
        assert policy.admit(facts).reason.code is code

    def test_models_fall_back_to_the_next_upstream(self) -> None:
        route = compile_policy(load(EXAMPLE)).model("eu.amazon.nova-lite-v1:0")
        assert route is not None
        assert [route.upstream_id(name, "eu.amazon.nova-lite-v1:0") for name in route.upstreams] == [
            "eu.amazon.nova-lite-v1:0",
            "qwen-small",
        ]


def test_the_hash_is_that_of_the_loaded_document() -> None:
    assert compile_policy(loaded(MINIMAL)).hash == loaded(MINIMAL).hash
