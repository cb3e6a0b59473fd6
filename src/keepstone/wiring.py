"""The composition root: settings and a policy in, a gateway ready to serve out."""

import asyncio
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

from keepstone import __version__
from keepstone.aws.bedrock import BearerToken, BedrockRuntime, SigV4, endpoint
from keepstone.aws.credentials import Role, Source, assumed, chain
from keepstone.aws.inference_profiles import ControlPlane, InferenceProfiles
from keepstone.aws.kms import KmsKey
from keepstone.aws.model_lists import ModelLists
from keepstone.aws.places import open_anchor, open_bucket
from keepstone.core.clock import Clock, SystemClock
from keepstone.core.errors import KeepstoneError, PolicyError, UpstreamError, UsageError
from keepstone.core.keyed_hash import KeyedHash
from keepstone.core.settings import Settings
from keepstone.gateway.active import Active
from keepstone.gateway.alerts import AlertLog
from keepstone.gateway.anchoring import Anchoring
from keepstone.gateway.app import Gateway
from keepstone.gateway.cache.cache import ResponseCache
from keepstone.gateway.consents import ConsentFile
from keepstone.gateway.copying import Copier, CopyGate
from keepstone.gateway.identify.callers import Callers
from keepstone.gateway.identify.certificate import CertificateRules
from keepstone.gateway.identify.code_flow import SignIn
from keepstone.gateway.identify.forwarded import Forwarding
from keepstone.gateway.identify.key_source import KeySource
from keepstone.gateway.identify.session_pages import SessionPages
from keepstone.gateway.identify.sessions import Sealer
from keepstone.gateway.identify.sigv4 import SigV4Verifier
from keepstone.gateway.identify.tokens import TokenVerifier
from keepstone.gateway.keeping import Keeper
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.ports import SharedRates, Upstream
from keepstone.gateway.profiles import ProfileDestinations
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.recorder import Recorder
from keepstone.gateway.refill import refill
from keepstone.gateway.rehearsal import Rehearsal, ShippedProfiles
from keepstone.gateway.residency import ResidencyGuard
from keepstone.gateway.roll_call import RollCall, Words
from keepstone.gateway.stages import Stores
from keepstone.gateway.upstreams.dev import DevelopmentModel
from keepstone.gateway.upstreams.http import Origin
from keepstone.gateway.upstreams.openai import OpenAIServer
from keepstone.guard.compile import compile_guardrail
from keepstone.guard.guardrail import Guardrail
from keepstone.ledger.envelopes import Envelopes
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.note import Verifier
from keepstone.ledger.notices import done, fulfil, taking
from keepstone.ledger.outside.replicate import LedgerCopy
from keepstone.ledger.retention import remove_old
from keepstone.ledger.subject_keys import SubjectKeys
from keepstone.ledger.vault import Vault
from keepstone.ledger.view import shard_folder
from keepstone.ledger.writer import Ledger
from keepstone.policy.compile import CompiledPolicy, RecordBounds, compile_policy
from keepstone.policy.detected import with_detection
from keepstone.policy.duration import seconds
from keepstone.policy.load import load
from keepstone.policy.schema import upstreams as schema
from keepstone.policy.schema.callers import ConsoleLogin
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.record import Durability, KmsEnvelope, S3Store
from keepstone.store.access_keys import AccessKeySecrets, load_or_create
from keepstone.store.engine import open_database
from keepstone.store.keys import KeyRing
from keepstone.store.machines import Machines
from keepstone.store.sessions import EndedSessions

if TYPE_CHECKING:
    from keepstone.gateway.telemetry.export import Exporter

LOG = logging.getLogger("keepstone")
COPIED = "copied.json"
UpstreamCache = dict[str, tuple[schema.Upstream, Upstream]]
KeySourceCache = dict[str, KeySource]


