"""What two documents decide differently, and what else they set otherwise; pure.

Decisions are compared call by call over a space (`decision_space`), so what is reported is so; settings are
compared field by field. Two refusals with different reasons are no difference.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec

from keepstone.core.exchange import DataClass, Operation
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.decision_space import CALLS, MOST, Point, Space, space_of
from keepstone.policy.rules import CallFacts
from keepstone.policy.schema.document import Policy
from keepstone.policy.times import shown

Way = tuple[tuple[str, str], ...] | None
"""The upstreams, with their regions, that a call may go to; `None` when it is refused."""
Box = tuple[
    Way,
    Way,
    frozenset[tuple[str, ...]],
    frozenset[str],
    frozenset[Operation],
    frozenset[DataClass],
    frozenset[str],
    frozenset[int],
]
"""Before, after, and the values of each dimension: every combination of them is decided otherwise."""


@dataclass(frozen=True, slots=True)
class DecisionChange:
    """A group of calls that are decided otherwise; `example` is one of them."""

    effect: str
    sentence: str
    roles: tuple[str, ...]
    models: tuple[str, ...]
    operations: tuple[str, ...]
    data_classes: tuple[str, ...]
    purposes: tuple[str, ...]
    times: tuple[str, ...]
    example: Point


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A field that is set otherwise; `None` where it does not exist."""

    path: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class PolicyDifference:
    """All that differs; `cut` says what was not compared, empty when all of the space was."""

    decisions: tuple[DecisionChange, ...]
    settings: tuple[SettingChange, ...]
    compared: int
    cut: str = ""

    @property
    def empty(self) -> bool:
        """Say whether nothing differs."""
        return not self.decisions and not self.settings


def compare(old: CompiledPolicy, new: CompiledPolicy, wall_ns: int) -> PolicyDifference:
    """Return what two policies decide and set differently; times are those of the week after `wall_ns`."""
    settings = tuple(_settings(old.document, new.document))
    space = space_of(old, new, wall_ns)
    size, cut = space.size, space.cut
    if size > MOST:
        cut = f"{cut + ', ' if cut else ''}{size - MOST} of {size} calls"
    if old.hash == new.hash:
        return PolicyDifference((), settings, min(size, MOST), cut)
    changed = list(_changed(old, new, islice(space.points(), MOST)))
    boxes = _merged(changed)
    return PolicyDifference(tuple(_described(boxes, space, changed)), settings, min(size, MOST), cut)


def way_of(policy: CompiledPolicy, point: Point) -> Way:
    """Return where a policy lets a call go, as a gateway does: without purposes, none is looked at."""
    return _way_of(policy, point.facts)


def _way_of(policy: CompiledPolicy, facts: CallFacts) -> Way:
    if facts.purpose:
        if not policy.purposes:
            facts = msgspec.structs.replace(facts, purpose="")
        elif facts.purpose not in policy.purposes:
            return None
    route = policy.model(facts.model_id)
    admitted = policy.admission.decide(facts, route)
    if not admitted.decision.allowed:
        return None
    regions = {each.name: each.region for each in route.places} if route else {}
    return tuple((name, regions[name]) for name in admitted.upstreams)


def _changed(
    old: CompiledPolicy, new: CompiledPolicy, points: Iterable[Point]
) -> Iterator[tuple[Way, Way, Point]]:
    """Yield the calls that differ; for callers with two roles, those at which neither role alone does."""
    alone: set[tuple[object, ...]] = set()
    for point in points:
        _, *rest = _dimensions(point)
        if len(point.roles) > 1 and any((role, *rest) in alone for role in point.roles):
            continue
        facts = point.facts
        before, after = _way_of(old, facts), _way_of(new, facts)
        if before != after:
            if len(point.roles) == 1:
                alone.add((point.roles[0], *rest))
            yield before, after, point


def _merged(changed: Iterable[tuple[Way, Way, Point]]) -> list[Box]:
    """Join calls that differ in one dimension only, one dimension after the other."""
    boxes: set[Box] = {
        (*_kind(before, after), *(frozenset((value,)) for value in _dimensions(point)))  # type: ignore[misc]
        for before, after, point in changed
    }
    for dimension in (5, 4, 6, 7, 3, 2):
        groups: dict[tuple[object, ...], set[object]] = defaultdict(set)
        for box in boxes:
            groups[(*box[:dimension], None, *box[dimension + 1 :])] |= box[dimension]  # type: ignore[arg-type]
        boxes = {
            (*key[:dimension], frozenset(values), *key[dimension + 1 :])  # type: ignore[misc]
            for key, values in groups.items()
        }
    return sorted(boxes, key=_order)


