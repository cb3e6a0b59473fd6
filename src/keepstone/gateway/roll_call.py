"""Tells the shared database how far this machine's ledger has come, so that one that vanishes is missed."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

from keepstone.core.errors import KeepstoneError
from keepstone.gateway.metrics import Metrics
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.merkle import EMPTY_ROOT
from keepstone.ledger.view import MAIN, Growing, Reached, current, reached, sign_view
from keepstone.store.machines import MachineRow, Machines

EVERY_S = 2.0
GOODBYE_S = 3.0
LOG = logging.getLogger("keepstone.machines")


class Words:
    """What a machine says of its ledger: the view on its disk, and how far the log of a lone gateway is.

    With a bounded window, `delayed`, that log is said to be where it was a report ago: certainly on the disk.
    """

    def __init__(self, ledger: Path, key: LedgerKey, copy: str, *, delayed: bool = False) -> None:
        self._ledger = ledger
        self._key = key
        self._copy = copy
        self._delayed = delayed
        self._before: Reached | None = None

    def say(self, log: Growing | None) -> MachineRow:
        """Return the row; `log` is the first one where this process writes all there is."""
        view = current(self._ledger, self._key)
        now = reached(log) if log is not None else None
        certain, self._before = (self._before, now) if self._delayed else (now, now)
        if log is not None:
            view = view.after({MAIN: certain or Reached(0, EMPTY_ROOT)})
        note = sign_view(self._key, view)
        return MachineRow(
            self._key.name, socket.gethostname(), self._key.verifier, note, self._copy, time.time_ns()
        )


class RollCall:
    """Reports every two seconds and at the end; no call waits for it, nor stops when the database is away."""

    def __init__(self, table: Machines, words: Callable[[], MachineRow], metrics: Metrics) -> None:
        self._table = table
        self._words = words
        self._metrics = metrics
        self._failing = False

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(EVERY_S)

    async def once(self) -> None:
        """Report once; a failure is logged when it begins and counted each time."""
        try:
            await asyncio.to_thread(lambda: self._table.report(self._words()))
        except KeepstoneError as error:
            self._metrics.machine_report_failures.inc()
            if not self._failing:
                LOG.error("this machine's ledger could not be reported: %s", error.message)  # noqa: TRY400
            self._failing = True
        else:
            self._failing = False

    async def close(self) -> None:
        """Report the closed ledger, for three seconds at most."""
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self.once()
        except TimeoutError:
            LOG.warning("the end of this machine's ledger could not be reported; the next start does it")
