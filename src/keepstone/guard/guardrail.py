"""A compiled guardrail: texts in, an inspection out. It waits for nothing and keeps nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from keepstone.detect.engine import encode
from keepstone.detect.span import Span
from keepstone.guard.assessment import assess
from keepstone.guard.masking import StandIn, by_type, mask, resolve
from keepstone.guard.plan import Direction, Outcome, Plan, Rule
from keepstone.guard.window import Window
from keepstone.policy.schema import guardrails as schema

__all__ = ["Direction", "Finding", "Guardrail", "Inspection", "Outcome", "Text"]

# Between texts that are scanned as one. No word goes on across it, so what hits alone hits in company.
SEPARATOR = "\n\x00\n"

# The attack rules look at what comes from outside of the application; its own instructions are not attacks.
ATTACKABLE = frozenset({"user", "tool", "document", "unknown"})


class Text(Struct, frozen=True):
    """A text and where it comes from: `system`, `user`, `assistant`, `tool`, `document` or `unknown`."""

    value: str
    origin: str = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """How often something was found, and what that led to; never what the text says."""

    type: str
    detector: str
    action: Outcome
    count: int


class Inspection(Struct):
    """What a guardrail makes of some texts.

    `texts` are as they may go on: masked where asked, the same objects where untouched. They must not go on
    when `action` is `BLOCKED`.
    """

    action: Outcome
    texts: tuple[str, ...]
    findings: tuple[Finding, ...]
    plan: Plan
    strength: str
    originals: tuple[str, ...]
    kept: tuple[list[Span], ...]
    _assessment: dict[str, Any] | None = None

    @property
    def assessment(self) -> dict[str, Any]:
        """Return Bedrock's `GuardrailAssessment`, built when first asked for; it quotes what was found."""
        if self._assessment is None:
            self._assessment = assess(self.originals, self.kept, self.plan, self.strength)
        return self._assessment


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A guardrail of the policy, compiled for both directions."""

    name: str
    config: schema.Guardrail
    plans: Mapping[Direction, Plan]
    output_window: Window | None  # what a stream holds back; `None`: everything

    @property
    def messages(self) -> schema.Messages:
        """Return what a caller reads instead of blocked text."""
        return self.config.messages

    def inspect(self, texts: Sequence[Text], direction: Direction, stand_in: StandIn = by_type) -> Inspection:
        """Look for everything that the policy names; a match never reaches from one text into another.

        `stand_in` says what takes the place of masked text.
        """
        plan = self.plans[direction]
        values = tuple([text.value for text in texts])
        if plan.looks_for_nothing or not _may_hit(plan, texts):
            kept_none: tuple[list[Span], ...] = ([],) * len(values)
            strength = self.config.injection.strength
            return Inspection(Outcome.NONE, values, (), plan, strength, values, kept_none)
        kept: list[list[Span]] = []
        changed: list[str] = []
        for text in texts:
            spans = scan(plan, text.value, attackable=text.origin in ATTACKABLE)
            counted = resolve(spans, plan.rules)
            kept.append(counted)
            changed.append(mask(text.value, spans, counted, plan.rules, stand_in) if spans else text.value)
        return self._inspection(plan, values, tuple(changed), tuple(kept))

    def _inspection(
        self, plan: Plan, values: tuple[str, ...], texts: tuple[str, ...], kept: tuple[list[Span], ...]
    ) -> Inspection:
        findings = count_findings((span for spans in kept for span in spans), plan.rules)
        action = strongest(each.action for each in findings)
        strength = self.config.injection.strength
        return Inspection(action, texts, findings, plan, strength, values, kept)


def scan(plan: Plan, text: str, *, attackable: bool) -> list[Span]:
    """Return all spans that a plan finds in one text, overlapping ones too."""
    spans = plan.scanner.scan(text)
    if plan.attacks is not None and attackable:
        spans += plan.attacks.scan(text)
    if plan.words is not None:
        spans += plan.words.scan(text)
    return spans


def count_findings(spans: Iterable[Span], rules: Mapping[str, Rule]) -> tuple[Finding, ...]:
    """Count spans by type and detector; sorted."""
    counts = Counter((span.type, span.detector) for span in spans)
    return tuple(
        Finding(kind, detector, rules[detector].outcome, count)
        for (kind, detector), count in sorted(counts.items())
    )


def strongest(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the outcome that wins: any that blocks, else any that masks."""
    seen = set(outcomes)
    for each in (Outcome.BLOCKED, Outcome.ANONYMIZED):
        if each in seen:
            return each
    return Outcome.NONE


def _may_hit(plan: Plan, texts: Sequence[Text]) -> bool:
    """Say in one pass over all texts whether a closer look is worth it."""
    if not plan.joinable:
        return True
    joined = SEPARATOR.join([text.value for text in texts])
    data = encode(joined)
    if plan.scanner.candidates(data) or (plan.words is not None and plan.words.hits(joined)):
        return True
    if plan.attacks is None:
        return False
    foreign = [text.value for text in texts if text.origin in ATTACKABLE]
    if len(foreign) < len(texts):
        data = encode(SEPARATOR.join(foreign))
    return bool(foreign) and plan.attacks.may_hit(data)
