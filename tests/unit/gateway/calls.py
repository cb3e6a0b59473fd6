"""Calls and policies to try the gateway's rooms on, without a gateway around them."""

from types import MappingProxyType

from keepstone.core.decision import Decision
from keepstone.core.keyed_hash import KeyedHash
from keepstone.core.principal import Principal
from keepstone.gateway.active import Active
from keepstone.gateway.call import Call, new_call
from keepstone.gateway.wire.routes import Route
from keepstone.guard.compile import compile_guardrail
from keepstone.policy.compile import compile_policy
from keepstone.policy.schema import guardrails as schema
from tests.unit.policy.documents import loaded

POLICY = compile_policy(
    loaded(
        """\
version: 1
organisation: {name: Acme}
identities:
  roles:
    engineer:
      allow:
        - {models: ["*"], max_data_class: Confidential}
    reader:
      allow:
        - {models: ["*"], operations: [CountTokens]}
upstreams:
  a: {kind: dev}
  b: {kind: dev}
  c: {kind: dev}
models:
  - id: "*"
    upstreams: [a, b, c]
    upstream_ids: {b: other-name}
    max_data_class: Confidential
limits:
  - {name: calls, requests: 3, tokens: 1000}
gateway: {max_request_bytes: 2048}
"""
    )
)
_COMPILED = {}
SURROGATES = KeyedHash(b"a key of the tests")
ALICE = Principal("alice", "api-key", ("engineer",), key_id="k1")


def active(guardrails=None, upstreams=()):
    """Return the policy in force with these guardrails and upstreams, by name."""
    configs = guardrails or {"default": schema.Guardrail()}
    compiled = {name: _guardrail(name, config) for name, config in configs.items()}
    return Active(
        POLICY,
        MappingProxyType(compiled),
        MappingProxyType({each.name: each for each in upstreams}),
        SURROGATES,
    )


def _guardrail(name, config):
    """Compile each guardrail once: that costs more than the tests that use it."""
    key = name, repr(config)
    if key not in _COMPILED:
        _COMPILED[key] = compile_guardrail(name, config)
    return _COMPILED[key]


def admitted(operation, model_id, in_force=None, *, guardrails=None) -> Call:
    """Return a call of Alice's that was admitted; its guardrails are all those that are in force."""
    in_force = in_force or active(guardrails)
    call = new_call(in_force, {})
    call.route = Route(operation, model_id)
    call.principal = ALICE
    call.model = POLICY.model(model_id)
    call.candidates = call.model.upstreams if call.model else ()
    call.guardrails = tuple(in_force.guardrails.values())
    call.decision = Decision.allow("it may")
    return call
