"""Limits counted in a store that several gateways share: one script, one round trip, all lines or none.

The store counts by its own clock. This process keeps a copy of what it took itself (the shadow). When the
store comes back empty, each gateway puts its copy in again before anybody may take, so that a restart forgets
nothing that a living gateway has admitted. While the store is gone, the policy names what happens.
"""

import asyncio
import logging
import os
import random
from collections import deque
from importlib.resources import files
from typing import Any, assert_never

import hiredis

from keepstone.core.clock import Clock
from keepstone.core.decision import Decision, ReasonCode
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.rates.encoding import LEASE_S, LEASE_US, Encoder
from keepstone.gateway.rates.lines import Demand, LimitAlert, Line, Reservation, Spent, spent
from keepstone.gateway.rates.resp import Address, Connection, RatesGone, connect
from keepstone.policy.compile import RateBounds
from keepstone.policy.limits import Amounts

LOG = logging.getLogger("keepstone.rates")

GRACE_S = 2.0
"""So long after the store lost what it held nobody takes: living gateways must have been here by then."""
BACKOFF_S = (0.05, 0.8)
START_S = 3.0
SLOW_S = 1.0
BATCH = 500
MAX_OUTBOX = 100_000
_SCRIPTS = ("take", "settle", "renew", "push", "hello")
_ABSENT = "the shared store of limits does not answer; `rates.when_unavailable` applies"
_GONE = "limits cannot be counted at the moment: the shared store does not answer"


