"""The one decision about a call: may it be made, and to which of the model's upstreams may it go.

A denial of any role overrides every allowance; a call that no rule allows is refused; a caller whose roles
are not all defined is refused, since the missing role's denials are unknown. Denials compare without letter
case and know a model by all its names (`model_ids`), allowances by what they say. An upstream whose region is
not known fits no allowance for regions and every denial of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from keepstone.core.decision import Decision, Outcome, Reason, ReasonCode
from keepstone.core.exchange import LISTINGS, WITHOUT_MODEL
from keepstone.core.principal import Principal
from keepstone.policy.model_ids import Glob, names_for_denial, names_of
from keepstone.policy.rules import Allowance, CallFacts, Denial, ModelRoute, Place, RoleRules
from keepstone.policy.times import TimeWindow

PURPOSE_CODES = frozenset({ReasonCode.PURPOSE_REQUIRED, ReasonCode.PURPOSE_NOT_ALLOWED})
"""Refusals that a purpose stated later, in the body, can turn."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The decision about a call, and the upstreams that it may go to, in the policy's order."""

    decision: Decision
    upstreams: tuple[str, ...] = ()


class Admission:
    """Decides calls against the roles' rules; holds no state.

    `placed` says that upstreams differ: a rule names regions, or an upstream has a clearance of its own.
    """

    def __init__(
        self, roles: Mapping[str, RoleRules], *, cleared_apart: bool = False, require_purpose: bool = False
    ) -> None:
        self._roles = roles
        self._require_purpose = require_purpose
        self.placed = cleared_apart or any(each.regional for each in roles.values())
        self.windows: tuple[TimeWindow, ...] = tuple(
            dict.fromkeys(window for each in roles.values() for window in each.windows)
        )

    def decide(self, facts: CallFacts, route: ModelRoute | None) -> Admitted:
        """Return the decision with its deciding ground first; `route` is the model's entry, if it has one."""
        if facts.operation in WITHOUT_MODEL:
            return Admitted(self._of_caller(facts, ()) or self._decide_without_model(facts))
        if route is None:
            message = f"the policy has no model `{facts.model_id[:256]}`"
            return Admitted(Decision.refuse(ReasonCode.MODEL_UNKNOWN, message, "models"))
        refusal = self._of_caller(facts, names_of(facts.model_id))
        if refusal is not None:
            return Admitted(refusal)
        if not self.placed:
            decision = self._decide_at(facts, route, None)
            return Admitted(decision, route.upstreams if decision.allowed else ())
        return _gathered([(each.name, self._decide_at(facts, route, each)) for each in route.places], route)

    def permits_trial(self, facts: CallFacts, route: ModelRoute, trial_id: str) -> tuple[str, ...]:
        """Return the upstreams of a trial at which this call may be answered.

        What the caller may use is asked for the model that it names, every bound of the trial's own upstreams
        holds, and so does every denial of the version on trial.
        """
        if self._of_caller(facts, names_of(facts.model_id)) is not None:
            return ()
        names = names_for_denial(trial_id)
        return tuple(
            each.name
            for each in route.places
            if self._decide_at(facts, route, each).allowed
            and self._denial_refusal(facts, names, each) is None
        )

    def may_receive(self, facts: CallFacts, place: Place | None) -> Decision:
        """Decide whether an answer of a class may reach the caller: the model's clearance is not asked."""
        return (
            self._of_caller(facts, names_of(facts.model_id))
            or self._denial_refusal(facts, names_for_denial(facts.model_id), place)
            or self._decide_by_allowances(facts, place)
        )

    def rules_of(self, principal: Principal) -> Iterator[Denial | Allowance]:
        """Yield every rule that is considered for a caller, denials first."""
        known = [self._roles[name] for name in principal.roles if name in self._roles]
        for rules in known:
            yield from rules.deny
        for rules in known:
            yield from rules.allow

    def _of_caller(self, facts: CallFacts, names: tuple[str, ...]) -> Decision | None:
        return self._role_refusal(facts) or _scope_refusal(facts, names) or self._purpose_refusal(facts)

    def _decide_at(self, facts: CallFacts, route: ModelRoute, place: Place | None) -> Decision:
        return (
            self._denial_refusal(facts, names_for_denial(facts.model_id), place)
            or _clearance_refusal(facts, route, place)
            or self._decide_by_allowances(facts, place)
        )

    def _role_refusal(self, facts: CallFacts) -> Decision | None:
        if not facts.principal.roles:
            return Decision.refuse(ReasonCode.ROLE_UNKNOWN, "the caller holds no role", "identities.roles")
        for name in facts.principal.roles:
            if name not in self._roles:
                message = f"the caller holds role `{name}`, which the policy does not define"
                return Decision.refuse(ReasonCode.ROLE_UNKNOWN, message, "identities.roles")
        return None

    def _purpose_refusal(self, facts: CallFacts) -> Decision | None:
        if not self._require_purpose or facts.purpose or facts.operation in LISTINGS:
            return None  # a list of models uses nobody's data
        message = "the call states no purpose; send it in the header `X-Keepstone-Purpose`"
        return Decision.refuse(ReasonCode.PURPOSE_REQUIRED, message, "data.require_purpose")

    def _decide_without_model(self, facts: CallFacts) -> Decision:
        """Admit by operation alone: the text goes to no model, so no model, class or region bounds it."""
        refusal = self._denial_refusal(facts, (), None)
        if refusal is not None:
            return refusal
        near: list[Reason] = []
        for rule in self._allowances(facts):
            if rule.may_operate(facts.operation):
                unmet = _unmet(rule, facts, None)
                if unmet is None:
                    return Decision.allow(f"role `{rule.role}` may use {facts.operation}", rule.path)
                near.append(unmet)
        return _nearly(near) or _no_rule(facts, f"{facts.operation}")

    def _denial_refusal(
        self, facts: CallFacts, names: tuple[str, ...], place: Place | None
    ) -> Decision | None:
        hits = [
            _denied(facts, rule)
            for role in facts.principal.roles
            for rule in self._roles[role].deny
            if rule.hits(facts, names, place)
        ]
        return Decision(Outcome.REFUSE, tuple(hits)) if hits else None

    def _decide_by_allowances(self, facts: CallFacts, place: Place | None) -> Decision:
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
                unmet = _unmet(rule, facts, place)
                if unmet is None:
                    return Decision.allow(rule.up_to, rule.path)
                near.insert(0, unmet)
        return _nearly(near) or _no_rule(facts, f"`{facts.model_id[:256]}` by {facts.operation}")

    def _allowances(self, facts: CallFacts) -> Iterator[Allowance]:
        for role in facts.principal.roles:
            yield from self._roles[role].allow


