"""What a plan does, for people: what is created, changed and destroyed, and what it costs to have."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from keepstone.core.errors import DeployError
from keepstone.deploy.costs import Estimate, estimate


class Action(StrEnum):
    """What becomes of a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DESTROY = "destroy"


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that changes: its address and type, and the names of the attributes that do."""

    action: Action
    address: str
    type: str
    attributes: tuple[str, ...]

    @property
    def only_follows(self) -> bool:
        """Say whether nothing is known to differ: what is new is told after other changes only."""
        return self.action is Action.UPDATE and not self.attributes


@dataclass(frozen=True, slots=True)
class Summary:
    """A plan in short. `cost` is of what there is after it; use (calls, bytes, log volume) comes on top."""

    changes: tuple[Change, ...]
    cost: Estimate

    @property
    def counts(self) -> dict[str, int]:
        """Return how many resources each action touches."""
        found = Counter(change.action.value for change in self.changes)
        return {action.value: found[action.value] for action in Action}


def read_plan(shown: bytes) -> dict[str, Any]:
    """Return a plan's JSON; raise `DeployError` for anything else."""
    try:
        document = msgspec.json.decode(shown)
    except msgspec.DecodeError as error:
        raise DeployError("the plan is not JSON, or cut off") from error
    if not isinstance(document, dict) or "format_version" not in document or "planned_values" not in document:
        raise DeployError("this is no plan", hint="expected what `terraform show -json PLAN` prints")
    return document


def summarise(plan: Mapping[str, Any]) -> Summary:
    """Return what a plan does."""
    changes = sorted(_changes(plan), key=lambda each: (list(Action).index(each.action), each.address))
    return Summary(tuple(changes), estimate(plan))


def _changes(plan: Mapping[str, Any]) -> Iterator[Change]:
    for each in plan.get("resource_changes", ()):
        if each.get("mode") != "managed":
            continue
        action = _action(each["change"]["actions"])
        if action is not None:
            yield Change(action, each["address"], each["type"], tuple(_attributes(each["change"])))


def _action(actions: list[str]) -> Action | None:
    match sorted(actions):
        case ["create"]:
            return Action.CREATE
        case ["update"]:
            return Action.UPDATE
        case ["delete"]:
            return Action.DESTROY
        case ["create", "delete"]:
            return Action.REPLACE
        case _:
            return None


def _attributes(change: Mapping[str, Any]) -> Iterator[str]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    if not before:
        return
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name) and not unknown.get(name):
            yield name