@dataclass(slots=True)
class Service:
    """An open gateway with all that it holds; `close` gives everything back in order."""

    settings: Settings
    gateway: Gateway
    recorder: Recorder
    metrics: Metrics
    ledger: Ledger
    key: LedgerKey
    keys: KeyRing
    upstreams: UpstreamCache
    clock: SystemClock
    durability: RecordBounds
    keeper: Keeper
    key_sources: KeySourceCache
    shared: SharedRates | None = None
    telemetry: "Exporter | None" = None
    copier: Copier | None = None
    copy_gate: CopyGate | None = None
    anchoring: Anchoring | None = None
    roll_call: RollCall | None = None
    needs_restart: bool = False

    async def reload(self) -> str:
        """Put the policy on disk in force and return its hash; an invalid one raises and changes nothing."""
        try:
            policy = await asyncio.to_thread(read_policy, self.settings)
            before = dict(self.upstreams)
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
        if policy.document.retention.envelope != envelope:
            await self.keeper.open_anew()
        self.keys.stale_for(policy.stale_for_ns)
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
        tasks = []
        if self.copy_gate is not None:
            tasks.append(self.copy_gate.run(lambda: self.ledger.size))
        if self.copier is not None:
            tasks.append(self.copier.run())
        if self.anchoring is not None:
            tasks.append(self.anchoring.run())
        if self.roll_call is not None:
            tasks.append(self.roll_call.run())
        await asyncio.gather(*tasks)

    async def close(self) -> None:
        """Record the end, then close the ledger, the upstreams and the database."""
        try:
            await self.record("gateway.stopped", {"version": __version__})
        finally:
            await self.keeper.close()
            await asyncio.to_thread(self.ledger.close)
            if self.copier is not None:
                await self.copier.close()
            if self.anchoring is not None:
                await self.anchoring.close()
            if self.roll_call is not None:
                await self.roll_call.close()
            for _, upstream in self.upstreams.values():
                await upstream.close()
            for source in self.key_sources.values():
                await source.close()
            if self.shared is not None:
                await self.shared.close()
            self.keys.close()
            if self.telemetry is not None:
                await asyncio.to_thread(self.telemetry.close)


def open_vault(settings: Settings, key: LedgerKey, envelope: KmsEnvelope | None = None) -> Vault:
    """Open the store of kept content with its keys, wrapped by the KMS key if there is one."""
    service = KmsKey(envelope, key.name) if envelope else None
    keys = SubjectKeys(
        settings.subjects,
        Envelopes(settings.keys, lambda: service),
        age_s=seconds(envelope.cache) if envelope else math.inf,
    )
    return Vault(settings.ledger, key.name, keys)


def read_policy(settings: Settings) -> CompiledPolicy:
    """Load and compile the policy that the settings name."""
    return compile_policy(load(settings.policy, settings.environment))


