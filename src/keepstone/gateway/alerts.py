"""A limit that reaches a threshold: told to a metric, the log and the ledger, once a window."""

import asyncio
import logging
from collections.abc import Sequence

from keepstone.core.clock import Clock
from keepstone.core.errors import LedgerError
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.rates.lines import LimitAlert
from keepstone.gateway.recorder import Recorder

LOG = logging.getLogger("keepstone.budget")


class AlertLog:
    """Tells of alerts; the ledger's entry names the holder, the log and the metric do not.

    The call that raises an alert does not wait for its entry.
    """

    def __init__(self, recorder: Recorder, metrics: Metrics, clock: Clock) -> None:
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._writing: set[asyncio.Task[None]] = set()

    def reached(self, alerts: Sequence[LimitAlert], policy: str) -> None:
        """Tell of alerts that a call has raised under a policy."""
        for alert in alerts:
            line = alert.line
            percent = str(alert.percent)
            self._metrics.alerts.labels(line.rule.name, line.unit.label, percent).inc()
            LOG.warning("limit `%s` of %s is used to %s %%", line.rule.name, line.words, percent)
            detail = {
                "limit": line.rule.name,
                "path": line.rule.path,
                "scope": line.rule.scope,
                "holder": line.holder,
                "unit": line.unit.label,
                "percent": percent,
                "taken": str(alert.total),
                "bound": str(line.limit),
            }
            task = asyncio.get_running_loop().create_task(self._record(detail, policy))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _record(self, detail: dict[str, str], policy: str) -> None:
        try:
            await self._recorder.event("limit.reached", detail, wall_ns=self._clock.wall_ns(), policy=policy)
        except LedgerError as error:
            LOG.error("an alert cannot be recorded: %s", error.message)  # noqa: TRY400 - the cause is in the message
