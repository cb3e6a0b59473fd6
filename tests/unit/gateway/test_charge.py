"""What a call reserves, and what it has used when it is over."""

from datetime import date

import pytest

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import Operation, TokenUsage
from keepstone.gateway.active import Active
from keepstone.gateway.charge import charge, expected, used
from keepstone.gateway.rates.lines import Reservation
from keepstone.policy.compile import compile_policy
from tests.unit.gateway.calls import admitted
from tests.unit.policy.documents import loaded

DOCUMENT = """\
version: 1
organisation: {{name: Acme}}
identities:
  roles:
    engineer: {{allow: [{{models: ["*"]}}]}}
upstreams:
  a: {{kind: dev}}
  us: {{kind: bedrock, region: us-east-1}}
models:
  - {{id: priced, upstreams: [a]}}
  - {{id: both, upstreams: [a, us], upstream_ids: {{us: amazon.nova-lite-v1:0}}}}
  - {{id: half, upstreams: [a, us]}}
limits: [{{name: purse, cost: 5}}]
prices:
  - {{model: priced, input: 2, output: 10, since: 2026-01-01}}
  - {{model: both, input: 1, output: 1, since: 2026-01-01}}
  - {{model: half, region: us-east-1, input: 1, output: 1, since: 2026-01-01}}
  - {{model: euro, input: 1, output: 1, since: 2026-01-01, currency: EUR}}
{rates}
"""
BODY = b"x" * 400


def call_of(model="priced", operation=Operation.CONVERSE, rates="", maximum=None):
    policy = compile_policy(loaded(DOCUMENT.format(rates=rates)))
    call = admitted(operation, model)
    call.active = Active(
        **{name: getattr(call.active, name) for name in Active.__dataclass_fields__} | {"policy": policy}
    )
    call.model = policy.model(model)
    call.body = BODY
    call.document = {"inferenceConfig": {"maxTokens": maximum}} if maximum else {}
    return call


def reserve(call):
    found = expected(call, call.active.policy.limits)
    return found.amounts if found.priced else None


@pytest.mark.parametrize(
    ("call", "amounts"),
    [
        (call_of(maximum=50), (1, 150, 100, 50, 700_000, 0, 1)),
        (call_of(), (1, 100, 100, 1, 200_000, 0, 1)),
        (call_of(operation=Operation.CONVERSE_STREAM, maximum=50), (1, 150, 100, 50, 700_000, 1, 1)),
        (call_of(rates="rates: {reserve: worst, assume_output: 20}"), (1, 420, 400, 20, 1_000_000, 0, 1)),
        (call_of(operation=Operation.COUNT_TOKENS), (1, 0, 0, 0, 0, 0, 1)),
        (call_of("both", maximum=50), (1, 150, 100, 50, 150_000, 0, 1)),  # the dearest of its upstreams
        (call_of("half"), None),  # one of its upstreams has no price
    ],
)
def test_what_a_call_reserves(call, amounts):
    assert reserve(call) == amounts


def over(call, usage, reason=None, attempts=1):
    call.reservation = Reservation((), (1, 150, 100, 50, 700_000, 1, 1), 0)
    call.usage, call.attempts, call.upstream = usage, attempts, "a"
    if reason:
        call.decision = Decision.refuse(reason, "it ended so")
    if usage.total:
        charge(call)
    return used(call)


@pytest.mark.parametrize(
    ("usage", "reason", "attempts", "expected_use"),
    [
        (TokenUsage(80, 20), None, 1, (1, 100, 80, 20, 360_000, 0, 0)),
        (TokenUsage(), ReasonCode.INPUT_BLOCKED, 0, (1, 0, 0, 0, 0, 0, 0)),
        (TokenUsage(), ReasonCode.UPSTREAM_UNAVAILABLE, 3, (1, 0, 0, 0, 0, 0, 0)),
        # nobody knows what the upstream has done: it stays reserved, but nothing is held
        (TokenUsage(), ReasonCode.UPSTREAM_TIMED_OUT, 1, (1, 150, 100, 50, 700_000, 0, 0)),
        (TokenUsage(), ReasonCode.CALLER_LEFT, 1, (1, 150, 100, 50, 700_000, 0, 0)),
        (TokenUsage(), ReasonCode.CALLER_LEFT, 0, (1, 0, 0, 0, 0, 0, 0)),
    ],
)
def test_what_a_call_that_is_over_has_used(usage, reason, attempts, expected_use):
    assert over(call_of(), usage, reason, attempts) == expected_use


def test_tokens_without_a_price_keep_the_money_that_was_reserved():
    assert over(call_of("half"), TokenUsage(80, 20)) == (1, 100, 80, 20, 700_000, 0, 0)


def test_the_charge_is_by_the_upstream_that_answered():
    call = call_of("both")
    call.usage, call.upstream = TokenUsage(1_000_000, 0), "us"
    call.wall_ns = (date(2026, 11, 21).toordinal() - date(1970, 1, 1).toordinal()) * 86_400 * 10**9
    charge(call)
    assert (call.cost, call.currency) == (60_000_000, "USD")
