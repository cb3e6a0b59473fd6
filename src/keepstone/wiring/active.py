"""A policy made ready to decide: its guardrails compiled, its upstreams open, its residency watched."""

from pathlib import Path
from types import MappingProxyType

from keepstone.aws.inference_profiles import InferenceProfiles
from keepstone.core.keyed_hash import KeyedHash
from keepstone.core.settings import Settings
from keepstone.gateway.active import Active
from keepstone.gateway.consents import ConsentFile
from keepstone.gateway.profiles import ProfileDestinations
from keepstone.gateway.rehearsal import Rehearsal, ShippedProfiles
from keepstone.gateway.residency import ResidencyGuard
from keepstone.guard.compile import compile_guardrail
from keepstone.guard.guardrail import Guardrail
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.detected import with_detection
from keepstone.policy.load import load
from keepstone.policy.schema.document import Policy
from keepstone.wiring.upstreams import UpstreamCache, control_planes, model_lists, open_upstreams


def read_policy(settings: Settings) -> CompiledPolicy:
    """Load and compile the policy that the settings name."""
    return compile_policy(load(settings.policy, settings.environment))


def build_active(
    policy: CompiledPolicy,
    cache: UpstreamCache,
    surrogate_hash: KeyedHash,
    residency: ResidencyGuard | None = None,
) -> Active:
    """Compile the guardrails and open the upstreams; one whose configuration is unchanged keeps its pool."""
    return Active(
        policy,
        MappingProxyType(compile_guardrails(policy.document)),
        MappingProxyType(open_upstreams(policy.document, cache)),
        surrogate_hash,
        residency,
        MappingProxyType(model_lists(policy.document)),
    )


def build_residency(policy: CompiledPolicy, settings: Settings) -> ResidencyGuard | None:
    """Return what narrows routes, `None` for a policy without rules on residency."""
    rules = policy.residency
    if rules is None:
        return None
    planes = control_planes(policy.document)
    profiles = ProfileDestinations(
        settings.profiles,
        InferenceProfiles(planes).read,
        {name: plane.address for name, plane in planes.items()},
        max_age_ns=rules.max_age_ns,
        shipped_table=rules.shipped_table,
    )
    register = ConsentFile(Path(rules.consent.register)) if rules.consent else None
    guard = ResidencyGuard(rules, profiles, register)
    guard.expect(policy.routes)
    return guard


def compile_guardrails(document: Policy) -> dict[str, Guardrail]:
    """Compile the policy's guardrails, each with what `data.detected` has to be told of."""
    return {
        name: compile_guardrail(name, with_detection(config, document.data))
        for name, config in document.guardrails.items()
    }


def rehearsal(policy: CompiledPolicy) -> Rehearsal:
    """Return what decides cases under a policy: its guardrails are compiled, no upstream is opened."""
    guardrails = MappingProxyType(compile_guardrails(policy.document))
    rules = policy.residency
    residency = ResidencyGuard(rules, ShippedProfiles(), None) if rules else None
    return Rehearsal(Active(policy, guardrails, MappingProxyType({}), KeyedHash(b"rehearsal"), residency))
