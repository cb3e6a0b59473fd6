"""A table of cases for `keepstone policy test`: who calls what, and what the policy should say to it."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from keepstone.core.decision import ReasonCode
from keepstone.core.exchange import WITHOUT_MODEL, Operation
from keepstone.policy.load import load_as
from keepstone.policy.problems import Fault, Kind, shown
from keepstone.policy.problems import Path as DocumentPath
from keepstone.policy.schema.words import Closed, DataClassName, ModelGlob
from keepstone.policy.shape import nearest

NOON = "2026-01-07T12:00:00+00:00"
"""When a case takes place that says no time: a Wednesday, so that tests give the same result each day."""

Call = Literal[
    "Converse",
    "ConverseStream",
    "InvokeModel",
    "InvokeModelWithResponseStream",
    "CountTokens",
    "ApplyGuardrail",
    "ListFoundationModels",
    "GetFoundationModel",
    "ListInferenceProfiles",
    "GetInferenceProfile",
]


class Expectation(Closed, frozen=True, kw_only=True):
    """What should come out; what is left out is not looked at."""

    outcome: Literal["allow", "transform", "refuse"]
    reason: Annotated[str, Meta(description="the deciding reason's code, such as `data_class_too_high`")] = ""
    rule: Annotated[str, Meta(description="the deciding place, such as `identities.roles.x.allow[0]`")] = ""
    data_class: Annotated[DataClassName | None, Meta(description="the class after inspection")] = None
    upstreams: Annotated[tuple[str, ...], Meta(description="the upstreams that may be asked, in order")] = ()


class Case(Closed, frozen=True, kw_only=True):
    """One call, and what should come of it."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    roles: Annotated[tuple[str, ...], Meta(min_length=1)]
    expect: Expectation
    model: Annotated[str, Meta(max_length=2048)] = ""
    operation: Call = "Converse"
    guardrail: Annotated[str, Meta(description="the guardrail that `ApplyGuardrail` asks")] = "default"
    data_class: Annotated[DataClassName | None, Meta(description="what the call states")] = None
    at_least: Annotated[DataClassName, Meta(description="the least class of the caller's key")] = "Public"
    key_models: Annotated[tuple[ModelGlob, ...], Meta(description="the models the key is limited to")] = ()
    key_operations: Annotated[tuple[str, ...], Meta(description="the operations the key is limited to")] = ()
    purpose: str = ""
    jurisdiction: Annotated[str, Meta(description="what the call states, such as `EU`")] = ""
    region: Annotated[str, Meta(description="may it go to an upstream in this region?")] = ""
    time: Annotated[str, Meta(description="such as `2026-01-07T22:30:00+01:00`; a Wednesday noon in UTC")] = (
        NOON
    )
    content: Annotated[str | None, Meta(description="text that goes through the guardrails")] = None

    @property
    def wall_ns(self) -> int:
        """Return when it takes place; raise `ValueError` for no instant."""
        return instant(self.time)


def instant(text: str) -> int:
    """Return nanoseconds since the epoch of a time with an offset; raise `ValueError` for any other text."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the time has no offset from UTC")
    return int(moment.timestamp()) * 1_000_000_000


class CaseTable(Closed, frozen=True, kw_only=True):
    """A file of cases."""

    version: Literal[1]
    cases: Annotated[tuple[Case, ...], Meta(min_length=1)]


def load_cases(path: Path) -> list[tuple[int, Case]]:
    """Return the cases of a file with their lines; raise `InvalidPolicyError` for what is wrong with it."""
    table, root = load_as(path, CaseTable, Kind.CASES, _faults)
    assert isinstance(root.value, dict)  # noqa: S101 - it has just been decoded as one
    nodes = root.value["cases"].value
    lines = [each.place.line for each in nodes] if isinstance(nodes, list) else []
    return list(zip(lines, table.cases, strict=True))


def _faults(table: CaseTable) -> Iterator[Fault]:
    for number, case in enumerate(table.cases):
        path: DocumentPath = ("cases", number)
        try:
            instant(case.time)
        except ValueError:
            hint = "such as `2026-01-07T22:30:00+01:00`"
            yield Fault((*path, "time"), f"`{shown(case.time)}` is no instant with an offset", hint)
        reason = case.expect.reason
        if reason and reason not in list(ReasonCode):
            near = nearest(reason, list(ReasonCode))
            hint = f"did you mean `{near}`?" if near else "docs/reference/reasons.md lists them"
            yield Fault((*path, "expect", "reason"), f"unknown reason `{shown(reason)}`", hint)
        without = Operation(case.operation) in WITHOUT_MODEL
        if without and case.model:
            message = f"a call by {case.operation} names no model"
            yield Fault((*path, "model"), message, "leave `model` out")
        elif not without and not case.model:
            yield Fault(
                path, f"a call by {case.operation} names a model", "add `model`, as a caller writes it"
            )
