"""A gateway with all that it holds: opened in order, put under a changed policy, closed in order."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keepstone import __version__
from keepstone.aws.kms import KmsKey
from keepstone.core.clock import Clock, SystemClock
from keepstone.core.errors import KeepstoneError
from keepstone.core.keyed_hash import KeyedHash
from keepstone.core.settings import Settings
from keepstone.gateway.alerts import AlertLog
from keepstone.gateway.app import Gateway
from keepstone.gateway.cache.cache import ResponseCache
from keepstone.gateway.identify.session_pages import SessionPages
from keepstone.gateway.identify.sessions import Sealer
from keepstone.gateway.keeping import Keeper
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.recorder import Recorder
from keepstone.gateway.stages import Stores
from keepstone.ledger.envelopes import Envelopes
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.notices import done, fulfil, taking
from keepstone.ledger.retention import remove_old
from keepstone.ledger.subject_keys import SubjectKeys
from keepstone.ledger.vault import Vault
from keepstone.ledger.view import shard_folder
from keepstone.ledger.writer import Ledger
from keepstone.policy.compile import CompiledPolicy, RecordBounds
from keepstone.policy.duration import seconds
from keepstone.policy.schema.record import Durability, KmsEnvelope
from keepstone.store.access_keys import AccessKeySecrets, load_or_create
from keepstone.store.engine import open_database
from keepstone.store.keys import KeyRing
from keepstone.store.machines import Machines
from keepstone.store.sessions import EndedSessions
from keepstone.wiring.active import build_active, build_residency, read_policy
from keepstone.wiring.callers import KeySourceCache, identified
from keepstone.wiring.limits import open_limits
from keepstone.wiring.outside import Outside, Places
from keepstone.wiring.upstreams import UpstreamCache

if TYPE_CHECKING:
    from keepstone.gateway.telemetry.export import Exporter

LOG = logging.getLogger("keepstone")


@dataclass(slots=True)
class Service:
    """An open gateway with all that it holds; `close` gives everything back in order."""

    settings: Settings
    gateway: Gateway
    stores: Stores
    recorder: Recorder
    ledger: Ledger
    durability: RecordBounds
    keeper: Keeper
    outside: Outside
    upstreams: UpstreamCache
    key_sources: KeySourceCache
    telemetry: "Exporter | None" = None
    needs_restart: bool = False
    told: Callable[[CompiledPolicy], None] | None = None
    """Hears of each policy that a reload puts in force, at once."""

    @property
    def metrics(self) -> Metrics:
        """What the gateway counts."""
        return self.stores.metrics

    @property
    def clock(self) -> Clock:
        """What the gateway takes the time from."""
        return self.stores.clock

    async def reload(self) -> str:
        """Put the policy on disk in force and return its hash; an invalid one raises and changes nothing."""
        before = dict(self.upstreams)
        try:
            policy = await asyncio.to_thread(read_policy, self.settings)
            residency = build_residency(policy, self.settings)
            known = self.gateway.active.surrogate_hash
            active = build_active(policy, self.upstreams, known, residency)
            active, retired = identified(active, self.key_sources, self.metrics)
        except KeepstoneError as error:
            self.metrics.reloads.labels("refused").inc()
            await self.record("policy.refused", {"file": str(self.settings.policy), "code": error.code})
            raise
        self.needs_restart = policy.record != self.durability
        envelope = self.gateway.active.policy.document.retention.envelope
        self.gateway.active = active
        if self.told is not None:
            self.told(policy)
        if policy.document.retention.envelope != envelope:
            await self.keeper.open_anew()
        self.stores.keys.stale_for(policy.stale_for_ns)
        self.gateway.cache = build_cache(policy, self.gateway.cache, self.metrics, self.clock)
        for name, (_, upstream) in before.items():
            if active.upstreams.get(name) is not upstream:
                await upstream.close()
        for source in retired:
            await source.close()
        self.metrics.reloads.labels("loaded").inc()
        await self.record("policy.loaded", {"file": str(self.settings.policy)})
        return policy.hash

    async def record(self, event: str, detail: dict[str, str]) -> None:
        """Record something about the gateway itself."""
        policy = self.gateway.active.policy
        await self.recorder.event(event, detail, wall_ns=self.clock.wall_ns(), policy=policy.hash)

    async def record_start(self) -> None:
        """Record that the gateway serves from now on, and what was mended before."""
        detail = {"version": __version__, "durability": self.durability.durability.value}
        if self.settings.workers > 1:
            detail |= {"shard": self.settings.shard, "workers": str(self.settings.workers)}
        if self.ledger.repaired:
            detail["repaired"] = self.ledger.repaired
        await self.record("gateway.started", detail)

    @property
    def recorder_summary(self) -> str:
        """Say where the record is and when an answer may leave."""
        durability = self.durability.durability.value
        return f"{durability} in `{self.ledger.directory}`, {self.ledger.size} entries"

    async def prune(self) -> int:
        """Remove what is older than the policy's retention; return how many records and sealed parts went."""
        if self.settings.worker:  # the first one does it for all: not every shard has a writer at all times
            return 0
        bounds = self.gateway.active.policy.retention
        now = datetime.fromtimestamp(self.clock.wall_ns() / 1e9, UTC)
        days = (bounds.ledger_days, bounds.content_days)
        key = await asyncio.to_thread(LedgerKey.load, self.settings.keys)
        removed = await asyncio.to_thread(remove_old, self.settings.ledger, key, now, days)
        if removed.records or removed.parts:
            await self.record("ledger.pruned", removed.detail)
        return removed.records + removed.parts

    async def take_notices(self) -> None:
        """Record what commands have done, finishing what they had no time to; forget destroyed keys."""
        await self.keeper.forget_destroyed()
        if self.settings.worker:
            return
        with taking(self.settings.ledger) as notices:
            for path, notice in notices:
                await asyncio.to_thread(fulfil, notice, self.settings.subjects)
                await self.record(notice.event, notice.detail)
                await asyncio.to_thread(done, path)

    async def speak_outside(self) -> None:
        """Keep the ledger's copy and anchors up to date where the policy has them, until cancelled."""
        await self.outside.run(lambda: self.ledger.size)

    async def close(self) -> None:
        """Record the end, then close the ledger, the upstreams and the database."""
        try:
            await self.record("gateway.stopped", {"version": __version__})
        finally:
            await self.keeper.close()
            await asyncio.to_thread(self.ledger.close)
            await self.outside.close()
            for _, upstream in self.upstreams.values():
                await upstream.close()
            for source in self.key_sources.values():
                await source.close()
            if self.stores.shared is not None:
                await self.stores.shared.close()
            self.stores.keys.close()
            if self.telemetry is not None:
                await asyncio.to_thread(self.telemetry.close)


