"""Purposes, regions, times, clearances and personas: what they decide, and what the check tells of them."""

import pytest

from keepstone.core.decision import ReasonCode
from keepstone.core.exchange import ClassSource, DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.explain.document import explain_document
from keepstone.policy.personas import PERSONAS, Administration, may_administer
from keepstone.policy.rules import CallFacts
from keepstone.policy.schema.identities import Persona, Role
from tests.unit.policy.documents import MINIMAL, loaded, problems_of
from tests.unit.policy.test_times import at

DOCUMENT = """\
version: 1
organisation: {name: Acme}
purposes:
  support: {description: answering customers, legal_basis: contract}
  marketing: {description: writing advertisements}
data:
  default_class: Public
identities:
  roles:
    desk:
      persona: application
      allow: [{models: ["*"], purposes: [support], max_data_class: Restricted}]
    night:
      allow: [{models: ["*"], times: ["Mon-Fri 22:00-06:00 Europe/Berlin"]}]
    european:
      allow: [{models: ["*"], regions: ["eu-*"], max_data_class: Restricted}]
      deny: [{purposes: [marketing], because: not with these data}]
    anywhere-but:
      allow: [{models: ["*"]}]
      deny: [{regions: ["us-*"]}]
    trusted:
      allow: [{models: ["*"], max_data_class: Restricted}]
    auditor: {persona: auditor}
    weekend-off:
      allow: [{models: ["*"]}]
      deny: [{times: ["Sat-Sun 00:00-24:00 UTC"]}]
upstreams:
  frankfurt: {kind: bedrock, region: eu-central-1, max_data_class: Restricted}
  oregon: {kind: bedrock, region: us-west-2, max_data_class: Internal}
  lab: {kind: dev}
models:
  - {id: both, upstreams: [oregon, frankfurt], max_data_class: Restricted, guardrail: strict}
  - {id: american, upstreams: [oregon]}
  - {id: local, upstreams: [lab]}
guardrails:
  default: {}
  strict: {pii: {EMAIL: BLOCK}}
"""
FRIDAY, SATURDAY = at("2026-11-20T12:00:00"), at("2026-11-21T12:00:00")


@pytest.fixture(scope="module")
def policy() -> CompiledPolicy:
    return compile_policy(loaded(DOCUMENT))


def facts(role: str, model: str = "both", **more) -> CallFacts:
    data_class = more.pop("data_class", DataClass.PUBLIC)
    operation = more.pop("operation", Operation.CONVERSE)
    return CallFacts(
        Principal("p", "key", (role,)), operation, model, data_class, **{"wall_ns": FRIDAY, **more}
    )


ALLOWED = {
    "for its purpose": (facts("desk", purpose="support"), ("oregon", "frankfurt")),
    "at night": (facts("night", wall_ns=at("2026-11-20T23:00:00")), ("oregon", "frankfurt")),
    "in its region only": (facts("european"), ("frankfurt",)),
    "but in the denied region": (facts("anywhere-but"), ("frankfurt",)),
    "where it is cleared": (facts("trusted", data_class=DataClass.RESTRICTED), ("frankfurt",)),
    "on a weekday": (facts("weekend-off"), ("oregon", "frankfurt")),
    "a check of text": (facts("european", "", operation=Operation.APPLY_GUARDRAIL), ()),
    "a check of text, no region being denied": (
        facts("anywhere-but", "", operation=Operation.APPLY_GUARDRAIL),
        (),
    ),
}


@pytest.mark.parametrize("row", ALLOWED.values(), ids=ALLOWED)
def test_a_call_may_be_made(policy: CompiledPolicy, row: tuple) -> None:
    call, upstreams = row
    admitted = policy.admission_of(call)
    assert admitted.decision.allowed
    assert admitted.upstreams == upstreams


