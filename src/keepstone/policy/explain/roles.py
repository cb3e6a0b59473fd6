"""Roles in plain sentences: who they are, what they may and must not use."""

from collections.abc import Iterator

from keepstone.policy.explain.prose import listed, models_in_words
from keepstone.policy.personas import PERSONAS
from keepstone.policy.schema.identities import AllowRule, DenyRule, Role


def explain_role(role: Role) -> Iterator[str]:
    """Yield who holds a role, and what its rules say."""
    if role.description:
        yield f"Who: {role.description}."
    if role.persona is not None:
        yield f"Persona {role.persona.value}: {PERSONAS[role.persona].means}."
    for denial in role.deny:
        yield _denial(denial)
    for rule in role.allow:
        yield _allowance(rule)
    if not role.allow:
        yield "May call no model."


def _allowance(rule: AllowRule) -> str:
    how = "every operation" if "*" in rule.operations else listed(rule.operations)
    what = models_in_words(rule.models)
    return f"May use {what} by {how}, with data up to {rule.max_data_class}{_when(rule)}."


def _denial(rule: DenyRule) -> str:
    how = "" if "*" in rule.operations else f" by {listed(rule.operations)}"
    above = f" with data above {rule.above}" if rule.above else ""
    because = f" ({rule.because})" if rule.because else ""
    return f"Must not use {models_in_words(rule.models)}{how}{above}{_when(rule)}{because}."


def _when(rule: AllowRule | DenyRule) -> str:
    purposes = f", for {' or '.join(rule.purposes)}" if rule.purposes else ""
    regions = f", in {' or '.join(rule.regions)}" if rule.regions else ""
    times = f", at {' or '.join(rule.times)}" if rule.times else ""
    return purposes + regions + times
