"""The decision about a call: its laws, its words, and a ten-line model that it must agree with."""

import fnmatch
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keepstone.core.decision import ReasonCode
from keepstone.core.exchange import WITHOUT_MODEL, DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.admission import Admission
from keepstone.policy.model_ids import Glob
from keepstone.policy.rules import CallFacts, ModelRoute, compile_roles
from keepstone.policy.schema.identities import AllowRule, DenyRule, Role
from tests.laws import examples

LABELS = [each.label for each in DataClass]
CALLS = [each for each in Operation if each not in WITHOUT_MODEL]
ids = st.text("1.", min_size=1, max_size=3)
globs = st.lists(st.text("1.**", min_size=1, max_size=3), min_size=1, max_size=2).map(tuple)
operations = st.lists(st.sampled_from(["*", *Operation]), min_size=1, max_size=3).map(
    lambda names: tuple(str(each) for each in names)
)
allow_rules = st.builds(
    AllowRule, models=globs, operations=operations, max_data_class=st.sampled_from(LABELS)
)
deny_rules = st.builds(
    DenyRule,
    models=globs,
    operations=operations,
    above=st.none() | st.sampled_from(LABELS),
    because=st.just(""),
)
roles = st.builds(
    Role,
    description=st.just(""),
    allow=st.lists(allow_rules, max_size=3).map(tuple),
    deny=st.lists(deny_rules, max_size=2).map(tuple),
)
documents = st.fixed_dictionaries({"r": roles, "s": roles}, optional={"t": roles})
principals = st.builds(
    Principal,
    id=st.just("p"),
    kind=st.just("key"),
    roles=st.sampled_from([("r",), ("s",), ("r", "s"), ("r", "s"), ("s", "t"), ()]),
    models=st.just(()) | st.just(()) | globs,
    operations=st.just(()) | st.just(()) | operations,
)
calls = st.builds(CallFacts, principals, st.sampled_from(CALLS), ids, st.sampled_from(DataClass))
routes = st.sampled_from(DataClass)


def route(ceiling: DataClass = DataClass.RESTRICTED) -> ModelRoute:
    return ModelRoute("*", ("dev",), ceiling, "default", {}, "models[0]", Glob("*"))


def decide(document: dict[str, Role], facts: CallFacts, ceiling: DataClass = DataClass.RESTRICTED):
    return Admission(compile_roles(document)).decide(facts, route(ceiling)).decision


def naive(document: dict[str, Role], facts: CallFacts, ceiling: DataClass) -> bool:
    """Say in ten lines what is allowed."""
    who, label = facts.principal, LABELS.index
    fits = lambda rule: any(_like(facts.model_id, glob) for glob in rule.models)  # noqa: E731
    speaks = lambda rule: {"*", facts.operation} & set(rule.operations)  # noqa: E731
    if not who.roles or any(name not in document for name in who.roles) or facts.data_class > ceiling:
        return False
    if who.operations and not {"*", facts.operation} & set(who.operations):
        return False
    if who.models and not any(_like(facts.model_id, glob) for glob in who.models):
        return False
    denied = [d for r in who.roles for d in document[r].deny if fits(d) and speaks(d)]
    if any(d.above is None or facts.data_class > label(d.above) for d in denied):
        return False
    allowed = [a for r in who.roles for a in document[r].allow if fits(a) and speaks(a)]
    return any(facts.data_class <= label(a.max_data_class) for a in allowed)


def _like(text: str, glob: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, glob.split("*"))), text) is not None


@settings(max_examples=examples(300), deadline=None)
@given(documents, calls, routes)
def test_it_agrees_with_a_naive_model(
    document: dict[str, Role], facts: CallFacts, ceiling: DataClass
) -> None:
    assert decide(document, facts, ceiling).allowed == naive(document, facts, ceiling)


@settings(max_examples=examples(120), deadline=None)
@given(documents, calls, deny_rules, st.sampled_from("rst"))
def test_another_denial_never_allows_more(
    document: dict[str, Role], facts: CallFacts, denial: DenyRule, name: str
) -> None:
    role = document.get(name, Role())
    stricter = {**document, name: Role(allow=role.allow, deny=(*role.deny, denial))}
    if name not in document:
        stricter.pop(name)
    assert decide(document, facts).allowed or not decide(stricter, facts).allowed


@settings(max_examples=examples(80), deadline=None)
@given(documents, calls)
def test_a_denial_of_everything_overrides_every_allowance(
    document: dict[str, Role], facts: CallFacts
) -> None:
    walled = {name: Role(allow=role.allow, deny=(DenyRule(),)) for name, role in document.items()}
    assert not decide(walled, facts).allowed


@settings(max_examples=examples(80), deadline=None)
@given(documents, calls)
def test_less_sensitive_data_is_never_refused_where_more_is_allowed(
    document: dict[str, Role], facts: CallFacts
) -> None:
    lower = CallFacts(facts.principal, facts.operation, facts.model_id, DataClass.PUBLIC)
    assert decide(document, lower).allowed or not decide(document, facts).allowed


