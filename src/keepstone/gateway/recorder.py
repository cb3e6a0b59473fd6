"""The record stage: turns a call into its record and waits until that is durable."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, Protocol, cast

from keepstone.core.decision import Outcome
from keepstone.core.errors import LedgerError
from keepstone.gateway.call import Call
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.trials import arm_of
from keepstone.gateway.wire.slots import is_identifier
from keepstone.ledger.record import (
    NO_CLIENT,
    Caller,
    Client,
    Content,
    Cost,
    ExchangeRecord,
    Latency,
    ReasonNote,
    Sizes,
    Tokens,
    UpstreamNote,
    encode,
)

GROUP = 2
NO_COST = Cost()
LINGER_S = 0.002
Kind = Literal["exchange", "opened", "closed", "event"]


class Log(Protocol):
    """What the recorder needs of the ledger."""

    @property
    def failure(self) -> LedgerError | None:
        """Return why it cannot be written at the moment, `None` when all is well."""
        ...

    def submit(self, entries: Sequence[tuple[bytes, object]]) -> None:
        """Queue records with their waiters; raise `LedgerError` when they cannot be accepted."""
        ...


class _Closed:
    """A ledger that is not open yet."""

    failure = LedgerError("the ledger is not open")

    def submit(self, entries: Sequence[tuple[bytes, object]]) -> None:
        """Refuse."""
        raise self.failure


UNNAMED = "(not an identifier)"
MOST_AGENT = 160
_PRIVATE = re.compile(r"\S*@\S*|[0-9](?:[ :/-]?[0-9]){8,}|[A-Za-z0-9_+-]{32,}")
"""Addresses, long numbers and tokens: no part of a program's name or version either."""
_UNTOLD = re.compile(r"[^A-Za-z0-9 ._/()#;:,+-]")
"""What no program's name holds: a caller may write anything there."""


_OUTCOMES: Mapping[Outcome, Literal["allow", "transform", "refuse"]] = {each: each.value for each in Outcome}
"""The words of records; an enum's own `value` is Python, and slower than a look-up."""


