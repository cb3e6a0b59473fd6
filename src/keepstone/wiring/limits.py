"""What limits count with: their memory of before this start, and the store that several gateways share."""

import asyncio
import logging

from keepstone.core.clock import Clock
from keepstone.core.errors import UsageError
from keepstone.core.settings import Settings
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.ports import SharedRates
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.refill import refill
from keepstone.policy.compile import CompiledPolicy

LOG = logging.getLogger("keepstone")


async def open_limits(
    settings: Settings, policy: CompiledPolicy, metrics: Metrics, clock: Clock
) -> tuple[Budget, SharedRates | None]:
    """Return the counters of this process, knowing what was spent before, and those that gateways share."""
    budget = Budget(clock.wall_ns() - clock.monotonic_ns())
    if not settings.rates:
        await _refill(settings, policy, budget, metrics, clock)
    return budget, await _open_shared(settings, policy, metrics, clock)


async def _refill(
    settings: Settings, policy: CompiledPolicy, budget: Budget, metrics: Metrics, clock: Clock
) -> None:
    """Count what limits had spent when the last process ended, and say so."""
    if not policy.limits:
        return
    now_ns = clock.monotonic_ns()
    found = await asyncio.to_thread(refill, settings.ledger, policy, budget, now_ns)
    took = (clock.monotonic_ns() - now_ns) / 1e9
    if found.read:
        LOG.info("limits: %d of %d records count as spent, read in %.1f s", found.counted, found.read, took)
    metrics.refilled.set(found.counted)
    metrics.refill_incomplete.set(bool(found.why))
    if found.why:
        LOG.error("limits do not know all that was spent before this start: %s", found.why)


async def _open_shared(
    settings: Settings, policy: CompiledPolicy, metrics: Metrics, clock: Clock
) -> SharedRates | None:
    """Connect to the store that gateways share; raise `UsageError` when its client is not installed."""
    if not settings.rates:
        return None
    try:
        from keepstone.gateway.rates.resp import Address  # noqa: PLC0415 - an optional extra
        from keepstone.gateway.rates.shared import SharedBudget  # noqa: PLC0415
    except ModuleNotFoundError as error:
        hint = "pip install 'keepstone[valkey]'"
        raise UsageError(
            "KEEPSTONE_RATES needs the client of Valkey, which is not installed", hint=hint
        ) from error
    shared = SharedBudget(Address.parse(settings.rates), policy.document.organisation.name, metrics, clock)
    await shared.start()
    return shared
