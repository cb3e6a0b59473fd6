"""One call on its way through the stages: what is known of it so far."""

import random
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from keepstone.core.decision import Decision, Outcome, Reason, ReasonCode
from keepstone.core.exchange import ClassSource, DataClass, TokenUsage
from keepstone.core.principal import Principal
from keepstone.gateway.active import Active
from keepstone.gateway.bodies import Body
from keepstone.gateway.identify.pending import Pending
from keepstone.gateway.kept import Kept
from keepstone.gateway.rates.lines import Demand, Reservation
from keepstone.gateway.routing.lane import Lane
from keepstone.gateway.trace_context import Tracing
from keepstone.gateway.wire.count_tokens import Counted
from keepstone.gateway.wire.dialect.dialect import Dialect
from keepstone.gateway.wire.listings import Asked
from keepstone.gateway.wire.routes import Route
from keepstone.guard.guardrail import Direction, Guardrail
from keepstone.guard.leak import SystemPrompt
from keepstone.guard.surrogates import Surrogates
from keepstone.ledger.record import NOTHING_SEALED, FindingNote, Sealed
from keepstone.policy.rules import ModelRoute
from keepstone.policy.schema.transforms import ResponseChange

_ids = random.Random()  # noqa: S311 - seeded by the system; ids must be unique, not unguessable
NO_TOKENS = TokenUsage()
NO_SCOPE: Mapping[str, Any] = MappingProxyType({})
NOBODY = Principal(id="", kind="", roles=())


class Call(Struct):
    """The state of one call; stages fill it from top to bottom, the recorder reads it whole.

    `dialect` is the protocol that the caller speaks if it is not Bedrock's own, `spoken` what then writes
    its answer. `findings` hold types and counts, never values. Times ending in `_ns` are monotonic, but for
    `wall_ns`.
    """

    id: str
    active: Active
    wall_ns: int
    started_ns: int
    headers: dict[bytes, bytes]
    scope: Mapping[str, Any] = NO_SCOPE
    pending: Pending | None = None
    body_read: bool = False
    route: Route | None = None
    dialect: Dialect | None = None
    spoken: Body | None = None
    listed: Asked | None = None
    unserved: str = ""
    principal: Principal = NOBODY
    data_class: DataClass = DataClass.RESTRICTED
    class_source: ClassSource = ClassSource.DEFAULT
    stated_class: DataClass | None = None  # before the content raised it
    purpose: str = ""
    model: ModelRoute | None = None
    guardrails: tuple[Guardrail, ...] = ()
    blocker: Guardrail | None = None
    trace: str = ""
    surrogates: Surrogates | None = None
    asked: Any = None  # what the cache keeps the answer under
    changes: tuple[ResponseChange, ...] = ()
    prompts: tuple[tuple[Guardrail, SystemPrompt], ...] = ()
    body: bytes = b""
    document: dict[str, Any] = field(default_factory=dict)
    counted: Counted | None = None
    demand: Demand | None = None
    reservation: Reservation | None = None
    decision: Decision | None = None
    stage: str = ""
    notes: list[Reason] = field(default_factory=list)
    findings: list[FindingNote] = field(default_factory=list)
    assessments: list[tuple[Direction, str, dict[str, Any]]] = field(default_factory=list)
    usage: TokenUsage = NO_TOKENS
    cost: int = 0
    currency: str = ""
    status: int = 0
    retry_after: int | None = None
    original_status: int | None = None
    cleared: tuple[str, ...] = ()  # the upstreams that `admit` lets it go to
    candidates: tuple[str, ...] = ()
    upstream: str = ""
    upstream_model: str = ""
    lane: Lane | None = None
    trial: ModelRoute | None = None  # the canary's route, where the caller is among those who get it
    trial_candidates: tuple[str, ...] = ()
    hedged: str = ""  # the upstream that was asked, too, and lost
    hedged_tokens: int = 0
    attempts: int = 0
    upstream_ns: int = 0
    inspect_ns: int = 0
    tracing: Tracing | None = None  # `forwarded_ns`, `first_ns` and `finish` are filled only if it is there
    forwarded_ns: int = 0
    first_ns: int = 0
    finish: str = ""
    answer: bytes = b""
    answer_bytes: int = 0
    kept: Kept | None = None
    sealed: Sealed = NOTHING_SEALED

    @property
    def known_model(self) -> str:
        """Return the policy's name for the model: bounded, so that it may label a metric."""
        return self.model.id if self.model else ""

    def transform(self, code: ReasonCode, message: str) -> None:
        """Note that content was changed: an admission becomes a transformation; its grounds stay behind."""
        if self.decision is not None and not self.decision.allowed:
            self.notes.append(Reason(code, message))
            return
        reasons = self.decision.reasons if self.decision else ()
        self.decision = Decision(Outcome.TRANSFORM, (Reason(code, message), *reasons))

    def refuse(self, decision: Decision, stage: str) -> None:
        """Let a refusal take the place of what was decided before, whose grounds stay behind it."""
        if self.decision is not None and self.decision is not decision:
            self.notes.extend(self.decision.reasons)
        self.decision, self.stage = decision, stage


def new_call(active: Active, headers: dict[bytes, bytes]) -> Call:
    """Start a call with a fresh request id, shaped like those of AWS."""
    return Call(request_id(), active, time.time_ns(), time.perf_counter_ns(), headers)


def request_id() -> str:
    """Return a unique id in the form of a UUID, which is what `x-amzn-requestid` holds; it is no secret."""
    raw = f"{_ids.getrandbits(128):032x}"
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-a{raw[17:20]}-{raw[20:]}"