async def open_service(settings: Settings, policy: CompiledPolicy) -> Service:
    """Open everything that a gateway needs; must run in the event loop that will serve."""
    clock, metrics = SystemClock(), Metrics()
    upstreams: UpstreamCache = {}
    whole = LedgerKey.load_or_create(settings.keys)
    key = whole.of_shard(settings.shard)
    log = shard_folder(settings.ledger, settings.shard)
    residency = build_residency(policy, settings)
    active = build_active(policy, upstreams, KeyedHash(key.derive("surrogates")), residency)
    key_sources: KeySourceCache = {}
    active, _ = identified(active, key_sources, metrics)
    recorder = Recorder(key.commit, metrics)
    bounds = policy.record
    window_ms = bounds.window_ns / 1e6 if bounds.durability is Durability.BOUNDED else 0.0
    loop = asyncio.get_running_loop()
    ledger = Ledger.open(log, key, notify=recorder.notify, window_ms=window_ms, loop=loop)
    recorder.attach(ledger)
    metrics.ledger_size.set_function(lambda: ledger.size)
    access_keys = AccessKeySecrets(settings.keys)
    database = open_database(settings.database)
    keys = KeyRing(database, access_keys, lambda what: metrics.store(what).inc())
    keys.stale_for(policy.stale_for_ns)
    budget = Budget(clock.wall_ns() - clock.monotonic_ns())
    if not settings.rates:
        await refill_limits(settings, policy, budget, metrics, clock)
    alerts = AlertLog(recorder, metrics, clock)
    shared = await open_shared_rates(settings, policy, metrics, clock)
    stores = Stores(keys, budget, metrics, clock, shared, (alerts,))
    keeper = Keeper(
        lambda: open_vault(settings, whole, gateway.active.policy.document.retention.envelope),
        metrics,
        whole.subject,
    )
    gateway = Gateway(active, stores, recorder, keeper)
    gateway.telemetry = telemetry = build_telemetry(settings, metrics)
    sealer = Sealer(lambda: load_or_create(settings.keys / "sessions.key"))
    service = Service(
        settings,
        gateway,
        recorder,
        metrics,
        ledger,
        key,
        keys,
        upstreams,
        clock,
        bounds,
        keeper,
        key_sources,
        shared,
        telemetry,
    )
    if bounds.anchors and not settings.worker:
        anchors = [open_anchor(each) for each in bounds.anchors]
        verifier = Verifier.parse(whole.verifier)
        service.anchoring = Anchoring(settings.ledger, verifier, anchors, metrics, bounds.anchor_every_s)
    if bounds.store is not None:
        service.copier, service.copy_gate = build_copy(bounds.store, settings, whole, gateway, metrics)
    if settings.database_url and not settings.worker:
        lone = ledger if settings.workers == 1 else None
        service.roll_call = build_roll_call(settings, whole, Machines(database), bounds, lone, metrics)
    gateway.cache = build_cache(policy, None, metrics, clock)
    gateway.sessions = SessionPages(sealer, EndedSessions(database), service.record, time.time)
    detail = {"version": __version__, "durability": bounds.durability.value}
    if settings.workers > 1:
        detail |= {"shard": settings.shard, "workers": str(settings.workers)}
    if ledger.repaired:
        detail["repaired"] = ledger.repaired
    await service.record("gateway.started", detail)
    return service


def build_roll_call(
    settings: Settings,
    key: LedgerKey,
    table: Machines,
    bounds: RecordBounds,
    lone: Ledger | None,
    metrics: Metrics,
) -> RollCall:
    """Return what tells other machines of this one's ledger; of several workers, the view on disk speaks."""
    copy = open_bucket(bounds.store).where if bounds.store is not None else ""
    words = Words(settings.ledger, key, copy, delayed=bounds.window_ns > 0)
    return RollCall(table, lambda: words.say(lone), metrics)


async def say_last(settings: Settings) -> None:
    """Copy, anchor and report what several workers have published at their very end, and the view of it."""
    bounds, metrics = (await asyncio.to_thread(read_policy, settings)).record, Metrics()
    key = LedgerKey.load(settings.keys)
    verifier = Verifier.parse(key.verifier)
    if bounds.store is not None:
        copy = LedgerCopy(settings.ledger, verifier, open_bucket(bounds.store))
        await Copier(copy, metrics, seconds(bounds.store.interval), settings.home / COPIED).close()
    if bounds.anchors:
        anchors = [open_anchor(each) for each in bounds.anchors]
        await Anchoring(settings.ledger, verifier, anchors, metrics, bounds.anchor_every_s).close()
    if settings.database_url:
        table = Machines(await asyncio.to_thread(open_database, settings.database_url))
        await build_roll_call(settings, key, table, bounds, None, metrics).close()


def build_copy(
    store: S3Store, settings: Settings, key: LedgerKey, gateway: Gateway, metrics: Metrics
) -> tuple[Copier | None, CopyGate | None]:
    """Return what copies the ledger, in the first worker only, and what refuses calls if wanted."""
    objects = open_bucket(store)
    state, copier, gate = settings.home / COPIED, None, None
    if not settings.worker:
        copy = LedgerCopy(settings.ledger, Verifier.parse(key.verifier), objects)
        copier = Copier(copy, metrics, seconds(store.interval), state)
    if store.when_behind == "refuse":
        gate = CopyGate(gateway, settings.shard, store.most_behind, objects.where, state)
    return copier, gate


