"""A call that does not happen: the gateway's own stages on a case, without a caller, a budget or an upstream.

What decides here is what decides in a running gateway, so that a test cannot pass on a copy of the rules.
"""

from dataclasses import dataclass
from typing import cast

import msgspec

from keepstone.core.clock import SystemClock
from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import KeepstoneError
from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.gateway.active import Active
from keepstone.gateway.admit import PURPOSE, place_of
from keepstone.gateway.call import Call, new_call
from keepstone.gateway.inspection import apply_guardrail
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.residency import JURISDICTION
from keepstone.gateway.stages import AFTER_BODY, DATA_CLASS, INSPECT, Stage, Stores, admit, decide, route
from keepstone.gateway.wire.routes import Route
from keepstone.policy.cases import Case
from keepstone.policy.residency.addresses import shipped
from keepstone.policy.residency.routing import Reach
from keepstone.store.keys import KeyRing


class ShippedProfiles:
    """Where profiles compute by the table that comes with Keepstone: a rehearsal asks nobody."""

    version = 0

    def reach(self, upstream: str, profile: str, now_ns: int) -> Reach:
        """Return the table's regions; a profile that it does not hold is pending."""
        regions = shipped(profile)
        if regions:
            return Reach(regions, "the shipped table", assumed=True)
        return Reach(unknown="the shipped table does not hold this profile", pending=True)

    def want(self, upstream: str, profile: str) -> None:
        """Ask for nothing."""

    async def refresh(self, now_ns: int) -> int:
        """Ask for nothing."""
        return 0


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What came of a case."""

    decision: Decision
    data_class: DataClass
    class_from: str
    upstreams: tuple[str, ...]


class Rehearsal:
    """Runs cases under one policy."""

    def __init__(self, active: Active) -> None:
        self._active = active
        nobody = cast("KeyRing", None)  # `identify` is no stage of a rehearsal
        self._stores = Stores(nobody, Budget(), Metrics(), SystemClock())

    def run(self, case: Case) -> Rehearsed:
        """Send a case through the stages that decide; one without content is not inspected.

        Raises `KeepstoneError` for what only a running gateway can tell.
        """
        call = self._call(case)
        refusal = decide(call, self._stores, self._stages(case))
        if refusal is None and call.decision is not None and not call.decision.allowed:
            refusal = call.decision  # it waited for a purpose that no body can state
        if refusal is None and case.operation == "ApplyGuardrail" and case.content is not None:
            apply_guardrail(call, self._stores.metrics)
        if refusal is None and case.region:
            refusal = _outside(call, case.region)
        if refusal is not None and refusal.reason.code is ReasonCode.DESTINATION_PENDING:
            raise KeepstoneError("only AWS can tell where this profile computes", code="rehearsal.unknown")
        decision = refusal or call.decision
        assert decision is not None  # noqa: S101 - admit always decides
        upstreams = call.candidates if decision.allowed else ()
        return Rehearsed(decision, call.data_class, call.class_source.value, upstreams)

    @staticmethod
    def _stages(case: Case) -> tuple[tuple[str, Stage], ...]:
        if case.content is None:
            return (("admit", admit), ("route", route))
        after_body = tuple(each for each in AFTER_BODY if each[0] != "budget")
        return (("admit", admit), *after_body, *INSPECT)

    def _call(self, case: Case) -> Call:
        headers = {}
        if case.data_class is not None:
            headers[DATA_CLASS] = case.data_class.encode()
        if case.purpose:
            headers[PURPOSE] = case.purpose.encode()
        if case.jurisdiction:
            headers[JURISDICTION] = case.jurisdiction.encode()
        call = new_call(self._active, headers)
        call.wall_ns = case.wall_ns
        floor = DataClass.parse(case.at_least)
        call.principal = Principal(
            "case", "case", case.roles, case.key_models, case.key_operations, data_class=floor
        )
        operation = Operation(case.operation)
        checks = operation is Operation.APPLY_GUARDRAIL
        call.route = Route(operation, case.model, case.guardrail if checks else "", "DRAFT" if checks else "")
        call.body = msgspec.json.encode(_body(operation, case.content or ""))
        return call


def _body(operation: Operation, text: str) -> dict[str, object]:
    """Return a request that holds a text, in a shape that every family is inspected in."""
    conversation: dict[str, object] = {"messages": [{"role": "user", "content": [{"text": text}]}]}
    match operation:
        case Operation.APPLY_GUARDRAIL:
            return {"source": "INPUT", "content": [{"text": {"text": text}}]}
        case Operation.COUNT_TOKENS:
            return {"input": {"converse": conversation}}
        case _:
            return conversation


def _outside(call: Call, region: str) -> Decision | None:
    places = [place_of(call, each) for each in call.candidates]
    if any(each is not None and each.region == region for each in places):
        return None
    where = ", ".join(f"`{each.name}`" for each in places if each is not None) or "no upstream"
    message = f"the call may go to {where}, of which none is in `{region[:64]}`"
    return Decision.refuse(ReasonCode.REGION_NOT_ALLOWED, message)
