"""One decision in plain words, with every rule that was considered."""

from dataclasses import dataclass

from keepstone.core.decision import Decision
from keepstone.core.exchange import WITHOUT_MODEL
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.model_ids import names_for_denial, names_of
from keepstone.policy.rules import Allowance, CallFacts, Denial


@dataclass(frozen=True, slots=True)
class ConsideredRule:
    """One rule that a decision looked at, and what it said about the call."""

    rule: str
    effect: str
    says: str


def explain_decision(policy: CompiledPolicy, facts: CallFacts) -> tuple[Decision, tuple[ConsideredRule, ...]]:
    """Return the decision about a call and what each rule of its roles said, denials first."""
    considered = tuple(
        ConsideredRule(rule.path, "deny" if isinstance(rule, Denial) else "allow", _says(rule, facts))
        for rule in policy.admission.rules_of(facts.principal)
    )
    return policy.admit(facts), considered


def _says(rule: Allowance | Denial, facts: CallFacts) -> str:
    without_model = facts.operation in WITHOUT_MODEL
    if isinstance(rule, Denial):
        names = () if without_model else names_for_denial(facts.model_id)
        return "denies the call" if rule.hits(facts, names) else "does not apply"
    if not rule.may_operate(facts.operation):
        return f"does not speak of {facts.operation}"
    if without_model:
        return "allows the call"
    if not any(glob.matches_any(names_of(facts.model_id)) for glob in rule.globs):
        return "is about other models"
    if facts.data_class > rule.ceiling:
        return f"allows up to {rule.ceiling.label} only"
    return f"allows the call {rule.when.only_when}" if rule.when else "allows the call"