def _kind(before: Way, after: Way) -> tuple[Way, Way]:
    """Forget the way of a call that is refused by one side: what counts is that it is."""
    if before is None:
        return None, ()
    return ((), None) if after is None else (before, after)


def _dimensions(point: Point) -> tuple[object, ...]:
    return (point.roles, point.model, point.operation, point.data_class, point.purpose, point.wall_ns)


def _order(box: Box) -> tuple[object, ...]:
    return (
        sorted(box[2]),
        sorted(box[3]),
        sorted(box[4]),
        sorted(box[5]),
        sorted(box[6]),
        sorted(box[7]),
        str(box[:2]),
    )


def _described(
    boxes: list[Box], space: Space, changed: list[tuple[Way, Way, Point]]
) -> Iterator[DecisionChange]:
    examples = {_dimensions(point): point for _, _, point in changed}
    for box in boxes:
        before, after, roles, models, operations, classes, purposes, instants = box
        first = tuple(min(each) for each in box[2:])
        labels = tuple(sorted({space.models.get(each, "") for each in models} - {""}))
        purpose = () if purposes == frozenset(space.purposes) else tuple(sorted(purposes))
        when = (
            () if instants == frozenset(space.instants) else tuple(shown(each) for each in sorted(instants))
        )
        effect = "allowed" if before is None else "refused" if after is None else "rerouted"
        yield DecisionChange(
            effect,
            _sentence(box, labels, purpose, when),
            tuple(" + ".join(each) for each in sorted(roles)),
            labels,
            tuple(each.value for each in Operation if each in operations),
            tuple(each.label for each in sorted(classes)),
            purpose,
            when,
            examples[first],
        )


def _sentence(box: Box, labels: tuple[str, ...], purposes: tuple[str, ...], when: tuple[str, ...]) -> str:
    before, after, roles, _, operations, classes, _, _ = box
    who = _listed("role " + " with ".join(f"`{name}`" for name in each) for each in sorted(roles))
    names = _listed(each.value for each in Operation if each in operations)
    what = _listed(f"`{each}`" for each in labels) if labels else names
    how = "" if not labels or operations >= set(CALLS) else f" by {names}"
    state = (
        f" for {_listed(f'`{each}`' if each else 'no stated purpose' for each in purposes)}"
        if purposes
        else ""
    )
    at = f" at times such as {when[0]}" if when else ""
    data = _span(classes)
    if before is None:
        return f"{who} may now use {what}{how} {data}{state}{at}"
    if after is None:
        return f"{who} may no longer use {what}{how} {data}{state}{at}"
    return (
        f"calls of {who} for {what}{how} {data}{state}{at} may go to {_way(after)}, before to {_way(before)}"
    )


def _span(classes: frozenset[DataClass]) -> str:
    ordered = sorted(classes)
    if len(ordered) == len(DataClass):
        return "with data of every class"
    if ordered[0] is DataClass.PUBLIC and len(ordered) == ordered[-1] + 1:
        return f"up to {ordered[-1].label}"
    return f"with {_listed(each.label for each in ordered)} data"


def _way(way: tuple[tuple[str, str], ...]) -> str:
    return _listed(f"`{name}`{f' ({region})' if region else ''}" for name, region in way)


def _listed(words: Iterable[str]) -> str:
    found = list(words)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


# --- settings

_DECIDED = {"allow", "deny"}  # a role's rules show in what they decide
_KEYS = {"models": "id", "limits": "name"}


def _settings(old: Policy, new: Policy) -> Iterator[SettingChange]:
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            yield SettingChange(path, before.get(path), after.get(path))


def _leaves(policy: Policy) -> Iterator[tuple[str, object]]:
    document = msgspec.to_builtins(policy)
    for role in document["identities"]["roles"].values():
        for name in _DECIDED:
            role.pop(name, None)
    for section, key in _KEYS.items():
        document[section] = {each[key]: each for each in document.get(section, ())}
    yield from _walk("", document)


def _walk(path: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _walk(f"{path}.{name}" if path else str(name), child)
    else:
        yield path, value
