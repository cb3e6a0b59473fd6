"""One decision in plain words, with every rule that was considered, and where the call may go."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import WITHOUT_MODEL
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.explain.prose import listed
from keepstone.policy.model_ids import names_for_denial, names_of
from keepstone.policy.rules import Allowance, CallFacts, Conditions, Denial, Place


@dataclass(frozen=True, slots=True)
class ConsideredRule:
    """One rule that a decision looked at, and what it said about the call."""

    rule: str
    effect: str
    says: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A decision, the upstreams that the call may go to, and what each rule of its roles said."""

    decision: Decision
    upstreams: tuple[Place, ...]
    considered: tuple[ConsideredRule, ...]


def explain_decision(policy: CompiledPolicy, facts: CallFacts, region: str = "") -> Explained:
    """Return the decision about a call and what each rule of its roles said, denials first.

    With a `region` the question is whether the call may go there. A purpose is looked at as a gateway does:
    where the policy declares none, not at all.
    """
    if not policy.purposes:
        facts = structs.replace(facts, purpose="")
    route = policy.model(facts.model_id)
    places = route.places if route is not None else ()
    considered = tuple(
        ConsideredRule(rule.path, "deny" if isinstance(rule, Denial) else "allow", _says(rule, facts, places))
        for rule in policy.admission.rules_of(facts.principal)
    )
    if facts.purpose and facts.purpose not in policy.purposes:
        return Explained(_undeclared(policy, facts.purpose), (), considered)
    admitted = policy.admission_of(facts)
    open_to = tuple(each for each in places if each.name in admitted.upstreams)
    if region and admitted.decision.allowed and not any(each.region == region for each in open_to):
        return Explained(_elsewhere(open_to, region), open_to, considered)
    return Explained(admitted.decision, open_to, considered)


def _undeclared(policy: CompiledPolicy, purpose: str) -> Decision:
    known = ", ".join(f"`{each}`" for each in sorted(policy.purposes))
    message = f"purpose `{purpose}` is not one of the policy's, expected one of {known}"
    return Decision.refuse(ReasonCode.PURPOSE_UNKNOWN, message, "purposes")


def _elsewhere(open_to: Sequence[Place], region: str) -> Decision:
    where = listed([f"`{each.name}`" for each in open_to]) or "no upstream"
    message = f"the call may go to {where}, of which none is in `{region}`"
    return Decision.refuse(ReasonCode.REGION_NOT_ALLOWED, message)


def _says(rule: Allowance | Denial, facts: CallFacts, places: Sequence[Place]) -> str:
    if isinstance(rule, Denial):
        return _denial_says(rule, facts, places)
    if not rule.may_operate(facts.operation):
        return f"does not speak of {facts.operation}"
    if facts.operation not in WITHOUT_MODEL:
        if not any(glob.matches_any(names_of(facts.model_id)) for glob in rule.globs):
            return "is about other models"
        if facts.data_class > rule.ceiling:
            return f"allows up to {rule.ceiling.label} only"
    return _when(rule.when, facts, places) if rule.when else "allows the call"


def _denial_says(rule: Denial, facts: CallFacts, places: Sequence[Place]) -> str:
    names = () if facts.operation in WITHOUT_MODEL else names_for_denial(facts.model_id)
    if rule.when is None or not rule.when.regions or not names:
        return "denies the call" if rule.hits(facts, names) else "does not apply"
    hit = [each for each in places if rule.hits(facts, names, each)]
    if len(hit) == len(places):
        return "denies the call"
    return f"denies it at {_named(hit)}" if hit else "does not apply"


def _when(when: Conditions, facts: CallFacts, places: Sequence[Place]) -> str:
    """Say which condition the call does not meet, or where it meets them all."""
    if not when.for_purpose(facts):
        return f"allows it for purpose {' or '.join(f'`{each}`' for each in when.purposes)} only"
    if not when.within_times(facts):
        return f"allows it at {' or '.join(f'`{each.text}`' for each in when.windows)} only"
    if not when.regions or facts.operation in WITHOUT_MODEL:
        return "allows the call"
    inside = [each for each in places if when.in_region(each, unknown=False)]
    if len(inside) == len(places):
        return "allows the call"
    only = f"in {' or '.join(f'`{each.pattern}`' for each in when.regions)} only"
    return f"allows it {only}: at {_named(inside)}" if inside else f"allows it {only}"


def _named(places: Sequence[Place]) -> str:
    return listed([f"`{each.name}`" for each in places])
