"""The end of every call: what is kept and recorded becomes durable, the answer leaves, the call is counted.

An answer leaves after its record is durable; when the record cannot be written, the answer does not leave.
"""

import logging
from typing import Any

from keepstone.core.decision import Decision, Outcome, ReasonCode
from keepstone.core.errors import LedgerError
from keepstone.gateway import answer
from keepstone.gateway.call import NO_TOKENS, Call
from keepstone.gateway.charge import charge, used
from keepstone.gateway.forward import CHARS_PER_TOKEN
from keepstone.gateway.keeping import Keeper
from keepstone.gateway.outgoing import Send
from keepstone.gateway.recorder import Recorder
from keepstone.gateway.routing.lane import Lane
from keepstone.gateway.stages import Stores
from keepstone.gateway.telemetry.port import Telemetry
from keepstone.gateway.trials import arm_of
from keepstone.ledger.record import NOTHING_SEALED

UNRECORDED = "the call cannot be recorded at the moment"
LOG = logging.getLogger("keepstone.gateway")


class Release:
    """Records calls and lets their answers go."""

    def __init__(self, stores: Stores, recorder: Recorder, keeper: Keeper) -> None:
        self.recorder = recorder
        self.keeper = keeper
        self.metrics = stores.metrics
        self.now = stores.clock.monotonic_ns
        self.telemetry: Telemetry | None = None
        self._stores = stores

    async def refuse(self, call: Call, decision: Decision, send: Send) -> None:
        """Record a refusal and answer with it: as a guardrail's intervention, or as an exception."""
        call.refuse(decision, call.stage)
        if call.kept is not None:
            call.kept.answer = b""  # the caller does not get it
        status, headers, body = answer.refusal(call, decision)
        await self.finish(call, status, headers, body, send)

    async def finish(self, call: Call, status: int, headers: Any, body: bytes, send: Send) -> None:
        """Make the record durable, then release the answer."""
        if call.kept is not None:
            unkept = await self.keeper.keep(call, request=call.sealed is NOTHING_SEALED, response=True)
            if unkept is not None:
                call.refuse(unkept, "record")
                status, headers, body = answer.refusal(call, unkept)
        call.status, call.answer = status, body
        if call.usage is not NO_TOKENS and call.usage.total:
            charge(call)
        now = self.now()
        try:
            await self.recorder.record(call, "exchange", now)
        except LedgerError as error:
            LOG.error("%s", error.message, extra={"request": call.id})  # noqa: TRY400 - the cause is in the message
            refusal = Decision.refuse(ReasonCode.LEDGER_UNAVAILABLE, UNRECORDED)
            call.refuse(refusal, "record")
            status, headers, body = answer.refusal(call, refusal)
        self.count(call)
        if status == 200:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def settle(self, call: Call) -> None:
        """Give back what a call reserved and did not use."""
        if call.reservation is not None:
            if self._stores.shared is None:
                self._stores.budget.settle(call.reservation, used(call), self.now())
            else:
                self._stores.shared.settle(call.reservation, used(call))

    def count(self, call: Call) -> None:
        """Count an answered call in the metrics, and end its span."""
        decision, model, usage = call.decision, call.known_model, call.usage
        labels = (
            call.route.operation if call.route else "",
            model,
            decision.outcome if decision else Outcome.REFUSE,
            decision.reason.code if decision else "",
        )
        elapsed = self.now() - call.started_ns
        self.metrics.answers.add(labels, elapsed / 1e9, (elapsed - call.upstream_ns) / 1e9)
        if call.lane is not None and (call.lane.usage is not None or arm_of(call)):
            self._fare(call, call.lane, labels[2], elapsed)
        if usage.input or usage.output:
            self.metrics.answers.add_tokens(model, usage)
            if call.currency:
                self.metrics.answers.add_cost(model, call.currency, call.cost)
        if self.telemetry is not None and call.tracing is not None:
            self.telemetry.end(call, call.tracing, elapsed)

    def _fare(self, call: Call, lane: Lane, outcome: str, elapsed_ns: int) -> None:
        """Note what a call used at an upstream with quotas, and how the arm of a trial fares."""
        if lane.usage is not None and call.usage.total:
            lane.usage.settle(self.now(), call.usage.total - len(call.body) // CHARS_PER_TOKEN)
        arm = arm_of(call)
        if arm:
            self.metrics.trials(call.known_model, arm, outcome).inc()
            self.metrics.trial_seconds(call.known_model, arm).inc(elapsed_ns / 1e9)
            self.metrics.trial_tokens(call.known_model, arm, "input").inc(call.usage.input)
            self.metrics.trial_tokens(call.known_model, arm, "output").inc(call.usage.output)
