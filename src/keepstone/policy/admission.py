"""Roles and rules as compared values, and the one decision they make about a call.

A denial of any role overrides every allowance; a call that no rule allows is refused; a caller whose roles
are not all defined is refused, since the missing role's denials are unknown. Denials compare without letter
case and know a model by all its names (`model_ids`), allowances by what they say.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from keepstone.core.decision import Decision, Outcome, Reason, ReasonCode
from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.model_ids import Glob, is_pattern, names_for_denial, names_of
from keepstone.policy.routing import RouteRules
from keepstone.policy.schema.identities import AllowRule, DenyRule, Role


class CallFacts(Struct, frozen=True):
    """What the decision rests on; `model_id` is empty for an operation without a model."""

    principal: Principal
    operation: Operation
    model_id: str
    data_class: DataClass


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """One entry of `models`: where its calls go, up to which class, inspected by what."""

    id: str
    upstreams: tuple[str, ...]
    max_data_class: DataClass
    guardrail: str
    upstream_ids: Mapping[str, str]
    path: str
    glob: Glob
    rules: RouteRules = field(default_factory=RouteRules)

    @property
    def is_pattern(self) -> bool:
        """Say whether the entry stands for a family of models."""
        return is_pattern(self.id)

    def upstream_id(self, upstream: str, model_id: str) -> str:
        """Return the model's id at an upstream: the one written in the policy, or the caller's."""
        return self.upstream_ids.get(upstream, model_id)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A compiled `allow` rule; `operations` is empty for all of them."""

    role: str
    globs: tuple[Glob, ...]
    operations: frozenset[str]
    ceiling: DataClass
    path: str

    def may_operate(self, operation: Operation) -> bool:
        """Say whether the rule speaks of this operation."""
        return not self.operations or operation in self.operations

    @property
    def up_to(self) -> str:
        """Return the rule as a phrase: who may use what, up to which class."""
        return f"{self._who_may_use} up to {self.ceiling.label}"

    @property
    def only_by(self) -> str:
        """Return the rule as a phrase: who may use what, by which operations."""
        return f"{self._who_may_use} by {', '.join(sorted(self.operations))} only"

    @property
    def _who_may_use(self) -> str:
        return f"role `{self.role}` may use {', '.join(f'`{each.pattern}`' for each in self.globs)}"


@dataclass(frozen=True, slots=True)
class Denial:
    """A compiled `deny` rule; `above` is the highest class it lets pass, or none."""

    role: str
    globs: tuple[Glob, ...]
    operations: frozenset[str]
    above: DataClass | None
    because: str
    path: str

    def hits(self, operation: Operation, data_class: DataClass, names: tuple[str, ...]) -> bool:
        """Say whether the rule forbids the call; without a model only a rule for all models does."""
        if self.operations and operation not in self.operations:
            return False
        if self.above is not None and data_class <= self.above:
            return False
        if not names:
            return any(glob.pattern == "*" for glob in self.globs)
        return any(glob.matches_any(names) for glob in self.globs)


@dataclass(frozen=True, slots=True)
class RoleRules:
    """All rules of one role."""

    allow: tuple[Allowance, ...]
    deny: tuple[Denial, ...]


def compile_roles(roles: Mapping[str, Role]) -> dict[str, RoleRules]:
    """Return the rules of every role by its name."""
    return {
        name: RoleRules(
            tuple(
                _allowance(name, rule, f"identities.roles.{name}.allow[{n}]")
                for n, rule in enumerate(role.allow)
            ),
            tuple(
                _denial(name, rule, f"identities.roles.{name}.deny[{n}]") for n, rule in enumerate(role.deny)
            ),
        )
        for name, role in roles.items()
    }