class SharedBudget:
    """Limits in Valkey or Redis, one connection for each process; implements `ports.SharedRates`."""

    def __init__(
        self, address: Address, organisation: str, metrics: Metrics, clock: Clock, *, grace_s: float = GRACE_S
    ) -> None:
        self._address = address
        self._encoder = Encoder(organisation)
        self._metrics = metrics
        self._monotonic = clock.monotonic_ns
        self._offset_ns = clock.wall_ns() - clock.monotonic_ns()  # to the store's time, known better later
        self._grace_s = grace_s
        self._shadow = Budget()
        self._outbox: deque[tuple[Any, ...]] = deque()
        self._leases: dict[str, tuple[str, ...]] = {}
        self._name, self._number = os.urandom(6).hex(), 0
        self._sha: dict[str, str] = {}
        self._epoch = b""
        self._live: Connection | None = None
        self._last: Connection | None = None
        self._ready = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connect, and keep connecting; a store that is not there does not keep the gateway from starting."""
        loop = asyncio.get_running_loop()
        self._metrics.rates_connected.set(0)
        self._tasks = [loop.create_task(self._keep()), loop.create_task(self._renew())]
        try:
            async with asyncio.timeout(START_S + self._grace_s):
                await self._ready.wait()
        except TimeoutError:
            LOG.error(_ABSENT)  # noqa: TRY400 - there is no more to tell

    async def close(self) -> None:
        """Give back what is held, and the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._last is not None:
            self._last.finish()

    # --- calls

    async def take(self, demand: Demand, rates: RateBounds) -> Reservation | Spent:
        """Take all that a call demands, or nothing; do what the policy names when the store is gone."""
        for _ in range(2):
            connection = self._live
            if connection is None:
                break
            lines = [line for line in demand.lines if demand.amounts[line.unit] or not line.unit.is_lease]
            if not lines:
                return Reservation((), demand.amounts, self._now_ns())
            lease = self._lease(lines)
            try:
                reply = await connection.call(
                    *self._command(lines, demand.amounts, lease), timeout=rates.timeout_s
                )
            except RatesGone as error:
                self._leases.pop(lease, None)
                self._failed(connection, str(error))
                break
            self._offset_ns = reply[1] * 1000 - self._monotonic()
            if reply[0] == 1:
                return self._granted(lines, demand.amounts, lease, reply)
            self._leases.pop(lease, None)
            if reply[0] == 0:
                line = lines[reply[2] - 1]
                return spent(line, reply[3] * 1000, _alerts(lines, reply[5:]))
            if reply[0] == -1:
                self._failed(connection, "EPOCH")
                break
        return self._without(demand, rates)

    def settle(self, reservation: Reservation, used: Amounts) -> None:
        """Replace what was reserved by what was used; nobody waits for it."""
        self._leases.pop(reservation.lease, None)
        self._shadow.settle(reservation, used, self._now_ns())
        keys, arguments = [], []
        for line, _ in reservation.counted:
            difference = used[line.unit] - reservation.amounts[line.unit]
            if difference:
                keys.append(self._encoder.key(line))
                kind, field = self._encoder.field(line, reservation.at_ns // 1000)
                arguments += [kind, field, difference]
        if keys:
            self._post("settle", len(keys), *keys, reservation.lease, *arguments)

    def _command(self, lines: list[Line], amounts: Amounts, lease: str) -> tuple[object, ...]:
        encoder, now_us = self._encoder, self._now_ns() // 1000
        words: list[object] = ["EVALSHA", self._sha["take"], len(lines) + 1, encoder.epoch_key]
        words += [encoder.key(line) for line in lines]
        words += (self._epoch, lease)
        for line in lines:
            words += encoder.arguments(line, amounts[line.unit], now_us)
        return tuple(words)

    def _granted(self, lines: list[Line], amounts: Amounts, lease: str, reply: list[int]) -> Reservation:
        counted = self._shadow.count(lines, amounts, reply[1] * 1000)
        return Reservation(counted.counted, amounts, counted.at_ns, _alerts(lines, reply[2:]), lease)

    def _lease(self, lines: list[Line]) -> str:
        """Return a name for what the call holds; it is kept alive until the call is settled."""
        held = tuple(self._encoder.key(line) for line in lines if line.unit.is_lease)
        if not held:
            return ""
        self._number += 1
        name = f"{self._name}{self._number}"
        self._leases[name] = held
        return name

    def _now_ns(self) -> int:
        """Return the store's time, as far as it is known."""
        return self._monotonic() + self._offset_ns

    # --- without the store

    def _without(self, demand: Demand, rates: RateBounds) -> Reservation | Spent:
        self._metrics.rates_gone.labels(rates.when_unavailable).inc()
        now_ns = self._now_ns()
        match rates.when_unavailable:
            case "refuse":
                return Spent(Decision.refuse(ReasonCode.RATES_UNAVAILABLE, _GONE, "rates"), 1)
            case "allow":
                taken: Reservation | Spent = self._shadow.count(demand.lines, demand.amounts, now_ns)
            case "local":
                taken = self._shadow.take_lines(demand.lines, demand.amounts, now_ns, rates.local_share)
            case _:
                assert_never(rates.when_unavailable)
        if isinstance(taken, Spent):
            return taken
        lines = [line for line, _ in taken.counted]
        lease = self._lease(lines)
        for line in lines:
            if not line.unit.is_lease:
                self._push(line, [(self._encoder.field(line, now_ns // 1000)[1], demand.amounts[line.unit])])
        return Reservation(taken.counted, taken.amounts, taken.at_ns, taken.alerts, lease)

    def _push(self, line: Line, counts: list[tuple[int, int]]) -> None:
        flat = [each for count in counts for each in count]
        self._post("push", 1, self._encoder.key(line), self._encoder.life_ms(line), *flat)

    def _post(self, script: str, *words: object) -> None:
        """Send a command, or keep it until the store is back; a full box loses the newest."""
        if self._live is not None:
            self._live.post(hiredis.pack_command(("EVALSHA", self._sha[script], *words)))  # type: ignore[arg-type]  # any scalars
        elif len(self._outbox) < MAX_OUTBOX:
            self._outbox.append((script, *words))

    def _failed(self, connection: Connection, why: str) -> None:
        """Leave a connection whose store is not as it should be; one that is merely slow may recover."""
        if self._live is connection and (why.isupper() or connection.closed.is_set()):
            LOG.warning("the shared store of limits answers `%s`, connecting again", why)
            connection.close()

    # --- the connection

    async def _keep(self) -> None:
        """Hold a connection, for ever: a short wait after the first failure, a longer one after each more."""
        pause, told = BACKOFF_S[0], False
        while True:
            try:
                connection = await connect(self._address)
                try:
                    await self._greet(connection)
                    pause, told = BACKOFF_S[0], False
                    await connection.closed.wait()
                except RatesGone:
                    connection.close()
                    raise
                finally:
                    self._live = None
                    self._ready.clear()
                    self._metrics.rates_connected.set(0)
                LOG.warning("the connection to the shared store of limits is lost")
            except RatesGone as error:
                if not told:
                    LOG.warning("the shared store of limits is gone: %s", error)
                told = True
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - a pause, no secret
            pause = min(pause * 2, BACKOFF_S[1])

    async def _greet(self, connection: Connection) -> None:
        """Load the scripts, and bring the store up to date with what this process has taken."""
        for name in _SCRIPTS:
            sha = await connection.call("SCRIPT", "LOAD", script_text(name), timeout=SLOW_S)
            self._sha[name] = sha.decode()
        candidate = os.urandom(8).hex()
        command = ("EVALSHA", self._sha["hello"], 1, self._encoder.epoch_key, candidate)
        epoch, now_us, age_us = await connection.call(*command, timeout=SLOW_S)
        self._offset_ns = now_us * 1000 - self._monotonic()
        if epoch != self._epoch:
            self._outbox.clear()  # the copy holds it
            for line, fields in self._shadow.contents(self._now_ns()):
                flat = [each for field in fields for each in field]
                words = (1, self._encoder.key(line), self._encoder.life_ms(line), *flat)
                await self._tell(connection, "push", *words)
            self._epoch = epoch
        await self._empty(connection)
        await self._renew_all(connection)
        await asyncio.sleep(max(0.0, self._grace_s - age_us / 1e6))
        await self._empty(connection)
        self._live = self._last = connection
        self._ready.set()
        self._metrics.rates_connected.set(1)
        LOG.info("limits are counted in the shared store")

    async def _empty(self, connection: Connection) -> None:
        """Send what was kept; what fails half-way is sent again: too much is counted, never too little."""
        while self._outbox:
            script, *words = self._outbox[0]
            await self._tell(connection, script, *words)
            self._outbox.popleft()

    async def _tell(self, connection: Connection, script: str, *words: object) -> None:
        await connection.call("EVALSHA", self._sha[script], *words, timeout=SLOW_S)

    async def _renew(self) -> None:
        """Keep what running calls hold; what a dead gateway held runs out by itself."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            if self._live is not None:
                try:
                    await self._renew_all(self._live)
                except RatesGone as error:
                    LOG.warning("leases could not be renewed: %s", error)

    async def _renew_all(self, connection: Connection) -> None:
        held = [(key, lease) for lease, keys in self._leases.items() for key in keys]
        for at in range(0, len(held), BATCH):
            part = held[at : at + BATCH]
            keys, leases = [key for key, _ in part], [lease for _, lease in part]
            await self._tell(connection, "renew", len(part), *keys, LEASE_US, *leases)


def script_text(name: str) -> str:
    """Return one of the scripts that the store runs."""
    return files("keepstone.gateway.rates").joinpath(f"{name}.lua").read_text(encoding="utf-8")


def _alerts(lines: list[Line], flat: list[int]) -> tuple[LimitAlert, ...]:
    return tuple(LimitAlert(lines[flat[at] - 1], flat[at + 1], flat[at + 2]) for at in range(0, len(flat), 3))
