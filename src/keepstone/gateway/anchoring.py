"""Tells anchors outside, from time to time and at the end, what the ledger says of itself."""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from keepstone.core.errors import LedgerError
from keepstone.gateway.metrics import Metrics
from keepstone.ledger.note import Verifier
from keepstone.ledger.outside.anchor import Anchor

GOODBYE_S = 10.0
LOG = logging.getLogger("keepstone.anchor")


class Anchoring:
    """Posts to each anchor every `interval_s`, in a thread of its own; one that fails delays no other."""

    def __init__(
        self, ledger: Path, verifier: Verifier, anchors: Sequence[Anchor], metrics: Metrics, interval_s: float
    ) -> None:
        self._ledger = ledger
        self._verifier = verifier
        self._anchors = anchors
        self._metrics = metrics
        self._interval_s = interval_s
        self._executor = ThreadPoolExecutor(len(anchors), "keepstone-anchor")

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(self._interval_s)

    async def once(self) -> None:
        """Post to all of them once."""
        await asyncio.gather(*(self._post(each) for each in self._anchors))

    async def close(self) -> None:
        """Post what the closed ledger has published last, for ten seconds at most."""
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self.once()
        except TimeoutError:
            LOG.warning("the last checkpoint did not reach every anchor; the next start posts it")
        finally:
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _post(self, anchor: Anchor) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._executor, anchor.post, self._ledger, self._verifier)
        except LedgerError as error:
            self._metrics.anchor_failures.labels(anchor.where, error.code).inc()
            LOG.error("anchor `%s`: %s", anchor.where, error.message)  # noqa: TRY400 - the cause is in it
        except Exception:  # the outermost door: the next round tries again
            self._metrics.anchor_failures.labels(anchor.where, "internal").inc()
            LOG.exception("anchor `%s` failed", anchor.where)
        else:
            self._metrics.anchored_at.labels(anchor.where).set(time.time())
