"""Limits as the request path compares them: windows in nanoseconds, money in billionths."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Literal
from zoneinfo import ZoneInfo

from keepstone.policy.duration import parse_duration
from keepstone.policy.model_ids import Glob, names_of
from keepstone.policy.schema.limits import Limit

BILLION = 1_000_000_000

Amounts = tuple[int, int, int, int, int, int, int]
"""How much of each unit a call takes, in the order of `Unit`."""


class Unit(IntEnum):
    """What can be limited; the value is the place in `Amounts`."""

    __hash__ = int.__hash__  # looked up several times a call; the enum's own is Python

    REQUESTS = 0
    TOKENS = 1
    INPUT_TOKENS = 2
    OUTPUT_TOKENS = 3
    COST = 4
    STREAMS = 5
    CONCURRENT = 6

    @property
    def label(self) -> str:
        """Return the name as the policy document writes it."""
        return self.name.lower()

    @property
    def is_lease(self) -> bool:
        """Say whether it is held while a call runs, instead of being spent in a window."""
        return self >= Unit.STREAMS


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar day or month in a time zone."""

    per: Literal["day", "month"]
    zone: str

    def bounds(self, wall_ns: int) -> tuple[int, int]:
        """Return start and end, in nanoseconds since the epoch, of the period that holds `wall_ns`."""
        zone = ZoneInfo(self.zone)
        day = datetime.fromtimestamp(wall_ns // BILLION, zone).replace(
            hour=0, minute=0, second=0, microsecond=0, fold=0
        )
        if self.per == "day":
            start, after = day, day + timedelta(days=1)
        else:
            start = day.replace(day=1)
            after = (start + timedelta(days=32)).replace(day=1)
        return int(start.timestamp()) * BILLION, int(after.timestamp()) * BILLION


@dataclass(frozen=True, slots=True, eq=False)
class LimitRule:
    """At most so much of each unit in any `window_ns` or in a `period`, apart for each holder."""

    name: str
    scope: Literal["principal", "role", "model", "tenant", "organisation"]
    window_ns: int
    bounds: tuple[tuple[Unit, int], ...]
    roles: frozenset[str]
    models: tuple[Glob, ...]
    path: str
    period: Period | None = None
    alert_at: tuple[int, ...] = ()
    currency: str = ""

    def counts(self, roles: tuple[str, ...], model_id: str) -> bool:
        """Say whether a call of `model_id` by a holder of `roles` counts against this limit."""
        if "*" not in self.roles and self.roles.isdisjoint(roles):
            return False
        names = names_of(model_id)
        return any(glob.matches_any(names) for glob in self.models)

    @property
    def span(self) -> str:
        """Return how long it holds, in words; also part of what its counts are kept under."""
        if self.period is not None:
            return f"{self.period.per} in {self.period.zone}"
        return f"{self.window_ns / 1e9:g} s"


def compile_limit(limit: Limit, number: int) -> LimitRule:
    """Return the limit at place `number` of the document, compiled."""
    stated = {
        Unit.REQUESTS: limit.requests,
        Unit.TOKENS: limit.tokens,
        Unit.INPUT_TOKENS: limit.input_tokens,
        Unit.OUTPUT_TOKENS: limit.output_tokens,
        Unit.COST: None if limit.cost is None else round(limit.cost * BILLION),
        Unit.STREAMS: limit.streams,
        Unit.CONCURRENT: limit.concurrent,
    }
    return LimitRule(
        name=limit.name,
        scope=limit.scope,
        window_ns=parse_duration(limit.window),
        bounds=tuple((unit, bound) for unit, bound in stated.items() if bound is not None),
        roles=frozenset(limit.roles),
        models=tuple(Glob(each) for each in limit.models),
        path=f"limits[{number}]",
        period=Period(limit.per, limit.zone) if limit.per else None,
        alert_at=tuple(sorted(set(limit.alert_at))),
        currency=limit.currency if limit.cost is not None else "",
    )