async def open_service(settings: Settings, policy: CompiledPolicy) -> Service:
    """Open everything that a gateway needs; must run in the event loop that will serve."""
    clock, metrics = SystemClock(), Metrics()
    installation = LedgerKey.load_or_create(settings.keys)
    key = installation.of_shard(settings.shard)
    upstreams: UpstreamCache = {}
    key_sources: KeySourceCache = {}
    surrogate_hash = KeyedHash(key.derive("surrogates"))
    active = build_active(policy, upstreams, surrogate_hash, build_residency(policy, settings))
    active, _ = identified(active, key_sources, metrics)
    recorder, ledger = _open_record(settings, key, policy.record, metrics)

    database = open_database(settings.database)
    keys = KeyRing(database, AccessKeySecrets(settings.keys), lambda what: metrics.store(what).inc())
    keys.stale_for(policy.stale_for_ns)
    budget, shared = await open_limits(settings, policy, metrics, clock)
    alerts = AlertLog(recorder, metrics, clock)
    stores = Stores(keys, budget, metrics, clock, shared, (alerts,))

    def vault() -> Vault:
        return open_vault(settings, installation, gateway.active.policy.document.retention.envelope)

    keeper = Keeper(vault, metrics, installation.subject)
    gateway = Gateway(active, stores, recorder, keeper)
    gateway.telemetry = telemetry = build_telemetry(settings, metrics)
    gateway.cache = build_cache(policy, None, metrics, clock)

    places = Places(settings, installation, policy.record, metrics)
    machines = Machines(database) if settings.database_url else None
    outside = _speakers(places, gateway, machines, ledger)
    service = Service(
        settings,
        gateway,
        stores,
        recorder,
        ledger,
        policy.record,
        keeper,
        outside,
        upstreams,
        key_sources,
        telemetry,
    )
    sealer = Sealer(lambda: load_or_create(settings.keys / "sessions.key"))
    gateway.sessions = SessionPages(sealer, EndedSessions(database), service.record, time.time)
    await service.record_start()
    return service


def _open_record(
    settings: Settings, key: LedgerKey, bounds: RecordBounds, metrics: Metrics
) -> tuple[Recorder, Ledger]:
    """Open the log of this process, with what waits for its records to be durable."""
    recorder = Recorder(key.commit, metrics)
    window_ms = bounds.window_ns / 1e6 if bounds.durability is Durability.BOUNDED else 0.0
    folder = shard_folder(settings.ledger, settings.shard)
    loop = asyncio.get_running_loop()
    ledger = Ledger.open(folder, key, notify=recorder.notify, window_ms=window_ms, loop=loop)
    recorder.attach(ledger)
    metrics.ledger_size.set_function(lambda: ledger.size)
    return recorder, ledger


def _speakers(places: Places, gateway: Gateway, machines: Machines | None, ledger: Ledger) -> Outside:
    """Return what this process tells outside: the first worker speaks for all, each obeys the copy's gate."""
    gate = places.copy_gate(gateway)
    if places.settings.worker:
        return Outside(copy_gate=gate)
    lone = ledger if places.settings.workers == 1 else None
    roll_call = places.roll_call(machines, lone) if machines is not None else None
    return Outside(places.copier(), gate, places.anchoring(), roll_call)


def open_vault(settings: Settings, key: LedgerKey, envelope: KmsEnvelope | None = None) -> Vault:
    """Open the store of kept content with its keys, wrapped by the KMS key if there is one."""
    service = KmsKey(envelope, key.name) if envelope else None
    keys = SubjectKeys(
        settings.subjects,
        Envelopes(settings.keys, lambda: service),
        age_s=seconds(envelope.cache) if envelope else math.inf,
    )
    return Vault(settings.ledger, key.name, keys)


def build_telemetry(settings: Settings, metrics: Metrics) -> "Exporter | None":
    """Return the exporter if a collector is named; without one nothing of OpenTelemetry is imported."""
    if not settings.telemetry:
        return None
    try:
        from keepstone.gateway.telemetry.export import Exporter, share_of  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError:
        LOG.warning("a collector is named, but what speaks to it is missing: pip install 'keepstone[otel]'")
        return None
    return Exporter(lambda outcome, count: metrics.spans(outcome).inc(count), share=share_of())


def build_cache(
    policy: CompiledPolicy, before: ResponseCache | None, metrics: Metrics, clock: Clock
) -> ResponseCache | None:
    """Return the cache that the policy asks for; one whose section is unchanged keeps its answers."""
    config = policy.document.cache
    if config is None or (before is not None and before.config == config):
        return before if config else None
    return ResponseCache(config, metrics, clock.monotonic_ns)