def build_cache(
    policy: CompiledPolicy, before: ResponseCache | None, metrics: Metrics, clock: SystemClock
) -> ResponseCache | None:
    """Return the cache that the policy asks for; one whose section is unchanged keeps its answers."""
    config = policy.document.cache
    if config is None or (before is not None and before.config == config):
        return before if config else None
    return ResponseCache(config, metrics, clock.monotonic_ns)


async def refill_limits(
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


async def open_shared_rates(
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


def build_active(
    policy: CompiledPolicy,
    cache: UpstreamCache,
    surrogate_hash: KeyedHash,
    residency: ResidencyGuard | None = None,
) -> Active:
    """Compile the guardrails and open the upstreams; one whose configuration is unchanged keeps its pool."""
    document = policy.document
    guardrails = compile_guardrails(document)
    fresh: UpstreamCache = {}
    for name, config in document.upstreams.items():
        known = cache.get(name)
        fresh[name] = known if known and known[0] == config else (config, build_upstream(name, config))
    cache.clear()
    cache.update(fresh)
    upstreams = {name: upstream for name, (_, upstream) in fresh.items()}
    offers = {
        name: ModelLists(name, control_plane(name, config))
        for name, config in document.upstreams.items()
        if isinstance(config, schema.BedrockUpstream)
        and (config.control_endpoint_url or not config.endpoint_url)
    }
    return Active(
        policy,
        MappingProxyType(guardrails),
        MappingProxyType(upstreams),
        surrogate_hash,
        residency,
        MappingProxyType(offers),
    )


def build_residency(policy: CompiledPolicy, settings: Settings) -> ResidencyGuard | None:
    """Return what narrows routes, `None` for a policy without rules on residency."""
    rules = policy.residency
    if rules is None:
        return None
    planes = {
        name: control_plane(name, config)
        for name, config in policy.document.upstreams.items()
        if isinstance(config, schema.BedrockUpstream)
    }
    profiles = ProfileDestinations(
        settings.profiles,
        InferenceProfiles(planes).read,
        {name: plane.address for name, plane in planes.items()},
        max_age_ns=rules.max_age_ns,
        shipped_table=rules.shipped_table,
    )
    register = ConsentFile(Path(rules.consent.register)) if rules.consent else None
    guard = ResidencyGuard(rules, profiles, register)
    guard.expect(policy.routes)
    return guard


def control_plane(name: str, config: schema.BedrockUpstream) -> ControlPlane:
    """Return how Bedrock's control plane is reached for an upstream: with the upstream's own credentials."""
    role = config.assume_role
    return ControlPlane(
        config.region,
        _credentials(config),
        (role.arn if role else config.profile) or "default",
        config.control_endpoint_url,
        config.ca_bundle,
        config.fips,
        secret(config.bearer_token, name) if config.bearer_token else None,
    )


def compile_guardrails(document: Policy) -> dict[str, Guardrail]:
    """Compile the policy's guardrails, each with what `data.detected` has to be told of."""
    return {
        name: compile_guardrail(name, with_detection(config, document.data))
        for name, config in document.guardrails.items()
    }


def identified(active: Active, cache: KeySourceCache, metrics: Metrics) -> tuple[Active, list[KeySource]]:
    """Add who may call, and return the key sources that are not needed any more.

    A provider whose entry is unchanged keeps its keys; what was verified by them is judged anew.
    """
    identities = active.policy.document.identities
    fresh: KeySourceCache = {}
    for name, config in identities.oidc.items():
        known = cache.get(name)
        same = known is not None and known.config == config
        fresh[name] = known if known and same else KeySource(name, config, metrics, SystemClock.monotonic_ns)
        fresh[name].start()
    retired = [source for name, source in cache.items() if fresh.get(name) is not source]
    cache.clear()
    cache.update(fresh)
    verifiers = {name: TokenVerifier(name, source.config, source) for name, source in fresh.items()}
    callers = Callers(
        {verifier.source.config.issuer: verifier for verifier in verifiers.values()},
        SigV4Verifier(identities.sigv4) if identities.sigv4 else None,
        CertificateRules(identities.mtls) if identities.mtls else None,
        Forwarding(identities.mtls.forwarded) if identities.mtls and identities.mtls.forwarded else None,
    )
    sign_in = _sign_in(identities.console, verifiers) if identities.console else None
    taken = bool(identities.oidc or identities.sigv4 or identities.mtls)
    return replace(active, callers=callers if taken else None, sign_in=sign_in), retired


def _sign_in(console: ConsoleLogin, verifiers: Mapping[str, TokenVerifier]) -> SignIn:
    verifier = verifiers[console.provider]
    read = secret(console.client_secret, "of sign-in") if console.client_secret else None
    return SignIn(console, verifier.source.config, verifier, read)


def rehearsal(policy: CompiledPolicy) -> Rehearsal:
    """Return what decides cases under a policy: its guardrails are compiled, no upstream is opened."""
    guardrails = MappingProxyType(compile_guardrails(policy.document))
    rules = policy.residency
    residency = ResidencyGuard(rules, ShippedProfiles(), None) if rules else None
    return Rehearsal(Active(policy, guardrails, MappingProxyType({}), KeyedHash(b"rehearsal"), residency))


def build_upstream(name: str, config: schema.Upstream) -> Upstream:
    """Return the adapter of one upstream; raise `PolicyError` for a secret that is not where it should be."""
    match config:
        case schema.BedrockUpstream():
            url = endpoint(config.region, config.endpoint_url, fips=config.fips)
            origin = _origin(config, url, config.ca_bundle)
            token = config.bearer_token
            authorizer = (
                BearerToken(secret(token, name)) if token else SigV4(config.region, _credentials(config))
            )
            return BedrockRuntime(name, config.attempts, origin, authorizer)
        case schema.OpenAIUpstream():
            origin = _origin(config, config.base_url, config.ca_bundle)
            api_key = secret(config.api_key, name) if config.api_key else None
            return OpenAIServer(name, config.attempts, origin, api_key)
        case schema.DevUpstream():
            delay = seconds(config.delay)
            return DevelopmentModel(name, config.attempts, config.behaviour, config.script, delay)
        case _:
            assert_never(config)


def _credentials(config: schema.BedrockUpstream) -> Source:
    if config.assume_role is None:
        return chain(config.profile)
    role = config.assume_role
    duration = int(seconds(role.duration))
    assumable = Role(
        role.arn, role.session_name, duration, role.external_id, role.tags, role.sts_endpoint_url
    )
    return assumed(assumable, config.region, config.profile)


def secret(
    reference: schema.SecretRef, upstream: str, environ: Mapping[str, str] = os.environ
) -> Callable[[], str]:
    """Return how to read a secret; it is read once now, so that a missing one is told at start.

    Raises `PolicyError` now; what is returned raises `UpstreamError` when the secret has gone since.
    """

    def read() -> str:
        try:
            return _read_secret(reference, upstream, environ)
        except PolicyError as error:  # it was there at the start: now it is the upstream that fails
            raise UpstreamError(error.message, code="upstream.credentials") from error

    _read_secret(reference, upstream, environ)
    return read


def _read_secret(reference: schema.SecretRef, upstream: str, environ: Mapping[str, str]) -> str:
    if reference.file is None:
        found = environ.get(reference.env or "", "").strip()
        if not found:
            raise PolicyError(f"upstream `{upstream}`: environment variable `{reference.env}` is not set")
        return found
    try:
        found = Path(reference.file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"upstream `{upstream}`: cannot read the secret in `{reference.file}`"
        raise PolicyError(message) from error
    if not found:
        raise PolicyError(f"upstream `{upstream}`: cannot read the secret in `{reference.file}`: it is empty")
    return found


def _origin(config: schema.BedrockUpstream | schema.OpenAIUpstream, url: str, ca_bundle: str) -> Origin:
    return Origin(
        url,
        connect_timeout=seconds(config.connect_timeout),
        timeout=seconds(config.timeout),
        max_connections=config.max_connections,
        ca_bundle=ca_bundle,
    )
