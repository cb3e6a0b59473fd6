"""What is noted of a call for telemetry: names of models, counts and times; never content, never a caller."""

from typing import Any

from msgspec import Struct

from keepstone.core.exchange import Operation
from keepstone.gateway.active import Active
from keepstone.gateway.call import Call
from keepstone.gateway.trace_context import Tracing

_NO_INFERENCE = (Operation.COUNT_TOKENS, Operation.APPLY_GUARDRAIL)
_MAX_FINISH = 40


class Note(Struct, gc=False):
    """One call that was answered; times in nanoseconds, those that begin with `wall` since the epoch."""

    tracing: Tracing
    active: Active
    id: str
    wall_ns: int
    elapsed_ns: int
    operation: str
    inference: bool
    streams: bool
    model: str
    known_model: str
    upstream: str
    forwarded_ns: int
    upstream_ns: int
    first_ns: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    estimated: bool
    outcome: str
    reason: str
    stage: str
    status: int
    attempts: int
    finish: str


def note_of(call: Call, tracing: Tracing, elapsed_ns: int) -> Note:
    """Return what is noted of an answered call; the model is the caller's word only once it was admitted."""
    decision, route, usage = call.decision, call.route, call.usage
    began = call.started_ns
    return Note(
        tracing,
        call.active,
        call.id,
        call.wall_ns,
        elapsed_ns,
        route.operation.value if route else "",
        route is not None and route.operation not in _NO_INFERENCE,
        route is not None and route.operation.streams,
        route.model_id if route and call.upstream else "",
        call.known_model,
        call.upstream,
        call.forwarded_ns - began if call.forwarded_ns else 0,
        call.upstream_ns,
        call.first_ns - began if call.first_ns else 0,
        usage.input,
        usage.output,
        usage.cache_read,
        usage.estimated,
        decision.outcome.value if decision else "",
        decision.reason.code.value if decision else "",
        call.stage,
        call.status,
        call.attempts,
        call.finish,
    )


def finish_reason(document: dict[str, Any]) -> str:
    """Return why the model stopped, as its answer says it: a short word, or nothing."""
    found = document.get("stopReason") or document.get("stop_reason")
    is_word = isinstance(found, str) and len(found) <= _MAX_FINISH and found.replace("_", "").isalnum()
    return found if is_word and isinstance(found, str) else ""
