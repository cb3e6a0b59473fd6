"""Rules, models and upstreams as compared values: the document's words, split and parsed once."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.model_ids import Glob, is_pattern
from keepstone.policy.routing import RouteRules
from keepstone.policy.schema.identities import AllowRule, DenyRule, Role
from keepstone.policy.times import TimeWindow, parse_window


class CallFacts(Struct, frozen=True):
    """What the decision rests on; `model_id` is empty for an operation without a model.

    `purpose` is one that the policy declares, or empty.
    """

    principal: Principal
    operation: Operation
    model_id: str
    data_class: DataClass
    purpose: str = ""
    wall_ns: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """An upstream as rules see it: its region, empty when not known, and its clearance, if any."""

    name: str
    region: str
    max_data_class: DataClass | None


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
    places: tuple[Place, ...] = ()
    canary: "Trial | None" = None
    shadow: "Trial | None" = None

    @property
    def name(self) -> str:
        """Return the id that callers use, also for the route of a trial."""
        return self.glob.pattern

    @property
    def is_pattern(self) -> bool:
        """Say whether the entry stands for a family of models."""
        return is_pattern(self.id)

    def upstream_id(self, upstream: str, model_id: str) -> str:
        """Return the model's id at an upstream: the one written in the policy, or the caller's."""
        return self.upstream_ids.get(upstream, model_id)


@dataclass(frozen=True, slots=True)
class Trial:
    """A new version of a model beside the one in use: a route of its own, for a share of calls in percent.

    `most` bounds how many copies of calls may be under way at once.
    """

    route: ModelRoute
    percent: float
    most: int = 0


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a rule holds: for which purposes, in which regions, at which times; each empty for any."""

    purposes: tuple[str, ...]
    regions: tuple[Glob, ...]
    windows: tuple[TimeWindow, ...]

    def for_purpose(self, facts: CallFacts) -> bool:
        """Say whether the call states a purpose that the rule is about."""
        return not self.purposes or facts.purpose in self.purposes

    def within_times(self, facts: CallFacts) -> bool:
        """Say whether the call comes at a time at which the rule holds."""
        return not self.windows or any(each.holds(facts.wall_ns) for each in self.windows)

    def in_region(self, place: Place | None, *, unknown: bool) -> bool:
        """Say whether an upstream is in the rule's regions; `unknown` answers when nobody knows."""
        if not self.regions:
            return True
        if place is None:  # the text goes to no upstream, so no denial of regions is about it
            return not unknown
        if not place.region:
            return unknown
        return any(each.matches(place.region) for each in self.regions)

    @property
    def only_when(self) -> str:
        """Return the conditions as the end of a sentence."""
        parts = [
            f"for purpose {' or '.join(f'`{each}`' for each in self.purposes)}" if self.purposes else "",
            f"in {' or '.join(f'`{each.pattern}`' for each in self.regions)}" if self.regions else "",
            f"at {' or '.join(f'`{each.text}`' for each in self.windows)}" if self.windows else "",
        ]
        return " ".join(each for each in parts if each)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A compiled `allow` rule; `operations` is empty for all of them, `when` is `None` for always."""

    role: str
    globs: tuple[Glob, ...]
    operations: frozenset[str]
    ceiling: DataClass
    path: str
    when: Conditions | None = None

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
    def only_when(self) -> str:
        """Return the rule as a phrase: who may use what, when."""
        return f"{self._who_may_use} {self.when.only_when if self.when else 'always'} only"

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
    when: Conditions | None = None

    def hits(self, facts: CallFacts, names: tuple[str, ...], place: Place | None = None) -> bool:
        """Say whether the rule forbids the call; without a model only a rule for all models does."""
        if self.operations and facts.operation not in self.operations:
            return False
        if self.above is not None and facts.data_class <= self.above:
            return False
        if self.when is not None and not _applies(self.when, facts, place):
            return False
        if not names:
            return any(glob.pattern == "*" for glob in self.globs)
        return any(glob.matches_any(names) for glob in self.globs)


def _applies(when: Conditions, facts: CallFacts, place: Place | None) -> bool:
    return when.for_purpose(facts) and when.within_times(facts) and when.in_region(place, unknown=True)


@dataclass(frozen=True, slots=True)
class RoleRules:
    """All rules of one role."""

    allow: tuple[Allowance, ...]
    deny: tuple[Denial, ...]

    @property
    def windows(self) -> tuple[TimeWindow, ...]:
        """Return every window of time that a rule names."""
        return tuple(window for when in self._conditions for window in when.windows)

    @property
    def regional(self) -> bool:
        """Say whether a rule asks in which region an upstream is."""
        return any(when.regions for when in self._conditions)

    @property
    def _conditions(self) -> list[Conditions]:
        rules: list[Denial | Allowance] = [*self.deny, *self.allow]
        return [each.when for each in rules if each.when is not None]


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


def _conditions(rule: AllowRule | DenyRule) -> Conditions | None:
    if not (rule.purposes or rule.regions or rule.times):
        return None
    regions = tuple(Glob(each) for each in rule.regions)
    return Conditions(rule.purposes, regions, tuple(parse_window(each) for each in rule.times))


def _allowance(role: str, rule: AllowRule, path: str) -> Allowance:
    globs = tuple(Glob(each) for each in rule.models)
    ceiling = DataClass.parse(rule.max_data_class)
    return Allowance(role, globs, _operations(rule.operations), ceiling, path, _conditions(rule))


def _denial(role: str, rule: DenyRule, path: str) -> Denial:
    globs = tuple(Glob(each.lower()) for each in rule.models)
    above = None if rule.above is None else DataClass.parse(rule.above)
    return Denial(role, globs, _operations(rule.operations), above, rule.because, path, _conditions(rule))