ROLES = "identities.roles"
REFUSED = {
    "no purpose": (facts("desk"), ReasonCode.PURPOSE_NOT_ALLOWED, f"{ROLES}.desk.allow[0].purposes"),
    "another purpose": (facts("desk", purpose="marketing"), ReasonCode.PURPOSE_NOT_ALLOWED, ""),
    "by day": (facts("night"), ReasonCode.OUTSIDE_HOURS, f"{ROLES}.night.allow[0].times"),
    "a check of text by day": (
        facts("night", "", operation=Operation.APPLY_GUARDRAIL),
        ReasonCode.OUTSIDE_HOURS,
        "",
    ),
    "no upstream there": (
        facts("european", "american"),
        ReasonCode.REGION_NOT_ALLOWED,
        f"{ROLES}.european.allow[0].regions",
    ),
    "nobody knows where": (facts("european", "local"), ReasonCode.REGION_NOT_ALLOWED, ""),
    "the denied region": (facts("anywhere-but", "american"), ReasonCode.DENIED_BY_RULE, ""),
    "it may be the denied region": (facts("anywhere-but", "local"), ReasonCode.DENIED_BY_RULE, ""),
    "a denied purpose": (facts("european", purpose="marketing"), ReasonCode.DENIED_BY_RULE, ""),
    "the weekend": (facts("weekend-off", wall_ns=SATURDAY), ReasonCode.DENIED_BY_RULE, ""),
    "an auditor's call": (facts("auditor"), ReasonCode.NO_RULE_ALLOWS, ""),
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED)
def test_a_call_may_not_be_made(policy: CompiledPolicy, row: tuple) -> None:
    call, code, path = row
    admitted = policy.admission_of(call)
    assert admitted.decision.reason.code is code
    assert path in ("", admitted.decision.reason.path)
    assert admitted.upstreams == ()


def test_restricted_data_reaches_no_upstream_that_is_not_cleared(policy: CompiledPolicy) -> None:
    for role in policy.document.identities.roles:
        for model in ("both", "american", "local"):
            for purpose in ("", "support", "marketing"):
                call = facts(role, model, purpose=purpose, data_class=DataClass.RESTRICTED)
                assert set(policy.admission_of(call).upstreams) <= {"frankfurt"}


def test_the_memo_knows_the_time(policy: CompiledPolicy) -> None:
    by_day, by_night = facts("night"), facts("night", wall_ns=at("2026-11-20T23:00:00"))
    for _ in range(2):
        assert not policy.admit(by_day).allowed
        assert policy.admit(by_night).allowed


def test_a_required_purpose() -> None:
    policy = compile_policy(loaded(DOCUMENT.replace("data:\n", "data:\n  require_purpose: true\n")))
    assert policy.admit(facts("trusted")).reason.code is ReasonCode.PURPOSE_REQUIRED
    assert policy.admit(facts("trusted", purpose="marketing")).allowed
    assert policy.admit(facts("trusted", "", operation=Operation.LIST_FOUNDATION_MODELS)).allowed


@pytest.mark.parametrize(
    ("label", "floor", "expected"),
    [
        (None, DataClass.PUBLIC, (DataClass.PUBLIC, ClassSource.DEFAULT)),
        ("internal", DataClass.PUBLIC, (DataClass.INTERNAL, ClassSource.HEADER)),
        ("internal", DataClass.INTERNAL, (DataClass.INTERNAL, ClassSource.HEADER)),
        (None, DataClass.INTERNAL, (DataClass.INTERNAL, ClassSource.PRINCIPAL)),
        ("Internal", DataClass.RESTRICTED, (DataClass.RESTRICTED, ClassSource.PRINCIPAL)),
    ],
)
def test_the_class_says_where_it_comes_from(policy: CompiledPolicy, label, floor, expected) -> None:
    assert policy.classify(Principal("p", "key", ("desk",), data_class=floor), label) == expected


