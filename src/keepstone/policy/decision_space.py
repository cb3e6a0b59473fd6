"""The calls at which two documents are compared: everything that either names, and what lies between.

A pattern stands for one id that fits it, and two patterns that overlap for one that fits both; time stands
for the moments at which a window opens or closes. More than `MOST` calls are not tried: the space is cut,
and says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from keepstone.core.exchange import WITHOUT_MODEL, DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.model_ids import Glob, is_pattern, witness
from keepstone.policy.rules import CallFacts
from keepstone.policy.times import WindowClock, instants_of

MOST = 400_000
MOST_PAIRS = 60
FILLER = "x"

CALLS = tuple(each for each in Operation if each not in WITHOUT_MODEL)
OTHERS = tuple(each for each in Operation if each in WITHOUT_MODEL)


@dataclass(frozen=True, slots=True)
class Point:
    """One call; `model` is its id, empty for an operation that goes to none."""

    roles: tuple[str, ...]
    model: str
    operation: Operation
    data_class: DataClass
    purpose: str
    wall_ns: int

    @property
    def facts(self) -> CallFacts:
        """Return what a decision about it rests on."""
        principal = Principal("compared", "comparison", self.roles)
        return CallFacts(principal, self.operation, self.model, self.data_class, self.purpose, self.wall_ns)


@dataclass(frozen=True, slots=True)
class Space:
    """The values of each dimension; `cut` says what was left out, empty when nothing was."""

    roles: tuple[tuple[str, ...], ...]
    models: dict[str, str]
    purposes: tuple[str, ...]
    instants: tuple[int, ...]
    cut: str = ""

    @property
    def size(self) -> int:
        """Return how many calls it holds."""
        per_role = (len(self.models) * len(CALLS) + len(OTHERS)) * len(DataClass)
        return len(self.roles) * per_role * len(self.purposes) * len(self.instants)

    def points(self) -> Iterator[Point]:
        """Yield the calls, a role's alone before those of several together."""
        for roles in self.roles:
            for purpose in self.purposes:
                for instant in self.instants:
                    for data_class in DataClass:
                        for operation in OTHERS:
                            yield Point(roles, "", operation, data_class, purpose, instant)
                        for model in self.models:
                            for operation in CALLS:
                                yield Point(roles, model, operation, data_class, purpose, instant)


def space_of(old: CompiledPolicy, new: CompiledPolicy, wall_ns: int) -> Space:
    """Return the space that two policies span; `wall_ns` says in which week times are looked at."""
    both = (old, new)
    names = list(dict.fromkeys(name for each in both for name in each.document.identities.roles))
    denying = [
        name
        for name in names
        if any(
            name in each.document.identities.roles and each.document.identities.roles[name].deny
            for each in both
        )
    ]
    alone = [(name,) for name in names]
    together = [(a, b) for a in names for b in denying if a != b and (b not in names[: names.index(a)])]
    purposes = ("", *dict.fromkeys(name for each in both for name in each.document.purposes))
    literals = _literals(both)
    singles, pairs = _samples(literals), _pair_samples(literals)
    instants = _instants(old, new, wall_ns)
    space = Space((*alone, *together), {**pairs, **singles}, purposes, instants)
    if space.size > MOST:
        space = Space((*alone, *together), singles, purposes, instants, "overlaps of patterns")
    if space.size > MOST:
        space = Space(
            tuple(alone), singles, purposes, instants, "overlaps of patterns, callers with two roles"
        )
    return space


def _literals(policies: tuple[CompiledPolicy, ...]) -> list[str]:
    """Return every model id and pattern that the documents name, once."""
    found: dict[str, None] = {}
    for policy in policies:
        found |= dict.fromkeys(model.id for model in policy.document.models)
        for role in policy.document.identities.roles.values():
            for globs in (*(rule.models for rule in role.allow), *(rule.models for rule in role.deny)):
                found |= dict.fromkeys(globs)
    return list(found)


def _samples(literals: list[str]) -> dict[str, str]:
    """Return ids and what they stand for; one id can stand for one pattern only."""
    found: dict[str, str] = {}
    for literal in literals:
        found.setdefault(_sample(literal), literal)
    return found


def _sample(literal: str) -> str:
    return literal.replace("*", FILLER)


def _pair_samples(literals: list[str]) -> dict[str, str]:
    patterns = [each for each in literals if is_pattern(each)][:MOST_PAIRS]
    found: dict[str, str] = {}
    for number, left in enumerate(patterns):
        for right in patterns[number + 1 :]:
            if Glob(right).matches(_sample(left)) or Glob(left).matches(_sample(right)):
                continue  # one lies in the other: its own sample stands for both
            text = witness(left, right)
            if text:
                found.setdefault(text, f"{left} and {right}")
    return found


def _instants(old: CompiledPolicy, new: CompiledPolicy, wall_ns: int) -> tuple[int, ...]:
    windows = (*old.admission.windows, *new.admission.windows)
    if not windows:
        return (wall_ns,)
    clock = WindowClock(windows)
    found: dict[int, int] = {}
    for instant in instants_of(windows, wall_ns):
        found.setdefault(clock.state(instant), instant)
    return tuple(found.values())