@settings(max_examples=examples(80), deadline=None)
@given(documents, calls)
def test_every_decision_has_a_reason_in_words(document: dict[str, Role], facts: CallFacts) -> None:
    decision = decide(document, facts)
    assert all(each.message for each in decision.reasons)
    assert (decision.reason.code is ReasonCode.ALLOWED) == decision.allowed


GUARD = Operation.APPLY_GUARDRAIL
ENGINEER = Role(
    allow=(
        AllowRule(models=("anthropic.*",), operations=("Converse",), max_data_class="Internal"),
        AllowRule(models=("amazon.*",), max_data_class="Confidential"),
    ),
    deny=(DenyRule(models=("anthropic.Claude-Opus*",), because="ask first"),),
)
EMPTY = Role()


def call(model: str = "anthropic.x", **changed: object) -> CallFacts:
    principal = Principal(
        id="p",
        kind="key",
        roles=changed.pop("roles", ("engineer",)),
        models=changed.pop("models", ()),
        operations=changed.pop("operations", ()),
    )
    operation = changed.pop("operation", Operation.CONVERSE)
    return CallFacts(principal, operation, model, changed.pop("data_class", DataClass.INTERNAL))


@pytest.mark.parametrize(
    ("facts", "code", "path", "words"),
    [
        (call(), "allowed", "identities.roles.engineer.allow[0]",
         "role `engineer` may use `anthropic.*` up to Internal"),
        (call(data_class=DataClass.CONFIDENTIAL), "data_class_too_high", "identities.roles.engineer.allow[0]",
         "role `engineer` may use `anthropic.*` up to Internal, this call is Confidential"),
        (call(operation=Operation.INVOKE_MODEL), "no_rule_allows", "identities.roles.engineer.allow[0]",
         "role `engineer` may use `anthropic.*` by Converse only, this call is InvokeModel"),
        (call("cohere.x"), "no_rule_allows", "identities.roles",
         "no rule of `engineer` allows `cohere.x` by Converse"),
        (call("anthropic.claude-opus-9"), "denied_by_rule", "identities.roles.engineer.deny[0]",
         "role `engineer` is denied `anthropic.claude-opus*`: ask first"),
        (call("us.anthropic.claude-opus-9"), "denied_by_rule",
         "identities.roles.engineer.deny[0]", "ask first"),
        (call("Anthropic.Claude-Opus-9"), "denied_by_rule", "identities.roles.engineer.deny[0]", "ask first"),
        (call("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-opus-9"), "denied_by_rule",
         "identities.roles.engineer.deny[0]", "ask first"),
        (call("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova"), "allowed",
         "identities.roles.engineer.allow[1]", "`amazon.*`"),
        (call(roles=("nobody",)), "role_unknown", "identities.roles", "`nobody`"),
        (call(roles=("engineer", "nobody")), "role_unknown", "identities.roles", "does not define"),
        (call(roles=()), "role_unknown", "identities.roles", "holds no role"),
        (call(roles=("empty",)), "no_rule_allows", "identities.roles", "no rule of `empty`"),
        (call(models=("amazon.*",)), "out_of_key_scope", "", "limited to `amazon.*`"),
        (call(operations=("CountTokens",)), "out_of_key_scope", "", "limited to CountTokens"),
        (call(operations=("*",)), "allowed", "identities.roles.engineer.allow[0]", "engineer"),
        (call("amazon.x", data_class=DataClass.RESTRICTED), "data_class_too_high", "models[0].max_data_class",
         "cleared up to Confidential"),
        (call("", operation=GUARD), "allowed", "identities.roles.engineer.allow[1]",
         "ApplyGuardrail"),
        (call("", operation=GUARD, data_class=DataClass.RESTRICTED), "allowed",
         "identities.roles.engineer.allow[1]", "ApplyGuardrail"),
        (call("", operation=GUARD, roles=("empty",)), "no_rule_allows", "identities.roles", "empty"),
        (call("", operation=GUARD, operations=("Converse",)), "out_of_key_scope", "", "limited"),
    ],
)  # fmt: skip
def test_the_deciding_rule_is_named_in_words(facts: CallFacts, code: str, path: str, words: str) -> None:
    decision = decide({"engineer": ENGINEER, "empty": EMPTY}, facts, DataClass.CONFIDENTIAL)
    assert (decision.reason.code, decision.reason.path) == (code, path)
    assert words in decision.reason.message


def test_a_model_without_an_entry_is_refused() -> None:
    decision = Admission(compile_roles({"engineer": ENGINEER})).decide(call(), None).decision
    assert decision.reason.code is ReasonCode.MODEL_UNKNOWN


def test_an_empty_policy_refuses() -> None:
    assert not Admission({}).decide(call(), route()).decision.allowed


@settings(max_examples=examples(250))
@example("ab*ba", "aba")
@example("a*b*b", "ab")
@given(st.text("ab*", min_size=1, max_size=8), st.text("ab", max_size=8))
def test_a_glob_matches_as_the_shell_does(pattern: str, text: str) -> None:
    assert Glob(pattern).matches(text) == fnmatch.fnmatchcase(text, pattern)
