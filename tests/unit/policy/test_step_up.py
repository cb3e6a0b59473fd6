import pytest

from keepstone.core.decision import ReasonCode
from keepstone.core.exchange import Operation
from keepstone.core.principal import Principal
from keepstone.policy.schema.callers import StepUp
from keepstone.policy.step_up import compile_step_up, unmet
from tests.unit.policy.documents import MINIMAL, problems_of

NOW = 1_800_000_000
RULES = compile_step_up(
    [
        StepUp(max_age="15m", models=("anthropic.*",), methods=("otp",), levels=("gold",), exempt=("mtls",)),
        StepUp(max_age="1m", models=("*",), operations=("ApplyGuardrail",)),
    ]
)
FRESH = {"kind": "oidc", "signed_in": NOW - 60, "methods": ("pwd", "otp")}
MEETS = [
    (FRESH, True),
    (FRESH | {"methods": (), "level": "gold"}, True),
    (FRESH | {"methods": ("pwd",)}, False),
    (FRESH | {"signed_in": 0}, False),
    (FRESH | {"signed_in": NOW - 900}, True),
    (FRESH | {"signed_in": NOW - 901}, False),
    (FRESH | {"signed_in": NOW + 59}, True),
    (FRESH | {"signed_in": NOW + 61}, False),
    ({"kind": "api-key"}, False),
    ({"kind": "sigv4"}, False),
    ({"kind": "mtls"}, True),
]


@pytest.mark.parametrize(("facts", "meets"), MEETS)
@pytest.mark.parametrize("model", ["anthropic.claude", "us.anthropic.claude", "US.Anthropic.Claude"])
def test_who_meets_a_rule(facts, meets, model):
    principal = Principal("p", roles=("r",), **facts)
    refusal = unmet(RULES, principal, Operation.CONVERSE, model, NOW * 10**9)
    assert (refusal is None) is meets
    if refusal is not None:
        assert refusal.reason.code is ReasonCode.STEP_UP_REQUIRED
        assert refusal.reason.path == "identities.step_up[0]"
        assert "15m" in refusal.reason.message


def test_a_rule_concerns_its_models_and_operations_only():
    weak = Principal("p", "oidc", ("r",))
    assert unmet(RULES, weak, Operation.CONVERSE, "amazon.nova", NOW * 10**9) is None
    assert (
        unmet(RULES, weak, Operation.APPLY_GUARDRAIL, "", NOW * 10**9).reason.path == "identities.step_up[1]"
    )


WRONG = {
    "no such role": (
        "  oidc: {a: {issuer: 'https://i', audiences: [x], roles: {g: [nobody]}}}",
        "unknown role",
    ),
    "plain http": (
        "  oidc: {a: {issuer: 'http://i', audiences: [x], roles: {g: [engineer]}}}",
        "unencrypted",
    ),
    "no https in jwks_uri": (
        "  oidc: {a: {issuer: 'https://i', jwks_uri: 'http://i/k', audiences: [x], roles: {g: [engineer]}}}",
        "unencrypted",
    ),
    "too much skew": (
        "  oidc: {a: {issuer: 'https://i', audiences: [x], roles: {g: [engineer]}, skew: 6m}}",
        "at most `5m`",
    ),
    "a symmetric algorithm": (
        "  oidc: {a: {issuer: 'https://i', audiences: [x], roles: {g: [engineer]}, algorithms: [HS256]}}",
        "HS256",
    ),
    "no algorithm": (
        "  oidc: {a: {issuer: 'https://i', audiences: [x], roles: {g: [engineer]}, algorithms: [none]}}",
        "none",
    ),
    "two names": ("  mtls: {rules: [{roles: [engineer], dns: a, common_name: b}]}", "exactly one"),
    "no name": ("  mtls: {rules: [{roles: [engineer]}]}", "exactly one"),
    "an unknown provider": ("  console: {provider: a, client_id: c, url: 'https://g'}", "unknown provider"),
    "nothing that counts": ("  step_up: [{max_age: 1m, methods: []}]", "got neither"),
    "signatures for ever": ("  sigv4: {skew: 1h}", "at most `15m`"),
}


@pytest.mark.parametrize(("lines", "says"), WRONG.values(), ids=WRONG)
def test_what_a_policy_gets_wrong_about_callers(lines, says):
    problems = problems_of(MINIMAL.replace("upstreams:\n", f"{lines}\nupstreams:\n", 1))
    assert any(says in each.message for each in problems), problems
