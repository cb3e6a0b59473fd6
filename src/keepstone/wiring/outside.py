"""What is told of the ledger outside its folder: the copy, the anchors, the roll call of machines."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from keepstone.aws.places import open_anchor, open_bucket
from keepstone.core.settings import Settings
from keepstone.gateway.anchoring import Anchoring
from keepstone.gateway.app import Gateway
from keepstone.gateway.copying import Copier, CopyGate
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.roll_call import RollCall, Words
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.note import Verifier
from keepstone.ledger.outside.replicate import LedgerCopy
from keepstone.ledger.writer import Ledger
from keepstone.policy.compile import RecordBounds
from keepstone.policy.duration import seconds
from keepstone.store.engine import open_database
from keepstone.store.machines import Machines
from keepstone.wiring.active import read_policy

COPIED = "copied.json"


@dataclass(frozen=True, slots=True)
class Places:
    """Opens the places outside that a policy's `bounds` name; `key` is the installation's, not a shard's."""

    settings: Settings
    key: LedgerKey
    bounds: RecordBounds
    metrics: Metrics

    @property
    def _verifier(self) -> Verifier:
        return Verifier.parse(self.key.verifier)

    def copier(self) -> Copier | None:
        """Return what copies the ledger, if the policy has a place for a copy."""
        store = self.bounds.store
        if store is None:
            return None
        copy = LedgerCopy(self.settings.ledger, self._verifier, open_bucket(store))
        return Copier(copy, self.metrics, seconds(store.interval), self.settings.home / COPIED)

    def copy_gate(self, gateway: Gateway) -> CopyGate | None:
        """Return what refuses calls while the copy is too far behind, if the policy wants that."""
        store = self.bounds.store
        if store is None or store.when_behind != "refuse":
            return None
        state = self.settings.home / COPIED
        return CopyGate(gateway, self.settings.shard, store.most_behind, open_bucket(store).where, state)

    def anchoring(self) -> Anchoring | None:
        """Return what posts to the policy's anchors, if it has any."""
        if not self.bounds.anchors:
            return None
        anchors = [open_anchor(each) for each in self.bounds.anchors]
        every_s = self.bounds.anchor_every_s
        return Anchoring(self.settings.ledger, self._verifier, anchors, self.metrics, every_s)

    def roll_call(self, table: Machines, lone: Ledger | None) -> RollCall:
        """Return what tells other machines of this one's ledger; of several workers, the view on disk."""
        copy = open_bucket(self.bounds.store).where if self.bounds.store is not None else ""
        words = Words(self.settings.ledger, self.key, copy, delayed=self.bounds.window_ns > 0)
        return RollCall(table, lambda: words.say(lone), self.metrics)


@dataclass(frozen=True, slots=True)
class Outside:
    """What one process tells outside; whatever the policy does not have is `None`."""

    copier: Copier | None = None
    copy_gate: CopyGate | None = None
    anchoring: Anchoring | None = None
    roll_call: RollCall | None = None

    async def run(self, size: Callable[[], int]) -> None:
        """Keep all of it up to date until cancelled; `size` says how many records the own log has."""
        tasks: list[Coroutine[Any, Any, None]] = []
        if self.copy_gate is not None:
            tasks.append(self.copy_gate.run(size))
        tasks += [each.run() for each in (self.copier, self.anchoring, self.roll_call) if each is not None]
        await asyncio.gather(*tasks)

    async def close(self) -> None:
        """Tell what the closed ledger has published last."""
        for each in (self.copier, self.anchoring, self.roll_call):
            if each is not None:
                await each.close()


async def say_last(settings: Settings) -> None:
    """Copy, anchor and report what several workers have published at their very end, and the view of it."""
    bounds = (await asyncio.to_thread(read_policy, settings)).record
    places = Places(settings, LedgerKey.load(settings.keys), bounds, Metrics())
    await Outside(places.copier(), None, places.anchoring()).close()
    if settings.database_url:
        table = Machines(await asyncio.to_thread(open_database, settings.database_url))
        await places.roll_call(table, None).close()
