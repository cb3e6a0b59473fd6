"""What is in force: one policy, compiled, with its guardrails and upstreams; swapped as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from keepstone.core.keyed_hash import KeyedHash
from keepstone.gateway.identify.callers import Callers
from keepstone.gateway.identify.code_flow import SignIn
from keepstone.gateway.ports import Offers, Upstream
from keepstone.gateway.residency import ResidencyGuard
from keepstone.gateway.routing.lane import Lane
from keepstone.guard.guardrail import Guardrail
from keepstone.policy.compile import CompiledPolicy


@dataclass(frozen=True, slots=True)
class Active:
    """An immutable set of everything that a call is decided with; a call keeps the one it started with.

    `surrogate_hash` names the stand-ins of reversible masking; gateways that share a key name them alike.
    `offers` are the control planes of those upstreams that have one.
    """

    policy: CompiledPolicy
    guardrails: Mapping[str, Guardrail]
    upstreams: Mapping[str, Upstream]
    surrogate_hash: KeyedHash
    residency: ResidencyGuard | None = None
    offers: Mapping[str, Offers] = field(default_factory=dict)
    lanes: dict[tuple[str, str], Lane] = field(default_factory=dict)  # found once: (model, upstream)
    callers: Callers | None = None
    sign_in: SignIn | None = None
