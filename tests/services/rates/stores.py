"""Both stores of limits behind one face, for one suite that runs against each."""

import asyncio
import itertools
from contextlib import asynccontextmanager

from keepstone.core.clock import SystemClock
from keepstone.core.principal import Principal
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.rates.lines import Demand, LineBook, Reservation
from keepstone.gateway.rates.resp import Address
from keepstone.gateway.rates.shared import SharedBudget
from keepstone.policy.compile import RateBounds
from keepstone.policy.limits import LimitRule
from keepstone.policy.model_ids import Glob

SECOND = 1_000_000_000
ALICE = Principal("alice", "api-key", ("analyst",), key_id="a")
BOB = Principal("bob", "api-key", ("analyst", "admin"), key_id="b")
_numbers = itertools.count()
_book = LineBook()


def rule_of(*bounds, name="each", scope="organisation", window_s=60, **fields):
    """A limit that counts every role and model."""
    return LimitRule(
        name, scope, int(window_s * SECOND), bounds, frozenset({"*"}), (Glob("*"),), "limits[0]", **fields
    )


def demand(rules, amounts, principal=ALICE, model="m"):
    """What a call takes of some limits."""
    return Demand(_book.lines(tuple(rules), principal, model), amounts)


def bounds(when_unavailable="refuse", share=25, timeout_s=2.0):
    """How to count when the store is gone."""
    return RateBounds(when_unavailable, share, timeout_s, 4, 0, False)


class Local:
    """The store in process, with the face of the shared one."""

    def __init__(self):
        self._budget = Budget()
        self._clock = SystemClock()

    async def take(self, wanted, rates=None):
        return self._budget.take_lines(wanted.lines, wanted.amounts, self._clock.monotonic_ns())

    def settle(self, reservation, used):
        self._budget.settle(reservation, used, self._clock.monotonic_ns())

    async def close(self):
        pass


class Shared:
    """One gateway's end of the shared store."""

    def __init__(self, budget, name):
        self.budget, self.name = budget, name

    async def take(self, wanted, rates=None):
        return await self.budget.take(wanted, rates or bounds())

    def settle(self, reservation, used):
        self.budget.settle(reservation, used)

    async def close(self):
        await self.budget.close()


async def connected(server, organisation=None, *, grace_s=0.0, metrics=None):
    """A started client of a server, by default in an organisation of its own."""
    name = organisation or f"organisation {next(_numbers)}"
    budget = SharedBudget(
        Address.parse(server.url), name, metrics or Metrics(), SystemClock(), grace_s=grace_s
    )
    await budget.start()
    return Shared(budget, name)


@asynccontextmanager
async def opened(kind, server=None):
    """One of the stores, by name."""
    store = Local() if kind == "in process" else await connected(server)
    try:
        yield store
    finally:
        await store.close()


def admitted(taken):
    """Say whether a call may go on."""
    return isinstance(taken, Reservation)


def run(coroutine):
    """Run to the end, at most a minute."""
    return asyncio.run(asyncio.wait_for(coroutine, 60))
