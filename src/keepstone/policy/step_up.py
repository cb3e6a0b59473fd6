"""Which calls need a fresh sign-in with a second factor, and whether a caller has one; pure.

Patterns compare as denials do, by every name of a model, so that no spelling goes around a rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import Operation
from keepstone.core.principal import Principal
from keepstone.policy.duration import parse_duration
from keepstone.policy.model_ids import Glob, names_for_denial
from keepstone.policy.schema.callers import StepUp

EARLY_NS = 60 * 10**9
"""How far in the future a sign-in may lie, for clocks differ; further, and it counts as none."""


@dataclass(frozen=True, slots=True)
class StepUpRule:
    """A compiled rule; `operations` is empty for all of them."""

    globs: tuple[Glob, ...]
    operations: frozenset[str]
    max_age: str
    max_age_ns: int
    methods: frozenset[str]
    levels: frozenset[str]
    exempt: frozenset[str]
    path: str

    def concerns(self, operation: Operation, model_id: str) -> bool:
        """Say whether the rule speaks of a call; without a model only a rule for all models does."""
        if self.operations and operation not in self.operations:
            return False
        if not model_id:
            return any(glob.pattern == "*" for glob in self.globs)
        names = names_for_denial(model_id)
        return any(glob.matches_any(names) for glob in self.globs)

    def is_met(self, principal: Principal, now_ns: int) -> bool:
        """Say whether a caller has signed in by such a factor lately enough, or need not."""
        if principal.kind in self.exempt:
            return True
        strong = not self.methods.isdisjoint(principal.methods) or principal.level in self.levels
        age_ns = now_ns - principal.signed_in * 1e9
        return strong and principal.signed_in > 0 and -EARLY_NS <= age_ns <= self.max_age_ns


def compile_step_up(rules: Sequence[StepUp]) -> tuple[StepUpRule, ...]:
    """Return the rules as compared values."""
    return tuple(
        StepUpRule(
            globs=tuple(Glob(each.lower()) for each in rule.models),
            operations=frozenset() if "*" in rule.operations else frozenset(rule.operations),
            max_age=rule.max_age,
            max_age_ns=parse_duration(rule.max_age),
            methods=frozenset(rule.methods),
            levels=frozenset(rule.levels),
            exempt=frozenset(rule.exempt),
            path=f"identities.step_up[{number}]",
        )
        for number, rule in enumerate(rules)
    )


def unmet(
    rules: tuple[StepUpRule, ...], principal: Principal, operation: Operation, model_id: str, now_ns: int
) -> Decision | None:
    """Return the refusal of the first rule that concerns the call and is not met."""
    for rule in rules:
        if rule.concerns(operation, model_id) and not rule.is_met(principal, now_ns):
            return Decision.refuse(ReasonCode.STEP_UP_REQUIRED, _what_to_do(rule, principal), rule.path)
    return None


def _what_to_do(rule: StepUpRule, principal: Principal) -> str:
    if principal.kind != "oidc":
        return (
            f"this call needs a person's sign-in with a second factor within {rule.max_age}, which "
            f"credentials of kind `{principal.kind}` cannot show; use a token of the identity provider"
        )
    how = [f"`amr` with one of {', '.join(sorted(rule.methods))}"] if rule.methods else []
    how += [f"`acr` {' or '.join(sorted(rule.levels))}"] if rule.levels else []
    return (
        f"this call needs a sign-in with a second factor within {rule.max_age}; sign in again at the "
        f"identity provider with max_age={rule.max_age_ns // 10**9} and use the new token (`auth_time`, and "
        f"{' or '.join(how)})"
    )
