"""Content that the policy keeps: whose it is, what of a call is kept, and how it gets to the vault.

Kept is what was sent to the model and what the model answered, after masks and before originals are put back
for the caller: what was masked away is not in it. What is kept is durable before the record that names it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from urllib.parse import quote

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import LedgerError
from keepstone.core.exchange import Operation
from keepstone.core.principal import Principal
from keepstone.gateway.call import Call
from keepstone.gateway.kept import Kept
from keepstone.gateway.metrics import Metrics
from keepstone.ledger.record import Sealed
from keepstone.ledger.vault import Piece

KEY, PRINCIPAL, TENANT = "key:", "principal:", "tenant:"
"""Prefixes of subjects that the gateway knows itself; no call may name one."""
_MAX_SUBJECT = 1024
LOG = logging.getLogger("keepstone.gateway")


class Store(Protocol):
    """What keeping needs of the vault."""

    def keep(self, pieces: Sequence[Piece], now_ns: int) -> list[Sealed | LedgerError]:
        """Make pieces durable, each or say why not; raise `LedgerError` when none could be."""
        ...

    def forget_destroyed(self) -> None:
        """Drop keys that were destroyed elsewhere."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


def subject_of(call: Call) -> Decision | None:
    """Find out whose the content of a call is, where the policy keeps content; refuse if it must be said."""
    rule = call.active.policy.content
    if rule is None or call.route is None or call.route.operation is Operation.APPLY_GUARDRAIL:
        return None
    said = ""
    if rule.header:
        said = call.headers.get(rule.header, b"").decode("latin-1").strip()
    elif rule.metadata:
        said = _metadata(call.document, rule.metadata)
    if len(said) > _MAX_SUBJECT or said.startswith((KEY, PRINCIPAL, TENANT)):
        return Decision.refuse(
            ReasonCode.SUBJECT_MISSING, "the call's subject is not one that a call may name"
        )
    if rule.tenant and call.principal.tenant:
        said = TENANT + call.principal.tenant
    if not said and not rule.or_principal:
        where = "its header" if rule.header else "`requestMetadata`" if rule.metadata else "its credentials"
        message = f"the policy keeps content by subject, and the call names none in {where}"
        return Decision.refuse(ReasonCode.SUBJECT_MISSING, message, "retention.subject")
    call.kept = Kept(said or own_subject(call.principal))
    return None


def own_subject(principal: Principal) -> str:
    """Return a caller as a subject: its key, or else its kind, tenant and id, so that no two share one."""
    if principal.key_id:
        return KEY + principal.key_id
    return f"{PRINCIPAL}{principal.kind}:{quote(principal.tenant, safe='')}:{principal.id}"


def _metadata(document: dict[str, Any], name: str) -> str:
    found = document.get("requestMetadata")
    value = found.get(name) if isinstance(found, dict) else None
    return value.strip() if isinstance(value, str) else ""


class Keeper:
    """Hands what is kept to the vault, in a thread of its own; what comes meanwhile goes together."""

    def __init__(self, open_store: Callable[[], Store], metrics: Metrics, name: Callable[[str], str]) -> None:
        """`open_store` is called at the first use, in the thread; `name` hashes a subject."""
        self._open = open_store
        self._store: Store | None = None
        self._metrics = metrics
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "keepstone-content")
        self._queue: list[tuple[Piece, asyncio.Future[Sealed]]] = []
        self._under_way = False

    async def keep(self, call: Call, *, request: bool, response: bool) -> Decision | None:
        """Make content durable and let the call name it; the refusal, if it cannot be kept and must be."""
        kept = call.kept
        assert kept is not None  # noqa: S101 - the caller has just looked
        piece = Piece(
            call.id,
            self._name(kept.subject),
            kept.request if request else b"",
            kept.response() if response else b"",
        )
        if not piece.request and not piece.response:
            return None
        future: asyncio.Future[Sealed] = self._loop.create_future()
        self._queue.append((piece, future))
        if not self._under_way:
            self._hand_over(call.wall_ns)
        try:
            call.sealed = await future
        except LedgerError as error:
            return self._failed(call, piece.subject, error)
        return None

    def _failed(self, call: Call, subject: str, error: LedgerError) -> Decision | None:
        rule = call.active.policy.content
        LOG.error("%s", error.message, extra={"request": call.id})
        if rule is not None and rule.may_fail:
            self._metrics.unkept.inc()
            call.sealed = Sealed(subject, failure=error.code)
            return None
        message = "the content of the call cannot be kept at the moment"
        return Decision.refuse(ReasonCode.CONTENT_UNAVAILABLE, message)

    def _hand_over(self, now_ns: int) -> None:
        queue, self._queue, self._under_way = self._queue, [], True
        pieces = [piece for piece, _ in queue]
        done = self._loop.run_in_executor(self._thread, self._write, pieces, now_ns)
        done.add_done_callback(lambda ended: self._settle(queue, ended, now_ns))

    def _write(self, pieces: Sequence[Piece], now_ns: int) -> list[Sealed | LedgerError]:
        if self._store is None:
            self._store = self._open()
        return self._store.keep(pieces, now_ns)

    def _settle(
        self,
        queue: list[tuple[Piece, "asyncio.Future[Sealed]"]],
        ended: "asyncio.Future[list[Sealed | LedgerError]]",
        now_ns: int,
    ) -> None:
        error = ended.exception()
        for position, (_, future) in enumerate(queue):
            if future.done():
                continue
            found = ended.result()[position] if error is None else error
            if isinstance(found, Sealed):
                future.set_result(found)
            elif isinstance(found, LedgerError):
                future.set_exception(found)
            else:
                fault = f"the content could not be kept: internal fault `{type(error).__name__}`"
                future.set_exception(LedgerError(fault, code="content.fault"))
        self._under_way = False
        if self._queue:
            self._hand_over(now_ns)

    async def open_anew(self) -> None:
        """Let the vault go; the next use opens it again, as the policy says then."""
        await self._loop.run_in_executor(self._thread, self._let_go)

    def _let_go(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    async def forget_destroyed(self) -> None:
        """Drop keys from memory that a command has destroyed."""
        if self._store is not None:
            await self._loop.run_in_executor(self._thread, self._store.forget_destroyed)

    async def close(self) -> None:
        """Let the vault go, after what is under way."""
        await self._loop.run_in_executor(self._thread, self._let_go)
        self._thread.shutdown(wait=True)