def _gathered(decisions: list[tuple[str, Decision]], route: ModelRoute) -> Admitted:
    """Join the decisions about a model's upstreams: those that refuse are left out, one is enough."""
    open_ones = [(name, decision) for name, decision in decisions if decision.allowed]
    if open_ones:
        return Admitted(open_ones[0][1], tuple(name for name, _ in open_ones))
    reasons = dict.fromkeys(reason for _, decision in decisions for reason in decision.reasons)
    if not reasons:
        message = f"model `{route.id}` has no upstream in the regions that are asked for"
        reasons = {Reason(ReasonCode.REGION_NOT_ALLOWED, message, f"{route.path}.upstreams"): None}
    return Admitted(Decision(Outcome.REFUSE, tuple(reasons)))


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


def _clearance_refusal(facts: CallFacts, route: ModelRoute, place: Place | None) -> Decision | None:
    label = facts.data_class.label
    if facts.data_class > route.max_data_class:
        message = f"model `{route.id}` is cleared up to {route.max_data_class.label}, this call is {label}"
        return Decision.refuse(ReasonCode.DATA_CLASS_TOO_HIGH, message, f"{route.path}.max_data_class")
    if place is None or place.max_data_class is None or facts.data_class <= place.max_data_class:
        return None
    where = f" in {place.region}" if place.region else ""
    limit = place.max_data_class.label
    message = f"upstream `{place.name}`{where} is cleared up to {limit}, this call is {label}"
    path = f"upstreams.{place.name}.max_data_class"
    return Decision.refuse(ReasonCode.DATA_CLASS_TOO_HIGH, message, path)


def _unmet(rule: Allowance, facts: CallFacts, place: Place | None) -> Reason | None:
    """Return which of an allowance's conditions the call does not meet, `None` when it meets them all."""
    when = rule.when
    if when is None:
        return None
    if not when.for_purpose(facts):
        stated = f"is for `{facts.purpose}`" if facts.purpose else "states no purpose"
        message = f"{rule.only_when}, this call {stated}"
        return Reason(ReasonCode.PURPOSE_NOT_ALLOWED, message, f"{rule.path}.purposes")
    if not when.within_times(facts):
        message = f"{rule.only_when}, it is another time now"
        return Reason(ReasonCode.OUTSIDE_HOURS, message, f"{rule.path}.times")
    if not when.in_region(place, unknown=False):
        assert place is not None  # noqa: S101 - without a place every region is right
        where = f"is in `{place.region}`" if place.region else "has no known region"
        message = f"{rule.only_when}, upstream `{place.name}` {where}"
        return Reason(ReasonCode.REGION_NOT_ALLOWED, message, f"{rule.path}.regions")
    return None


def _denied(facts: CallFacts, rule: Denial) -> Reason:
    what = ", ".join(f"`{each.pattern}`" for each in rule.globs)
    above = "" if rule.above is None else f" above {rule.above.label}, this call is {facts.data_class.label}"
    when = "" if rule.when is None else f" {rule.when.only_when}"
    because = f": {rule.because}" if rule.because else ""
    message = f"role `{rule.role}` is denied {what}{above}{when}{because}"
    return Reason(ReasonCode.DENIED_BY_RULE, message, rule.path)


def _nearly(near: list[Reason]) -> Decision | None:
    return Decision(Outcome.REFUSE, tuple(near)) if near else None


def _no_rule(facts: CallFacts, what: str) -> Decision:
    roles = ", ".join(f"`{each}`" for each in facts.principal.roles)
    return Decision.refuse(ReasonCode.NO_RULE_ALLOWS, f"no rule of {roles} allows {what}", "identities.roles")
