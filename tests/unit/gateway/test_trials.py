"""Trials under rules on residency: the very call is asked about again, for the trial's own places and ids."""

import pytest

from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.gateway.residency import ResidencyGuard
from keepstone.gateway.stages import route
from keepstone.gateway.trials import arm_of, permitted
from keepstone.policy.compile import compile_policy
from tests.unit.gateway.calls import active, admitted
from tests.unit.gateway.test_residency import Aws, destinations
from tests.unit.policy.documents import loaded

OLD, NEW = "anthropic.claude-x", "anthropic.claude-y"
POLICY = """\
version: 1
organisation: {name: Acme, jurisdictions: [EU]}
identities:
  roles:
    engineer: {allow: [{models: ["*"]}]}
upstreams:
  eu: {kind: bedrock, region: eu-central-1}
  us: {kind: bedrock, region: us-east-1}
models:
  - id: anthropic.claude-x
    upstreams: [eu]
    canary: {CANARY, percent: 100}
    shadow: {SHADOW, percent: 100}
residency:
  rules: {EU: {stay_in: [EEA]}}
"""


def call_under(tmp_path, canary, shadow="upstream: us"):
    policy = compile_policy(loaded(POLICY.replace("CANARY", canary).replace("SHADOW", shadow)))
    profiles = destinations(tmp_path, Aws(), planes={"eu": "a", "us": "b"})
    in_force = active()
    object.__setattr__(in_force, "policy", policy)
    object.__setattr__(in_force, "residency", ResidencyGuard(policy.residency, profiles, None))
    call = admitted(Operation.CONVERSE, OLD, in_force)
    call.model, call.principal = policy.model(OLD), Principal("p", "api-key", ("engineer",))
    call.data_class, call.cleared = DataClass.INTERNAL, ("eu",)
    return call


@pytest.mark.parametrize(
    ("canary", "candidates"),
    [
        (f"upstream_id: {NEW}", ("eu",)),
        (f"upstream: eu, upstream_id: {NEW}", ("eu",)),
        (f"upstream: us, upstream_id: {NEW}", ()),
        (f"upstream_id: us.{NEW}", ()),
        (f"upstream_id: global.{NEW}", ()),
    ],
)
def test_a_canary_stays_where_the_data_may_be(tmp_path, canary, candidates):
    call = call_under(tmp_path, canary)
    for _ in range(2):  # the second time from the guard's memory
        call.trial, call.trial_candidates, call.notes = None, (), []
        assert route(call, None) is None
        assert call.candidates == ("eu",)
        assert call.trial_candidates == candidates
        assert (call.trial is not None) == bool(candidates)
        assert len(call.notes) == 1 + bool(candidates)


@pytest.mark.parametrize(("shadow", "names"), [("upstream: eu", ("eu",)), ("upstream: us", ())])
def test_a_shadow_stays_where_the_data_may_be(tmp_path, shadow, names):
    call = call_under(tmp_path, f"upstream_id: {NEW}", shadow)
    assert permitted(call, call.model.shadow.route)[0] == names


def test_a_call_that_was_sent_nowhere_has_no_arm(tmp_path):
    assert arm_of(call_under(tmp_path, f"upstream_id: {NEW}")) == ""
