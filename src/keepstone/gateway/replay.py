"""Recorded calls against another policy: who would be admitted now and was not, and the other way round.

A record holds no text, no jurisdiction and no consent. So admission, classes of data, upstreams and limits
are decided anew, from what was found then; a guardrail or a rule on residency that differs cannot be, and
such a call is counted as one about which nothing can be told. Limits are counted from the first record that
is replayed, by the tokens that were used.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from msgspec import Struct

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import WITHOUT_MODEL, ClassSource, DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.rates.lines import Spent
from keepstone.ledger.record import ExchangeRecord
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.detected import with_detection
from keepstone.policy.rules import CallFacts

ADMISSION = frozenset(
    {
        ReasonCode.ROLE_UNKNOWN,
        ReasonCode.MODEL_UNKNOWN,
        ReasonCode.NO_RULE_ALLOWS,
        ReasonCode.DENIED_BY_RULE,
        ReasonCode.DATA_CLASS_TOO_HIGH,
        ReasonCode.PURPOSE_REQUIRED,
        ReasonCode.PURPOSE_UNKNOWN,
        ReasonCode.PURPOSE_NOT_ALLOWED,
        ReasonCode.REGION_NOT_ALLOWED,
        ReasonCode.OUTSIDE_HOURS,
    }
)
LIMITS = frozenset(
    {
        ReasonCode.REQUEST_LIMIT_SPENT,
        ReasonCode.TOKEN_LIMIT_SPENT,
        ReasonCode.COST_LIMIT_SPENT,
        ReasonCode.CONCURRENCY_LIMIT_SPENT,
    }
)
_BEFORE_SCOPE = frozenset({ReasonCode.ROLE_UNKNOWN, ReasonCode.MODEL_UNKNOWN})
_OPERATIONS = {each.value: each for each in Operation}
_PURPOSES = frozenset({ReasonCode.PURPOSE_REQUIRED, ReasonCode.PURPOSE_NOT_ALLOWED})
_PURPOSE_UNKNOWN = Decision.refuse(
    ReasonCode.PURPOSE_UNKNOWN, "the policy does not declare this purpose", "purposes"
)


class Effect(Struct, frozen=True):
    """What would be otherwise about a call, or why nobody can tell."""

    effect: str
    roles: tuple[str, ...]
    model: str
    operation: str
    data_class: str
    was: str
    becomes: str


@dataclass(slots=True)
class Replayed:
    """How many calls were looked at, and the groups that change, each with its count and one request id."""

    calls: int = 0
    unchanged: int = 0
    skipped: int = 0
    changed: dict[Effect, list[int | str]] = field(default_factory=dict)
    untold: dict[str, int] = field(default_factory=dict)

    def note(self, effect: Effect, identity: str) -> None:
        """Count a call that changes."""
        group = self.changed.setdefault(effect, [0, identity])
        group[0] = int(group[0]) + 1

    @property
    def changes(self) -> int:
        """Return how many calls change."""
        return sum(int(count) for count, _ in self.changed.values())

    @property
    def unknown(self) -> int:
        """Return of how many calls nobody can tell."""
        return sum(self.untold.values())


class Replay:
    """Decides records under `new`; `known` are the policies of then that are at hand, by their hashes."""

    def __init__(self, new: CompiledPolicy, known: Mapping[str, CompiledPolicy]) -> None:
        self._new = new
        self._known = known
        self._budget = Budget()
        self._now = 0
        self._guarded: dict[tuple[str, str], str] = {}
        self.result = Replayed()

    def feed(self, records: Iterable[ExchangeRecord]) -> Replayed:
        """Take records, the oldest first."""
        for record in records:
            if record.kind in ("exchange", "opened"):
                self._take(record)
        return self.result

    def _take(self, record: ExchangeRecord) -> None:
        result = self.result
        operation = _OPERATIONS.get(record.operation)
        if not record.principal.id or operation is None or not record.data_class:
            result.skipped += 1  # refused before anybody asked the policy
            return
        result.calls += 1
        wall_ns = _nanoseconds(record.time)
        self._now = max(self._now, wall_ns)
        principal = Principal(record.principal.id, record.principal.kind, record.principal.roles)
        model_id = "" if operation in WITHOUT_MODEL else record.model
        facts = [
            CallFacts(principal, operation, model_id, each, record.purpose, wall_ns)
            for each in self._classes(record)
        ]
        decisions = [self._decide(each) for each in facts]
        if len({each[0].allowed for each in decisions}) > 1:
            self._untold("the least class of the caller's key is not in the record")
        else:
            self._compare(record, facts[-1], *decisions[-1])

    def _classes(self, record: ExchangeRecord) -> tuple[DataClass, ...]:
        """Return the classes that the call may have under the new policy: mostly one.

        A call that stated none had the default of then, which hides how high its key's least class was.
        """
        base = DataClass.parse(record.stated_class or record.data_class)
        found = [each for each in record.findings if each.where == "input"]
        raised = self._new.detected.highest(found) if found else DataClass.PUBLIC
        if record.class_from != ClassSource.DEFAULT:
            return (max(base, raised),)
        default = self._new.default_class
        if default >= base:
            return (max(default, raised),)
        return tuple(sorted({max(default, raised), max(base, raised)}))

    def _decide(self, facts: CallFacts) -> tuple[Decision, tuple[str, ...]]:
        policy = self._new
        if facts.purpose and facts.purpose not in policy.purposes:
            if policy.purposes:
                return _PURPOSE_UNKNOWN, ()
            facts = CallFacts(
                facts.principal, facts.operation, facts.model_id, facts.data_class, "", facts.wall_ns
            )
        admitted = policy.admission_of(facts)
        return admitted.decision, admitted.upstreams

    def _compare(
        self, record: ExchangeRecord, facts: CallFacts, decision: Decision, upstreams: tuple[str, ...]
    ) -> None:
        was = record.reasons[0].code if record.outcome == "refuse" and record.reasons else ""
        code = decision.reason.code
        if not decision.allowed:
            if was == ReasonCode.OUT_OF_KEY_SCOPE or was in ADMISSION:
                self.result.unchanged += 1
            elif code in _PURPOSES and not record.purpose and not self._looked_at_purposes(record):
                self._untold("purposes were not recorded under the policy of then")
            else:
                self._changed("refused", record, facts, was or "admitted", code.value)
        elif was == ReasonCode.OUT_OF_KEY_SCOPE:
            self.result.unchanged += 1
        elif was in ADMISSION and was in _BEFORE_SCOPE and record.principal.key_id:
            self._untold("the scope of the caller's key is not in the record")
        elif was in ADMISSION:
            self._changed("admitted", record, facts, was, "admitted")
        else:
            self._compare_admitted(record, facts, was, upstreams)

    def _compare_admitted(
        self, record: ExchangeRecord, facts: CallFacts, was: str, upstreams: tuple[str, ...]
    ) -> None:
        """Compare a call that was admitted and is: its limits, its upstream, and what cannot be replayed."""
        known = self._known.get(record.policy)
        limited = was if known is not None and self._same_limits(known) else self._limited(record, facts)
        if limited and limited != was and was not in LIMITS:
            self._changed("refused", record, facts, was or "admitted", limited)
        elif was in LIMITS and not limited:
            self._changed("admitted", record, facts, was, "admitted")
        elif record.upstream.name and record.upstream.name not in upstreams:
            self._changed("rerouted", record, facts, record.upstream.name, ", ".join(upstreams))
        else:
            because = "" if was in LIMITS else self._differs(record, facts, known)
            if because:
                self._untold(because)
            else:
                self.result.unchanged += 1

    def _limited(self, record: ExchangeRecord, facts: CallFacts) -> str:
        """Return the code of the limit that the call would meet, empty for none."""
        limits = self._new.limits_of(facts.principal, facts.model_id)
        if not limits:
            return ""
        used, cost = record.tokens, record.cost.billionths
        amounts = (1, used.input + used.output, used.input, used.output, cost, 0, 0)
        taken = self._budget.take(limits, facts.principal, facts.model_id, amounts, self._now)
        return taken.decision.reason.code.value if isinstance(taken, Spent) else ""

    def _same_limits(self, known: CompiledPolicy) -> bool:
        return known is self._new or known.document.limits == self._new.document.limits

    def _looked_at_purposes(self, record: ExchangeRecord) -> bool:
        known = self._known.get(record.policy)
        return known is not None and bool(known.purposes)

    def _differs(self, record: ExchangeRecord, facts: CallFacts, known: CompiledPolicy | None) -> str:
        """Return why nobody can tell what the new policy makes of the content, empty when it is the same."""
        if record.policy == self._new.hash:
            return ""
        if known is None:
            return "the policy of then is not at hand"
        key = record.policy, facts.model_id
        because = self._guarded.get(key)
        if because is None:
            if len(self._guarded) > 10_000:
                self._guarded.clear()
            because = self._guarded[key] = self._content_differs(known, facts.model_id)
        return because

    def _content_differs(self, known: CompiledPolicy, model_id: str) -> str:
        old, new = known.document, self._new.document
        before, after = known.model(model_id), self._new.model(model_id)
        if before is None or after is None:  # a check of text names its guardrail, which may be any
            same = old.guardrails == new.guardrails and old.data == new.data
            return "" if same else "guardrails differ, and records hold no text"
        configs = (
            with_detection(old.guardrails[before.guardrail], old.data),
            with_detection(new.guardrails[after.guardrail], new.data),
        )
        if configs[0] != configs[1]:
            return f"guardrail `{after.guardrail}` differs, and records hold no text"
        if old.residency != new.residency:
            return "residency differs, and records hold no jurisdiction and no consent"
        return ""

    def _untold(self, because: str) -> None:
        self.result.untold[because] = self.result.untold.get(because, 0) + 1

    def _changed(self, effect: str, record: ExchangeRecord, facts: CallFacts, was: str, becomes: str) -> None:
        group = Effect(
            effect,
            record.principal.roles,
            record.model,
            record.operation,
            facts.data_class.label,
            was,
            becomes,
        )
        self.result.note(group, record.id)


def _nanoseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1_000_000) * 1000