class Recorder:
    """Hands records to the ledger and wakes the calls whose record is on disk.

    A sync costs the same for one record as for fifty. So records gather until half of the calls in
    flight (`load`) wait for theirs, at most two milliseconds; a lone call never waits for company.
    """

    def __init__(self, commit: Callable[[bytes], str], metrics: Metrics) -> None:
        self._commit = commit
        self._metrics = metrics
        self.load = 1
        self._loop = asyncio.get_running_loop()
        self._log: Log = _Closed()
        self._queue: list[tuple[bytes, asyncio.Future[None]]] = []
        self._under_way = 0
        self._timer: asyncio.TimerHandle | None = None

    def attach(self, log: Log) -> None:
        """Take the opened ledger, whose `notify` is this recorder's."""
        self._log = log

    def notify(self, waiters: Sequence[object], error: LedgerError | None) -> None:
        """Wake the waiters of one batch; called by the ledger, on its own thread or the event loop's."""
        self._loop.call_soon_threadsafe(self._settle, waiters, error)

    @property
    def failure(self) -> str:
        """Return why no record can be written at the moment, empty when all is well."""
        failure = self._log.failure
        return "" if failure is None else failure.message

    def record(self, call: Call, kind: Kind, now_ns: int) -> Awaitable[None]:
        """Write the call's record; it is durable when the wait is over, which raises `LedgerError` if not."""
        return self.append(encode(self._describe(call, kind, now_ns)))

    async def event(self, name: str, detail: dict[str, str], *, wall_ns: int, policy: str = "") -> None:
        """Record something about the gateway itself, such as `policy.loaded`."""
        record = ExchangeRecord(
            kind="event", id="", time=_rfc3339(wall_ns), event=name, detail=detail, policy=policy
        )
        await self.append(encode(record))

    async def append(self, record: bytes) -> None:
        """Append encoded bytes and return once they are durable."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._queue.append((record, future))
        self._consider()
        try:
            await future
        except LedgerError:
            self._metrics.ledger_failures.inc()
            raise

    def _consider(self) -> None:
        """Hand over what has gathered, unless a hand-over is under way or it is worth waiting for more."""
        if self._under_way or not self._queue:
            return
        if len(self._queue) * GROUP >= self.load:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(LINGER_S, self._flush)

    def _flush(self) -> None:
        """Hand over what has gathered; the records of one hand-over share a sync."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._under_way:
            return  # it is handed over when that one has come back
        queue, self._queue = self._queue, []
        try:
            self._log.submit(queue)
        except LedgerError as error:
            _settle(tuple(future for _, future in queue), error)
        else:
            self._under_way = len(queue)

    def _settle(self, waiters: Sequence[object], error: LedgerError | None) -> None:
        """Wake the calls of a hand-over that has come back; hand over what gathered meanwhile."""
        _settle(waiters, error)
        self._under_way = max(0, self._under_way - len(waiters))
        self._consider()

    def _describe(self, call: Call, kind: Kind, now_ns: int) -> ExchangeRecord:
        principal, decision, route = call.principal, call.decision, call.route
        reasons = (*(decision.reasons if decision else ()), *call.notes)
        return ExchangeRecord(
            kind=kind,
            id=call.id,
            time=_rfc3339(call.wall_ns if kind != "closed" else call.wall_ns + now_ns - call.started_ns),
            principal=Caller(
                principal.id, principal.kind, principal.roles, principal.key_id, principal.tenant
            ),
            operation=route.operation if route else call.unserved,
            model=_named(call) if route and principal.id else "",
            data_class=call.data_class.label if principal.id else "",
            class_from=call.class_source if principal.id else "",
            stated_class=call.stated_class.label if call.stated_class is not None else "",
            purpose=call.purpose,
            policy=call.active.policy.hash,
            outcome=_OUTCOMES[decision.outcome] if decision else "",
            stage=call.stage,
            reasons=tuple([ReasonNote(each.code, _told(call, each.message), each.path) for each in reasons]),
            findings=tuple(call.findings),
            tokens=Tokens(
                call.usage.input,
                call.usage.output,
                call.usage.cache_read,
                call.usage.cache_write,
                call.usage.estimated,
            ),
            cost=Cost(call.cost, call.currency) if call.currency else NO_COST,
            status=call.status,
            latency_us=Latency(
                (now_ns - call.started_ns) // 1000, call.upstream_ns // 1000, call.inspect_ns // 1000
            ),
            upstream=UpstreamNote(
                call.upstream,
                call.upstream_model,
                call.attempts,
                arm_of(call),
                call.hedged,
                call.hedged_tokens,
            ),
            content=Content(
                self._commit(call.body) if call.body else "", self._commit(call.answer) if call.answer else ""
            ),
            client=_client(call) if call.active.policy.document.record.client else NO_CLIENT,
            protocol=call.dialect.name if call.dialect else "",
            sealed=call.sealed,
            bytes=Sizes(len(call.body), call.answer_bytes or len(call.answer)),
        )


def _settle(waiters: Sequence[object], error: LedgerError | None) -> None:
    futures = cast("Sequence[asyncio.Future[None]]", waiters)  # nobody else's: `append` made them
    for future in futures:
        if not future.done():
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)


def _named(call: Call) -> str:
    """Return the model or guardrail that a call names; one that nobody knows may be any text."""
    assert call.route is not None  # noqa: S101 - the caller has just looked
    name = call.route.model_id or call.route.guardrail_id
    return name if call.model is not None or is_identifier(name) else UNNAMED


def _told(call: Call, message: str) -> str:
    """Return a reason's message as it may stand in a record: without a name that is no identifier."""
    if call.model is not None or call.route is None:
        return message
    name = call.route.model_id or call.route.guardrail_id
    if not name or is_identifier(name):
        return message
    return message.replace(name[:256], UNNAMED).replace(name[:64], UNNAMED)


def _client(call: Call) -> Client:
    """Return who connected: the peer's address as the system names it, never one that a header claims."""
    peer = call.scope.get("client")
    return _described(peer[0] if peer else "", call.headers.get(b"user-agent", b""))


@lru_cache(maxsize=1024)
def _described(address: str, agent: bytes) -> Client:
    text = _PRIVATE.sub("(hidden)", agent[: 2 * MOST_AGENT].decode("latin-1"))
    return Client(address, _UNTOLD.sub("?", text[:MOST_AGENT]))


def _rfc3339(wall_ns: int) -> str:
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