def _operations(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset() if "*" in names else frozenset(names)


def _allowance(role: str, rule: AllowRule, path: str) -> Allowance:
    globs = tuple(Glob(each) for each in rule.models)
    return Allowance(role, globs, _operations(rule.operations), DataClass.parse(rule.max_data_class), path)


def _denial(role: str, rule: DenyRule, path: str) -> Denial:
    globs = tuple(Glob(each.lower()) for each in rule.models)
    above = None if rule.above is None else DataClass.parse(rule.above)
    return Denial(role, globs, _operations(rule.operations), above, rule.because, path)


class Admission:
    """Decides calls against the roles' rules; holds no state."""

    def __init__(self, roles: Mapping[str, RoleRules]) -> None:
        self._roles = roles

    def decide(self, facts: CallFacts, route: ModelRoute | None) -> Decision:
        """Return the decision with its deciding ground first; `route` is the model's entry, if it has one."""
        if facts.operation is Operation.APPLY_GUARDRAIL:
            return self._role_refusal(facts) or self._decide_without_model(facts)
        if route is None:
            return Decision.refuse(
                ReasonCode.MODEL_UNKNOWN, f"the policy has no model `{facts.model_id[:256]}`", "models"
            )
        return (
            self._role_refusal(facts)
            or _scope_refusal(facts, names_of(facts.model_id))
            or self._denial_refusal(facts, names_for_denial(facts.model_id))
            or _clearance_refusal(facts, route)
            or self._decide_by_allowances(facts)
        )

    def rules_of(self, principal: Principal) -> Iterator[Denial | Allowance]:
        """Yield every rule that is considered for a caller, denials first."""
        known = [self._roles[name] for name in principal.roles if name in self._roles]
        for rules in known:
            yield from rules.deny
        for rules in known:
            yield from rules.allow

    def _role_refusal(self, facts: CallFacts) -> Decision | None:
        if not facts.principal.roles:
            return Decision.refuse(ReasonCode.ROLE_UNKNOWN, "the caller holds no role", "identities.roles")
        for name in facts.principal.roles:
            if name not in self._roles:
                message = f"the caller holds role `{name}`, which the policy does not define"
                return Decision.refuse(ReasonCode.ROLE_UNKNOWN, message, "identities.roles")
        return None

    def _decide_without_model(self, facts: CallFacts) -> Decision:
        """Admit by operation alone: the text goes to no model, so neither models nor classes bound it."""
        refusal = _scope_refusal(facts, ()) or self._denial_refusal(facts, ())
        if refusal is not None:
            return refusal
        for rule in self._allowances(facts):
            if rule.may_operate(facts.operation):
                return Decision.allow(f"role `{rule.role}` may use {facts.operation}", rule.path)
        return _no_rule(facts, f"{facts.operation}")

    def _denial_refusal(self, facts: CallFacts, names: tuple[str, ...]) -> Decision | None:
        hits = [
            _denied(facts, rule)
            for role in facts.principal.roles
            for rule in self._roles[role].deny
            if rule.hits(facts.operation, facts.data_class, names)
        ]
        return Decision(Outcome.REFUSE, tuple(hits)) if hits else None

    def _decide_by_allowances(self, facts: CallFacts) -> Decision:
        names = names_of(facts.model_id)
        near: list[Reason] = []
        for rule in self._allowances(facts):
            if not any(glob.matches_any(names) for glob in rule.globs):
                continue
            if not rule.may_operate(facts.operation):
                message = f"{rule.only_by}, this call is {facts.operation}"
                near.append(Reason(ReasonCode.NO_RULE_ALLOWS, message, rule.path))
            elif facts.data_class > rule.ceiling:
                message = f"{rule.up_to}, this call is {facts.data_class.label}"
                near.insert(0, Reason(ReasonCode.DATA_CLASS_TOO_HIGH, message, rule.path))
            else:
                return Decision.allow(rule.up_to, rule.path)
        if near:
            return Decision(Outcome.REFUSE, tuple(near))
        return _no_rule(facts, f"`{facts.model_id[:256]}` by {facts.operation}")

    def _allowances(self, facts: CallFacts) -> Iterator[Allowance]:
        for role in facts.principal.roles:
            yield from self._roles[role].allow


def _scope_refusal(facts: CallFacts, names: tuple[str, ...]) -> Decision | None:
    """Refuse what lies outside the scope of the caller's key; an operation without a model has no names."""
    principal = facts.principal
    if (
        principal.operations
        and "*" not in principal.operations
        and facts.operation not in principal.operations
    ):
        message = f"the key is limited to {', '.join(principal.operations)}, this call is {facts.operation}"
        return Decision.refuse(ReasonCode.OUT_OF_KEY_SCOPE, message)
    if names and principal.models and not any(Glob(each).matches_any(names) for each in principal.models):
        models = ", ".join(f"`{each}`" for each in principal.models)
        message = f"the key is limited to {models}, this call is for `{facts.model_id[:256]}`"
        return Decision.refuse(ReasonCode.OUT_OF_KEY_SCOPE, message)
    return None


def _clearance_refusal(facts: CallFacts, route: ModelRoute) -> Decision | None:
    if facts.data_class <= route.max_data_class:
        return None
    limit, label = route.max_data_class.label, facts.data_class.label
    message = f"model `{route.id}` is cleared up to {limit}, this call is {label}"
    return Decision.refuse(ReasonCode.DATA_CLASS_TOO_HIGH, message, f"{route.path}.max_data_class")


def _denied(facts: CallFacts, rule: Denial) -> Reason:
    what = ", ".join(f"`{each.pattern}`" for each in rule.globs)
    above = "" if rule.above is None else f" above {rule.above.label}, this call is {facts.data_class.label}"
    because = f": {rule.because}" if rule.because else ""
    return Reason(
        ReasonCode.DENIED_BY_RULE, f"role `{rule.role}` is denied {what}{above}{because}", rule.path
    )


def _no_rule(facts: CallFacts, what: str) -> Decision:
    roles = ", ".join(f"`{each}`" for each in facts.principal.roles)
    return Decision.refuse(ReasonCode.NO_RULE_ALLOWS, f"no rule of {roles} allows {what}", "identities.roles")
