"""The loaded document as immutable values that the request path only compares.

`compile_policy` splits every pattern, parses every duration and indexes every rule once. The compiled policy
answers the same question always the same way; its memos are bounded and hold answers only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, TypeVar

from msgspec import structs

from keepstone.core.decision import Decision
from keepstone.core.exchange import ClassSource, DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.policy.admission import Admission, Admitted
from keepstone.policy.detected import DetectedClasses, compile_classes
from keepstone.policy.duration import parse_duration, seconds
from keepstone.policy.limits import LimitRule, compile_limit
from keepstone.policy.load import LoadedPolicy, PolicyFiles
from keepstone.policy.model_ids import Glob, names_of
from keepstone.policy.prices import PriceBook
from keepstone.policy.residency.rules import ResidencyRules, compile_residency
from keepstone.policy.routing import route_rules
from keepstone.policy.rules import CallFacts, ModelRoute, Place, Trial, compile_roles
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.limits import Rates
from keepstone.policy.schema.record import Anchor, Content, Durability, Retention, S3Anchor, S3Store
from keepstone.policy.schema.upstreams import Model
from keepstone.policy.step_up import StepUpRule, compile_step_up
from keepstone.policy.times import WindowClock
from keepstone.policy.transforms import TransformRule, compile_transforms
from keepstone.policy.unpriced import price_book

MEMO_SIZE = 4096
ESTIMATED_BYTES_PER_TOKEN = 4  # a usual estimate for English; the upstream's own count replaces it

_K = TypeVar("_K")
_V = TypeVar("_V")
_B = TypeVar("_B", S3Store, S3Anchor)


@dataclass(frozen=True, slots=True)
class RateBounds:
    """What a call reserves, and what happens when it cannot be counted or priced."""

    when_unavailable: Literal["refuse", "local", "allow"]
    local_share: int
    timeout_s: float
    bytes_per_token: int
    assume_output: int
    allow_unpriced: bool
    refill_at_most: int = 0


@dataclass(frozen=True, slots=True)
class RetentionBounds:
    """How long things are kept, in days and nanoseconds."""

    ledger_days: int
    ledger_ns: int
    content_days: int


@dataclass(frozen=True, slots=True)
class ContentRule:
    """Content is kept: whose it is, and whether a call may go on when it cannot be.

    `header` is in lower case and empty unless the subject stands in one, `metadata` likewise a key.
    """

    header: bytes
    metadata: str
    tenant: bool
    or_principal: bool
    may_fail: bool


@dataclass(frozen=True, slots=True)
class RecordBounds:
    """When an answer may leave, the most that a crash may lose, and what lies outside (days filled in)."""

    durability: Durability
    window_ns: int
    store: S3Store | None
    anchors: tuple[Anchor, ...]
    anchor_every_s: float


@dataclass(frozen=True, slots=True)
class GatewayBounds:
    """What the gateway accepts at most."""

    max_request_bytes: int
    max_in_flight: int
    body_timeout_s: float


@dataclass(frozen=True, slots=True)
class KeyBounds:
    """How long an API key lives when nothing is said, and at most."""

    default_lifetime_ns: int
    max_lifetime_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class CompiledPolicy:
    """The policy in force: immutable, hashed, pure."""

    hash: str
    files: PolicyFiles
    document: Policy
    limits: tuple[LimitRule, ...]
    prices: PriceBook
    rates: RateBounds
    transforms: tuple[TransformRule, ...]
    retention: RetentionBounds
    record: RecordBounds
    stale_for_ns: int
    content: ContentRule | None
    gateway: GatewayBounds
    keys: KeyBounds
    default_class: DataClass
    routes: tuple[ModelRoute, ...]
    admission: Admission
    purposes: frozenset[str]
    detected: DetectedClasses
    residency: ResidencyRules | None
    _clock: WindowClock | None
    step_up: tuple[StepUpRule, ...]
    _exact: Mapping[str, ModelRoute]
    _patterns: tuple[ModelRoute, ...]
    _models: dict[str, ModelRoute] = field(default_factory=dict)
    _decisions: dict[object, Admitted] = field(default_factory=dict)
    _limits: dict[object, tuple[LimitRule, ...]] = field(default_factory=dict)
    _transforms: dict[object, tuple[TransformRule, ...]] = field(default_factory=dict)

    def model(self, model_id: str) -> ModelRoute | None:
        """Return the entry for an id: an exact one first, then the first pattern that fits."""
        found = self._models.get(model_id)
        if found is None:
            found = self._find(model_id)
            if found is not None:
                _remember(self._models, model_id, found)
        return found

    def admit(self, facts: CallFacts) -> Decision:
        """Decide whether the call may be made; the same facts always give the same decision."""
        return self.admission_of(facts).decision

    def admission_of(self, facts: CallFacts) -> Admitted:
        """Decide whether the call may be made, and to which upstreams it may go.

        Time counts by which windows are open, so that the memo stays small and right.
        """
        principal = facts.principal
        key: tuple[object, ...] = (
            principal.roles,
            facts.model_id,
            facts.operation,
            facts.data_class,
            principal.models,
            principal.operations,
            facts.purpose,
        )
        if self._clock is not None:
            key = (*key, self._clock.state(facts.wall_ns))
        admitted = self._decisions.get(key)
        if admitted is None:
            admitted = self.admission.decide(facts, self.model(facts.model_id))
            _remember(self._decisions, key, admitted)
        return admitted

    def limits_of(self, principal: Principal, model_id: str) -> tuple[LimitRule, ...]:
        """Return the limits that a call counts against, in the document's order."""
        key = (principal.roles, model_id)
        found = self._limits.get(key)
        if found is None:
            found = tuple(each for each in self.limits if each.counts(principal.roles, model_id))
            _remember(self._limits, key, found)
        return found

    def transforms_of(
        self, principal: Principal, model_id: str, operation: Operation
    ) -> tuple[TransformRule, ...]:
        """Return the changes that a call's request and answer go through, in the document's order."""
        key = (principal.roles, model_id, operation)
        found = self._transforms.get(key)
        if found is None:
            found = tuple(
                each for each in self.transforms if each.applies(principal.roles, model_id, operation)
            )
            _remember(self._transforms, key, found)
        return found

    def classify(self, principal: Principal, header_value: str | None) -> tuple[DataClass, ClassSource]:
        """Return the class of a call before its content is seen, and what it comes from.

        It is what the call states or the default, and at least the caller's own. Raises `ValueError` for a
        label that is not a class.
        """
        if header_value is None:
            stated, source = self.default_class, ClassSource.DEFAULT
        else:
            stated, source = DataClass.parse(header_value.strip()), ClassSource.HEADER
        if principal.data_class > stated:
            return principal.data_class, ClassSource.PRINCIPAL
        return stated, source

    def effective_class(self, principal: Principal, header_value: str | None) -> DataClass:
        """Return the class of `classify` alone."""
        return self.classify(principal, header_value)[0]

    def _find(self, model_id: str) -> ModelRoute | None:
        names = names_of(model_id)
        for name in names:
            if name in self._exact:
                return self._exact[name]
        return next((each for each in self._patterns if each.glob.matches_any(names)), None)


