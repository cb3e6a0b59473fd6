"""Copies of answered calls for a model on trial: sent after the answer left, their own answers thrown away.

What is kept is how the model did: status, time, tokens, why it stopped; in metrics, and in a record of its
own. A copy is sent only where the call itself might have gone (`trials.permitted`), only while records
can be written, and never more than the policy's number at once. It holds what was inspected, masks included.
"""

import asyncio
import logging
import random
import re
from collections import Counter

from keepstone.core.decision import Reason
from keepstone.core.errors import KeepstoneError
from keepstone.core.exchange import Operation, TokenUsage
from keepstone.gateway.bodies import body_for
from keepstone.gateway.call import Call
from keepstone.gateway.forward import Failure, Forwarder
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.ports import UpstreamReply, UpstreamRequest
from keepstone.gateway.recorder import Recorder
from keepstone.gateway.routing.lane import Lane
from keepstone.gateway.trials import permitted
from keepstone.policy.rules import Trial

SHADOW = "shadow"
EVENT = "shadow.answered"
LOG = logging.getLogger("keepstone.gateway")
_WHOLE = {
    Operation.CONVERSE: Operation.CONVERSE,
    Operation.CONVERSE_STREAM: Operation.CONVERSE,
    Operation.INVOKE_MODEL: Operation.INVOKE_MODEL,
    Operation.INVOKE_MODEL_STREAM: Operation.INVOKE_MODEL,
}
_STOP_REASON = re.compile(r"[A-Za-z_]{1,40}")
_STOP_MEMBERS = ("stopReason", "stop_reason")


class Shadows:
    """Sends the copies of one gateway."""

    def __init__(self, forwarder: Forwarder, recorder: Recorder, metrics: Metrics) -> None:
        self._forwarder = forwarder
        self._recorder = recorder
        self._metrics = metrics
        self._under_way: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def consider(self, call: Call, request: UpstreamRequest, trial: Trial) -> None:
        """Send a copy of an answered call, if chance and the rules have it so; never waits."""
        operation = _WHOLE.get(request.operation)
        if operation is None or call.status != 200 or random.random() * 100 >= trial.percent:  # noqa: S311
            return
        names, note = permitted(call, trial.route)
        if not names or call.decision is None or not call.decision.allowed:
            self._metrics.trials(call.known_model, SHADOW, "not_permitted").inc()
            return
        if self._under_way[trial.route.id] >= trial.most or self._recorder.failure:
            self._metrics.trials(call.known_model, SHADOW, "left_out").inc()
            return
        lane = self._forwarder.lane(call, trial.route, names[0])
        model_id = trial.route.upstream_id(lane.name, request.model_id)
        copy = UpstreamRequest(operation, model_id, request.body, request.document, request.headers)
        self._under_way[trial.route.id] += 1
        task = asyncio.get_running_loop().create_task(self._send(call, lane, copy, note))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, call: Call, lane: Lane, request: UpstreamRequest, note: Reason | None) -> None:
        started = self._forwarder.now()
        try:
            async with asyncio.timeout(lane.route.rules.deadline_s):
                outcome = await self._ask(lane, request, started)
        except TimeoutError:
            outcome = "late"
        finally:
            self._under_way[lane.route.id] -= 1
        seconds = (self._forwarder.now() - started) / 1e9
        try:
            detail = self._counted(call, lane, request, outcome, seconds)
            if note is not None:
                detail["destination"] = note.message
            wall_ns = call.wall_ns + self._forwarder.now() - call.started_ns
            await self._recorder.event(EVENT, detail, wall_ns=wall_ns, policy=call.active.policy.hash)
        except KeepstoneError as error:
            LOG.error("a shadow's record: %s", error.message)  # noqa: TRY400 - the cause is in the message

    async def _ask(self, lane: Lane, request: UpstreamRequest, now_ns: int) -> UpstreamReply | str:
        """Return the answer, or one word for why there is none."""
        if not lane.upstream.supports(request.operation):
            return "unsupported"
        if lane.wait_ns(now_ns):
            return "rests"
        lane.begin(now_ns)
        reply = await self._forwarder.attempt(lane, request)
        return reply.decision.reason.code.value if isinstance(reply, Failure) else reply

    def _counted(
        self, call: Call, lane: Lane, request: UpstreamRequest, outcome: UpstreamReply | str, seconds: float
    ) -> dict[str, str]:
        """Count the copy; return what is recorded: where it went, for which call, and how the model did."""
        used, stop, status = TokenUsage(), "", outcome if isinstance(outcome, str) else str(outcome.status)
        if isinstance(outcome, UpstreamReply) and outcome.status < 300:
            body = body_for(request.operation, request.model_id)
            used = body.usage(outcome.document, outcome.headers) or used
            stop = _stop_reason(outcome)
        metrics, model = self._metrics, call.known_model
        metrics.trials(model, SHADOW, "allow" if status == "200" else "failed").inc()
        metrics.trial_seconds(model, SHADOW).inc(seconds)
        metrics.trial_tokens(model, SHADOW, "input").inc(used.input)
        metrics.trial_tokens(model, SHADOW, "output").inc(used.output)
        return {
            "call": call.id,
            "model": model,
            "upstream": lane.name,
            "upstream_model": request.model_id,
            "status": status,
            "milliseconds": str(round(seconds * 1e3)),
            "input_tokens": str(used.input),
            "output_tokens": str(used.output),
            "stop_reason": stop,
        }


def _stop_reason(reply: UpstreamReply) -> str:
    """Return why the model stopped, if it says so in one word; an upstream may write anything there."""
    for member in _STOP_MEMBERS:
        found = reply.document.get(member)
        if isinstance(found, str) and _STOP_REASON.fullmatch(found):
            return found
    return ""
