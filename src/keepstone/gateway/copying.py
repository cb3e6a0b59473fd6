"""Keeps the ledger's copy up to date beside the calls, and says how far it is behind.

One process copies all logs, in a thread of its own; no call waits for it. Where the policy wants calls
refused while the copy is too far behind, every worker compares its own log with what the copier has noted in
a file.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from keepstone.core.errors import LedgerError
from keepstone.gateway.app import Gateway
from keepstone.gateway.metrics import Metrics
from keepstone.ledger import note
from keepstone.ledger.disk import Disk
from keepstone.ledger.outside.replicate import LedgerCopy, StoppedError
from keepstone.ledger.store import TileStore
from keepstone.ledger.view import folders

AGAIN_S = 60.0
"""How often a copy that stays behind is told in the log."""
LOOK_S = 1.0
GOODBYE_S = 10.0
LOG = logging.getLogger("keepstone.copy")


class Held(msgspec.Struct, frozen=True):
    """How many records of each log a place holds."""

    where: str
    sizes: dict[str, int]


class Copier:
    """Copies every `interval_s`; `state` is the file in which it notes how far it has come."""

    def __init__(self, copy: LedgerCopy, metrics: Metrics, interval_s: float, state: Path) -> None:
        self._copy = copy
        self._metrics = metrics
        self._interval_s = interval_s
        self._state = state
        self._executor = ThreadPoolExecutor(1, "keepstone-copy")
        self._noted: dict[str, int] = {}
        self._told_at = 0.0
        self._failing = False

    async def run(self) -> None:
        """Copy until cancelled."""
        while True:
            try:
                await self.once()
            except Exception:
                LOG.exception("the ledger could not be copied")
            await asyncio.sleep(self._interval_s)

    async def once(self) -> None:
        """Copy what was published since; what fails is told and tried again."""
        loop = asyncio.get_running_loop()
        try:
            behind = await loop.run_in_executor(self._executor, self._step)
        except LedgerError as error:
            self._metrics.copy_failures.labels(error.code).inc()
            behind = await loop.run_in_executor(self._executor, self._behind)
            self._tell(behind, error)
        else:
            if self._failing:
                LOG.info("the copy of the ledger is up to date again")
            self._failing = False
        self._metrics.copy_behind.set(behind)

    async def close(self) -> None:
        """Copy what the closed ledger has published last, for ten seconds at most."""
        timer = asyncio.get_running_loop().call_later(GOODBYE_S, self._copy.stop.set)
        try:
            async with asyncio.timeout(GOODBYE_S * 2):
                await self.once()
        except TimeoutError:
            LOG.warning("the copy of the ledger was left behind; the next start goes on")
        finally:
            timer.cancel()
            self._copy.stop.set()
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _step(self) -> int:
        try:
            self._copy.step()
        finally:
            self._note()
        return self._behind()

    def _note(self) -> None:
        sizes = self._copy.sizes
        if sizes != self._noted:
            held = Held(self._copy.objects.where, sizes)
            try:
                Disk().place(self._state, msgspec.json.encode(held), self._state.parent)
            except OSError as error:
                LOG.warning("`%s` cannot be written: %s", self._state, error.strerror)
            else:
                self._noted = sizes

    def _behind(self) -> int:
        """Return how many published records the copy lacks; of a log that cannot be read, none is known."""
        held, behind = self._copy.sizes, 0
        for name, folder in folders(self._copy.ledger).items():
            try:
                signed = TileStore(folder).checkpoint()
                size = note.parse_checkpoint(note.split(signed)[0]).size if signed is not None else 0
            except LedgerError:
                continue
            behind += max(0, size - held.get(name, 0))
        return behind

    def _tell(self, behind: int, error: LedgerError) -> None:
        now = time.monotonic()
        if isinstance(error, StoppedError) or (self._failing and now < self._told_at + AGAIN_S):
            return
        self._failing, self._told_at = True, now
        LOG.error("the copy of the ledger is %d records behind: %s", behind, error.message)


class CopyGate:
    """Refuses calls while this process's log is too far ahead of the copy."""

    def __init__(self, gateway: Gateway, shard: str, most: int, where: str, state: Path) -> None:
        self._gateway = gateway
        self._shard = shard
        self._most = most
        self._where = where
        self._state = state

    def look(self, size: int) -> None:
        """Compare the log, of `size` records, with what the copier has noted last."""
        behind = size - self._sizes().get(self._shard, 0)
        if behind > self._most:
            self._gateway.uncopied = f"the copy of the record is {behind} records behind"
        else:
            self._gateway.uncopied = ""

    async def run(self, size: Callable[[], int]) -> None:
        """Look every second until cancelled."""
        while True:
            self.look(size())
            await asyncio.sleep(LOOK_S)

    def _sizes(self) -> Mapping[str, int]:
        try:
            held = msgspec.json.decode(self._state.read_bytes(), type=Held)
        except (OSError, msgspec.MsgspecError):
            return {}  # nothing is known to be copied
        return held.sizes if held.where == self._where else {}
