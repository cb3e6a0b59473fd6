"""What a plan does, for people: what is created, changed and destroyed, and what it costs to have."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from keepstone.catalog.fixed_prices import fixed_prices
from keepstone.core.errors import DeployError


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
class Cost:
    """What resources of one kind cost a month, used or not; `amount` is in US dollars."""

    what: str
    count: int
    amount: float
    source: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A plan in short. `costs` are of what there is after it; use (calls, bytes, log volume) comes on top."""

    changes: tuple[Change, ...]
    costs: tuple[Cost, ...]
    looked_at: str

    @property
    def counts(self) -> dict[str, int]:
        """Return how many resources each action touches."""
        found = Counter(change.action.value for change in self.changes)
        return {action.value: found[action.value] for action in Action}

    @property
    def monthly(self) -> float:
        """Return the sum of the fixed costs."""
        return sum(each.amount for each in self.costs)


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
    prices = fixed_prices()
    there = Counter(_kinds(plan))
    costs = [
        Cost(price.what, there[kind], round(there[kind] * price.usd_a_month, 2), price.source)
        for kind, price in prices.kinds.items()
        if there[kind]
    ]
    return Summary(tuple(changes), tuple(costs), prices.looked_at)


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


def _kinds(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield the kind of each resource that is there after the plan, one for each price that it has."""
    for resource in _resources(plan["planned_values"].get("root_module", {})):
        values = resource.get("values") or {}
        if resource["type"] == "aws_vpc_endpoint" and values.get("vpc_endpoint_type") == "Interface":
            yield from ["endpoint in a zone"] * max(1, len(values.get("subnet_ids") or ()))
        elif resource["type"] == "aws_cloudwatch_metric_alarm":
            anomaly = any(
                "ANOMALY" in (each.get("expression") or "") for each in values.get("metric_query") or ()
            )
            yield "anomaly alarm" if anomaly else "alarm"
        else:
            yield resource["type"]


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in module.get("resources", ()) if each.get("mode") == "managed")
    for child in module.get("child_modules", ()):
        yield from _resources(child)
