import msgspec
import pytest

from keepstone.core.clock import SystemClock
from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.gateway.call import new_call
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.stages import AFTER_BODY, BEFORE_BODY, INSPECT, Stores, begin, decide
from keepstone.policy.limits import Unit
from keepstone.policy.schema import guardrails as schema
from tests.unit.gateway.calls import ALICE, active

MODEL = b"/model/anthropic.claude-v2%3A1/converse"
KEY = "ks_abc_fake"
SAID = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
METRICS = Metrics()


class Keys:
    """One good key."""

    def __init__(self, principal=ALICE):
        self._principal = principal
        self.asked = []

    def identify(self, token, now_ns):
        self.asked.append(token)
        if token == KEY:
            return self._principal
        return Decision.refuse(ReasonCode.CREDENTIALS_UNKNOWN, "unknown")


def stores(principal=ALICE):
    return Stores(Keys(principal), Budget(), METRICS, SystemClock())


def called(path=MODEL, headers=(), body=SAID, *, within=None, principal=ALICE, key=KEY):
    """Return a call after the stages, and the refusal of the one that stopped it."""
    held = within or stores(principal)
    sent = {b"authorization": b"Bearer " + key.encode(), **dict(headers)}
    guarded = active({"default": schema.Guardrail(words=("blue harbor",)), "extra": schema.Guardrail()})
    call = new_call(guarded, sent if key else dict(headers))
    begin(call, "POST", path)
    call.body = body if isinstance(body, bytes) else msgspec.json.encode(body)
    refusal = decide(call, held, (*BEFORE_BODY, *AFTER_BODY, *INSPECT))
    return call, refusal


def test_a_call_that_may_passes_every_stage():
    call, refusal = called()
    assert refusal is None
    assert (call.principal, call.stage, call.model.id) == (ALICE, "route", "*")
    assert call.candidates == call.model.upstreams
    assert call.decision.allowed
    assert call.reservation.amounts[Unit.TOKENS] == len(call.body) // 4
    assert [each.name for each in call.guardrails] == ["default"]


REFUSED = {
    "no key": ({"key": ""}, "identify", ReasonCode.CREDENTIALS_MISSING),
    "another scheme": (
        {"key": "", "headers": [(b"authorization", b"Basic " + KEY.encode())]},
        "identify",
        ReasonCode.CREDENTIALS_MISSING,
    ),
    "an unknown key": ({"key": "ks_x_y"}, "identify", ReasonCode.CREDENTIALS_UNKNOWN),
    "no operation": ({"path": b"/model/a/dance"}, "admit", ReasonCode.OPERATION_UNKNOWN),
    "no such class": (
        {"headers": [(b"x-keepstone-data-class", b"Cosmic")]},
        "admit",
        ReasonCode.REQUEST_MALFORMED,
    ),
    "too secret": (
        {"headers": [(b"x-keepstone-data-class", b"restricted")]},
        "admit",
        ReasonCode.DATA_CLASS_TOO_HIGH,
    ),
    "a role that may not": (
        {"principal": Principal("bob", "api-key", ("reader",))},
        "admit",
        ReasonCode.NO_RULE_ALLOWS,
    ),
    "no JSON": ({"body": b"{"}, "parse", ReasonCode.REQUEST_MALFORMED),
    "no object": ({"body": b"[]"}, "parse", ReasonCode.REQUEST_MALFORMED),
    "no CountTokens": (
        {"path": b"/model/a/count-tokens", "body": {"input": {}}},
        "parse",
        ReasonCode.REQUEST_MALFORMED,
    ),
    "no such guardrail": (
        {"path": b"/guardrail/none/version/1/apply", "body": {}},
        "parse",
        ReasonCode.GUARDRAIL_UNKNOWN,
    ),
    "no such version": (
        {"path": b"/guardrail/default/version/7/apply", "body": {}},
        "parse",
        ReasonCode.GUARDRAIL_UNKNOWN,
    ),
    "too many tokens": (
        {"body": {**SAID, "inferenceConfig": {"maxTokens": 5000}}},
        "budget",
        ReasonCode.TOKEN_LIMIT_SPENT,
    ),
    "no messages": ({"body": {"messages": "Hello"}}, "inspect", ReasonCode.REQUEST_MALFORMED),
    "blocked words": (
        {"body": {"messages": [{"role": "user", "content": [{"text": "the Blue Harbor"}]}]}},
        "inspect",
        ReasonCode.INPUT_BLOCKED,
    ),
}


@pytest.mark.parametrize(("options", "stage", "code"), REFUSED.values(), ids=REFUSED)
def test_each_stage_refuses_what_is_its_to_refuse(options, stage, code):
    call, refusal = called(**options)
    assert (call.stage, refusal.reason.code) == (stage, code)
    assert call.decision is refusal


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
def test_the_scheme_has_no_letter_case(scheme):
    call, refusal = called(key="", headers=[(b"authorization", scheme + KEY.encode() + b" ")])
    assert (refusal, call.principal) == (None, ALICE)


def test_the_class_is_what_the_call_says_and_never_below_the_callers_own():
    secretive = Principal("eve", "api-key", ("engineer",), data_class=DataClass.CONFIDENTIAL)
    assert called()[0].data_class is DataClass.INTERNAL
    assert called(headers=[(b"x-keepstone-data-class", b" Public ")])[0].data_class is DataClass.PUBLIC
    stated = called(headers=[(b"x-keepstone-data-class", b"Public")], principal=secretive)[0]
    assert stated.data_class is DataClass.CONFIDENTIAL


def test_a_spent_limit_says_when_to_come_back():
    held = stores()
    assert [called(within=held)[1] for _ in range(3)] == [None] * 3
    call, refusal = called(within=held)
    assert refusal.reason.code is ReasonCode.REQUEST_LIMIT_SPENT
    assert 1 <= call.retry_after <= 64
    assert call.reservation is None


def test_counting_and_applying_a_guardrail_reserve_no_tokens():
    counted, refusal = called(b"/model/a/count-tokens", body={"input": {"converse": SAID}})
    assert (refusal, counted.reservation.amounts[Unit.TOKENS], counted.counted.operation) == (
        None,
        0,
        Operation.CONVERSE,
    )
    applied, refusal = called(
        b"/guardrail/extra/version/DRAFT/apply", body={"source": "INPUT", "content": []}
    )
    assert (refusal, applied.reservation.amounts[Unit.TOKENS]) == (None, 0)
    assert [each.name for each in applied.guardrails] == ["extra"]


def test_a_guardrail_that_the_caller_names_is_applied_on_top_and_not_sent_on():
    config = {"guardrailIdentifier": "extra", "guardrailVersion": "1", "trace": "enabled"}
    call, _ = called(body={**SAID, "guardrailConfig": config})
    assert [each.name for each in call.guardrails] == ["default", "extra"]
    assert call.trace == "enabled"
    assert "guardrailConfig" not in call.document
    foreign = {**config, "guardrailIdentifier": "of-bedrock"}
    call, _ = called(body={**SAID, "guardrailConfig": foreign})
    assert [each.name for each in call.guardrails] == ["default"]
    assert call.document["guardrailConfig"] == foreign