def _remember(memo: dict[_K, _V], key: _K, value: _V) -> None:
    """Keep an answer; a full memo starts anew, so that no caller can make it grow."""
    if len(memo) >= MEMO_SIZE:
        memo.clear()
    memo[key] = value


def compile_policy(loaded: LoadedPolicy) -> CompiledPolicy:
    """Return the policy in force for a loaded document."""
    document = loaded.document
    admission = _admission(document)
    routes = _routes(document)
    lifetime = document.identities.keys
    return CompiledPolicy(
        hash=loaded.hash,
        files=loaded.files,
        document=document,
        limits=tuple(compile_limit(each, number) for number, each in enumerate(document.limits)),
        prices=price_book(document),
        rates=_rates(document.rates),
        transforms=compile_transforms(document.transforms),
        retention=RetentionBounds(
            document.retention.ledger_days,
            document.retention.ledger_days * parse_duration("1d"),
            document.retention.content_days,
        ),
        record=_record(document),
        stale_for_ns=parse_duration(document.store.stale_for),
        content=_content(document.retention),
        gateway=GatewayBounds(
            document.gateway.max_request_bytes,
            document.gateway.max_in_flight,
            seconds(document.gateway.body_timeout),
        ),
        keys=KeyBounds(parse_duration(lifetime.default_lifetime), parse_duration(lifetime.max_lifetime)),
        default_class=DataClass.parse(document.data.default_class),
        routes=routes,
        admission=admission,
        purposes=frozenset(document.purposes),
        detected=compile_classes(document.data),
        _clock=WindowClock(admission.windows) if admission.windows else None,
        step_up=compile_step_up(document.identities.step_up),
        residency=compile_residency(document),
        _exact=MappingProxyType({each.id: each for each in routes if not each.is_pattern}),
        _patterns=tuple(each for each in routes if each.is_pattern),
    )