ROLE = '      allow:\n        - models: ["anthropic.*"]\n'
TOLD = {
    "a persona that calls nothing": (
        MINIMAL.replace("      allow:", "      persona: auditor\n      allow:"),
        f"{ROLES}.engineer.allow[0].operations[0]",
        "persona `auditor` may not use `*`",
    ),
    "a persona that only checks": (
        MINIMAL.replace(ROLE, f"      persona: security-operator\n{ROLE}          operations: [Converse]\n"),
        f"{ROLES}.engineer.allow[0].operations[0]",
        "operations of this persona: ApplyGuardrail",
    ),
    "an unknown purpose": (
        MINIMAL.replace(ROLE, f"{ROLE}          purposes: [suport]\n")
        + "purposes: {support: {description: x}}\n",
        f"{ROLES}.engineer.allow[0].purposes[0]",
        "did you mean `support`?",
    ),
    "a purpose required of none": (
        MINIMAL + "data: {require_purpose: true}\n",
        "data.require_purpose",
        "none is declared",
    ),
    "no such hour": (
        MINIMAL.replace(ROLE, f'{ROLE}          times: ["Mon 08:00-26:00 UTC"]\n'),
        f"{ROLES}.engineer.allow[0].times[0]",
        "`26:00` is no time of a day",
    ),
    "a region without upstreams": (
        MINIMAL.replace(ROLE, f'{ROLE}          regions: ["eu-*"]\n'),
        f"{ROLES}.engineer.allow[0].regions[0]",
        "no upstream is in region `eu-*`",
    ),
    "a model's upstream elsewhere": (
        MINIMAL.replace("    upstreams: [dev]", '    upstreams: [dev]\n    regions: ["eu-*"]'),
        "models[0].upstreams[0]",
        "in no known region",
    ),
    "a find that nothing makes": (
        MINIMAL + "data: {detected: {EMIAL: Restricted}}\n",
        "data.detected.EMIAL",
        "did you mean `EMAIL`?",
    ),
}


@pytest.mark.parametrize("row", TOLD.values(), ids=TOLD)
def test_the_check_tells(row: tuple[str, str, str]) -> None:
    text, path, words = row
    told = {each.path: f"{each.message}; {each.hint}" for each in problems_of(text)}
    assert words in told[path]


class TestPersonas:
    def test_each_has_bounds(self) -> None:
        assert set(PERSONAS) == set(Persona)

    def test_a_persona_that_reads_needs_no_rule(self) -> None:
        text = MINIMAL.replace("  roles:\n", "  roles:\n    auditor: {persona: auditor}\n")
        assert not any("auditor" in each.message for each in problems_of(text))

    @pytest.mark.parametrize(
        ("persona", "act", "may"),
        [
            (Persona.AUDITOR, Administration.LEDGER_EXPORT, True),
            (Persona.AUDITOR, Administration.CONTENT_ERASE, False),
            (Persona.AUDITOR, Administration.KEY_ISSUE, False),
            (Persona.SECURITY_OPERATOR, Administration.KEY_ISSUE, True),
            (Persona.SECURITY_OPERATOR, Administration.CONTENT_READ, False),
            (Persona.BILLING, Administration.USAGE_READ, True),
            (Persona.BILLING, Administration.LEDGER_READ, False),
            (Persona.APPLICATION, Administration.USAGE_READ, False),
        ],
    )
    def test_what_each_administers(self, persona: Persona, act: Administration, may: bool) -> None:
        roles = {"r": Role(persona=persona), "s": Role()}
        assert may_administer(roles, ["r", "s"], act) is may
        assert not may_administer(roles, ["s"], act)
        assert not may_administer(roles, ["r", "undefined"], act)
        assert not may_administer(roles, [], act)


def test_the_document_is_explained() -> None:
    told = {each.title: " ".join(each.sentences) for each in explain_document(loaded(DOCUMENT).document)}
    assert "on the basis of contract" in told["Purposes"]
    assert "calls no model" in told["Role auditor"]
    assert "at Mon-Fri 22:00-06:00 Europe/Berlin" in told["Role night"]
    assert "in eu-*" in told["Role european"]
    assert "cleared up to Restricted" in told["Models"]
    assert "Masked, they make a call at most Internal." in told["Classes of content"]
