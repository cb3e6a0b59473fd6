import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.gateway.routing.trial import chosen
from keepstone.gateway.routing.usage import Usage
from keepstone.gateway.trials import permitted, try_canary
from keepstone.policy.compile import compile_policy
from keepstone.policy.routing import QuotaRules
from keepstone.policy.rules import Trial
from tests.unit.gateway.calls import admitted
from tests.unit.policy.documents import loaded, problems_of

S = 1_000_000_000
DOCUMENT = """\
version: 1
organisation: {name: Acme}
identities:
  roles:
    engineer:
      allow: [{models: [acme.chat-1], max_data_class: Confidential}]
    cautious:
      allow: [{models: [acme.chat-1], max_data_class: Confidential}]
      deny: [{models: [acme.chat-2]}]
upstreams:
  a: {kind: dev}
  b: {kind: dev}
  open: {kind: dev, max_data_class: Public}
models:
  - id: acme.chat-1
    upstreams: [a]
    max_data_class: Confidential
    canary: {upstream: b, upstream_id: acme.chat-2, percent: 100}
    shadow: {upstream: open, percent: 50}
"""
POLICY = compile_policy(loaded(DOCUMENT))
ROUTE = POLICY.model("acme.chat-1")


def call_by(role, data_class=DataClass.INTERNAL):
    call = admitted(Operation.CONVERSE, "acme.chat-1")
    object.__setattr__(call.active, "policy", POLICY)
    call.model, call.principal, call.data_class = ROUTE, Principal("p", "api-key", (role,)), data_class
    return call


@given(st.text(max_size=20), st.floats(0.01, 100), st.floats(0.01, 100))
def test_whoever_is_chosen_stays_chosen_when_the_share_grows(principal, one, other):
    small, large = sorted((one, other))
    if chosen(Trial(ROUTE.canary.route, small), principal):
        assert chosen(Trial(ROUTE.canary.route, large), principal)
    assert chosen(Trial(ROUTE.canary.route, 100), principal)


@pytest.mark.parametrize("percent", [1, 10, 50, 90])
def test_the_share_is_kept(percent):
    picked = sum(chosen(Trial(ROUTE.canary.route, percent), f"key:{n}") for n in range(4000))
    assert abs(picked / 40 - percent) < 3


def test_two_trials_do_not_pick_the_same_people():
    one, two = Trial(ROUTE.canary.route, 50), Trial(ROUTE.shadow.route, 50)
    same = sum(chosen(one, f"p{n}") == chosen(two, f"p{n}") for n in range(2000))
    assert 800 < same < 1200


def test_a_canary_is_asked_first_where_the_call_may_go():
    call = call_by("engineer")
    try_canary(call, ROUTE.canary)
    assert (call.trial, call.trial_candidates) == (ROUTE.canary.route, ("b",))


@pytest.mark.parametrize(
    ("role", "data_class", "canary", "shadow"),
    [
        ("engineer", DataClass.PUBLIC, ("b",), ("open",)),
        ("engineer", DataClass.INTERNAL, ("b",), ()),
        ("engineer", DataClass.RESTRICTED, (), ()),
        ("cautious", DataClass.PUBLIC, (), ("open",)),
        ("nobody", DataClass.PUBLIC, (), ()),
    ],
)
def test_no_trial_leaves_the_rules(role, data_class, canary, shadow):
    call = call_by(role, data_class)
    assert permitted(call, ROUTE.canary.route) == (canary, None)
    assert permitted(call, ROUTE.shadow.route) == (shadow, None)


def test_the_least_used_of_its_quota_comes_first():
    large, small = Usage(QuotaRules(100, None, 1)), Usage(QuotaRules(10, None, 1))
    sent = {"large": 0, "small": 0}
    for _call in range(55):
        name, usage = min((("large", large), ("small", small)), key=lambda each: each[1].load(S))
        usage.begin(S, 10)
        sent[name] += 1
    assert sent == {"large": 50, "small": 5}


@pytest.mark.parametrize(
    ("rules", "load"),
    [
        (QuotaRules(10, None, 1), 0.2),
        (QuotaRules(None, 100, 1), 0.5),
        (QuotaRules(10, 100, 1), 0.5),
        (QuotaRules(4, 1000, 1), 0.5),
        (QuotaRules(None, None, 4), 0.5),
    ],
)
def test_the_scarcest_quota_counts(rules, load):
    usage = Usage(rules)
    usage.begin(S, 20)
    usage.begin(S, 20)
    usage.settle(S, 10)
    assert usage.load(S) == load
    assert usage.load(62 * S) == 0


def test_less_used_than_expected_is_no_negative_load():
    usage = Usage(QuotaRules(None, 100, 1))
    usage.settle(S, -50)
    assert usage.load(S) == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("upstream: b, upstream_id: acme.chat-2, ", "", "nothing is on trial"),
        ("upstream: b", "upstream: nope", "unknown upstream `nope`"),
        ("acme.chat-2, ", '"acme.*", ', "expected a model id, got a pattern"),
        (
            "id: acme.chat-1",
            'id: "acme.*"',
            "an `upstream_id` would stand for every model that fits the pattern",
        ),
        ("upstreams: [a]", "upstreams: [a]\n    hedge_after: 1s", "`hedge_after` needs a second upstream"),
        (
            "upstreams: [a]",
            "upstreams: [a, b]\n    hedge_after: 1s\n    deadline: 1s",
            "`hedge_after` is not shorter than the deadline",
        ),
        (
            "upstreams: [a]",
            "upstreams: [a, b]\n    spread: quota\n    quotas: {a: {requests: 1}}",
            "upstream `b` has no quota of requests or tokens, others have",
        ),
        (
            "upstreams: [a]",
            "upstreams: [a]\n    quotas: {a: {weight: 2}}",
            "`quotas` count only with `spread: quota`",
        ),
        (
            "upstreams: [a]",
            "upstreams: [a]\n    spread: quota\n    quotas: {b: {weight: 2}}",
            "upstream `b` is not among the model's `upstreams`",
        ),
    ],
)
def test_what_makes_no_sense_is_told(old, new, message):
    assert old in DOCUMENT
    before = {each.message for each in problems_of(DOCUMENT)}
    found = {each.message for each in problems_of(DOCUMENT.replace(old, new, 1))} - before
    assert message in found