def _routes(document: Policy) -> tuple[ModelRoute, ...]:
    routes = []
    for number, model in enumerate(document.models):
        route = ModelRoute(
            id=model.id,
            upstreams=model.upstreams,
            max_data_class=DataClass.parse(model.max_data_class),
            guardrail=model.guardrail,
            upstream_ids=MappingProxyType(dict(model.upstream_ids)),
            path=f"models[{number}]",
            glob=Glob(model.id),
            rules=route_rules(model, document.gateway),
            places=tuple(_place(document, each) for each in model.upstreams),
        )
        routes.append(
            replace(route, canary=_canary(document, model, route), shadow=_shadow(document, model, route))
        )
    return tuple(routes)


def _canary(document: Policy, model: Model, route: ModelRoute) -> Trial | None:
    config = model.canary
    if config is None:
        return None
    names = model.upstreams if config.upstream is None else (config.upstream,)
    return Trial(_beside(document, route, "canary", names, config.upstream_id), config.percent)


def _shadow(document: Policy, model: Model, route: ModelRoute) -> Trial | None:
    config = model.shadow
    if config is None:
        return None
    beside = _beside(document, route, "shadow", (config.upstream,), config.upstream_id)
    return Trial(beside, config.percent, config.max_concurrent)


def _beside(
    document: Policy, route: ModelRoute, kind: str, names: tuple[str, ...], model_id: str
) -> ModelRoute:
    """Return the route of a trial: bounded as the model's own, with other upstreams or another id there."""
    ids = dict.fromkeys(names, model_id) if model_id else route.upstream_ids
    return replace(
        route,
        id=f"{route.id} ({kind})",
        upstreams=names,
        upstream_ids=MappingProxyType(dict(ids)),
        path=f"{route.path}.{kind}",
        rules=replace(route.rules, quotas=None, hedge_after_s=None),
        places=tuple(_place(document, each) for each in names),
    )


def _record(document: Policy) -> RecordBounds:
    record, days = document.record, document.retention.ledger_days

    def filled(bucket: _B) -> _B:
        return structs.replace(bucket, lock_days=bucket.lock_days or days)

    return RecordBounds(
        record.durability,
        parse_duration(record.window),
        filled(record.store) if record.store is not None else None,
        tuple(filled(each) if isinstance(each, S3Anchor) else each for each in record.anchors),
        seconds(record.anchor_every),
    )


def _content(retention: Retention) -> ContentRule | None:
    if retention.content is Content.NONE:
        return None
    subject = retention.subject
    return ContentRule(
        header=subject.name.lower().encode() if subject.source == "header" else b"",
        metadata=subject.name if subject.source == "metadata" else "",
        tenant=subject.source == "tenant",
        or_principal=subject.source == "principal" or subject.missing == "principal",
        may_fail=retention.content_failure == "proceed",
    )


def _admission(document: Policy) -> Admission:
    return Admission(
        compile_roles(document.identities.roles),
        cleared_apart=any(each.max_data_class is not None for each in document.upstreams.values()),
        require_purpose=document.data.require_purpose,
    )


def _place(document: Policy, name: str) -> Place:
    upstream = document.upstreams[name]
    label = upstream.max_data_class
    return Place(name, upstream.region, None if label is None else DataClass.parse(label))


def _rates(rates: Rates) -> RateBounds:
    return RateBounds(
        when_unavailable=rates.when_unavailable,
        local_share=rates.local_share,
        timeout_s=seconds(rates.timeout),
        bytes_per_token=1 if rates.reserve == "worst" else ESTIMATED_BYTES_PER_TOKEN,
        assume_output=rates.assume_output,
        allow_unpriced=rates.unpriced == "allow",
        refill_at_most=rates.refill_at_most,
    )
