"""A guardrail's configuration as plans: what one direction looks for, and what each find leads to."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from keepstone.core.errors import GuardError
from keepstone.detect.attack_rules import Confidence
from keepstone.detect.attacks import CONFIDENCE, AttackScanner, attack_scanner
from keepstone.detect.engine import Scanner, compile_pattern
from keepstone.detect.recogniser import Recogniser
from keepstone.detect.registry import CREDENTIALS, PERSONAL
from keepstone.detect.words import WordMatcher
from keepstone.policy.schema import guardrails as schema
from keepstone.policy.schema.guardrails import Action


class Direction(StrEnum):
    """To the model, or back from it; named as Bedrock names the source of a text."""

    __hash__ = str.__hash__  # looked up several times a call; the enum's own is Python

    INPUT = "INPUT"
    OUTPUT = "OUTPUT"


class Outcome(StrEnum):
    """What became of a text or of a find, in Bedrock's words."""

    NONE = "NONE"
    ANONYMIZED = "ANONYMIZED"
    BLOCKED = "BLOCKED"


class Family(StrEnum):
    """Which part of a guardrail a detector belongs to; decides where the assessment lists its finds."""

    PII = "pii"
    CREDENTIAL = "credential"
    REGEX = "regex"
    WORD = "word"
    ATTACK = "attack"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a find of one detector leads to; `pattern` is a customer's own."""

    family: Family
    outcome: Outcome
    pattern: str = ""
    confidence: Confidence = Confidence.HIGH


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one direction looks for.

    `scanner` holds personal data, credentials and regexes; `attacks` is for input only. `joinable` says that
    a hit in any of several texts is a hit in all of them joined.
    """

    rules: dict[str, Rule]
    scanner: Scanner
    attacks: AttackScanner | None
    words: WordMatcher | None
    joinable: bool

    @property
    def looks_for_nothing(self) -> bool:
        """Say whether no text can lead to a find."""
        return not self.rules


OUTCOMES = {
    Action.BLOCK: Outcome.BLOCKED,
    Action.ANONYMIZE: Outcome.ANONYMIZED,
    Action.NONE: Outcome.NONE,
}
"""What an action of the policy does to a find."""
_STRENGTHS = {"LOW": Confidence.HIGH, "MEDIUM": Confidence.MEDIUM, "HIGH": Confidence.LOW}
# Anchors hold at the ends of a text only; escapes and classes are taken out before they are looked for.
_NOT_ANCHORS = re.compile(r"\\[^AzZ]|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ANCHORS = re.compile(r"\^|\$|\\[AzZ]")


def outcome_of(action: Action | schema.Directions, direction: Direction) -> Outcome:
    """Return what an action of the policy means in one direction."""
    if isinstance(action, schema.Directions):
        action = action.input if direction is Direction.INPUT else action.output
    return OUTCOMES[action]


def build_plan(path: str, config: schema.Guardrail, direction: Direction) -> Plan:
    """Compile what `config` asks for in one direction; raise `GuardError` with the path of a bad regex."""
    rows: list[Recogniser] = []
    rules: dict[str, Rule] = {}
    _add_personal(config, direction, rows, rules)
    _add_credentials(config, direction, rows, rules)
    _add_regexes(path, config, direction, rows, rules)
    words = _add_words(config, direction, rules)
    attacks = None
    if direction is Direction.INPUT:
        attacks = attack_scanner(_STRENGTHS[config.injection.strength])
        outcome = OUTCOMES[Action(config.injection.action.value)]
        rules |= {each: Rule(Family.ATTACK, outcome, confidence=CONFIDENCE[each]) for each in attacks.ids}
    joinable = not any(_has_anchor(each.pattern) for each in config.regexes)
    scanner = _scanner(tuple(rows), words.signs if words else ())
    return Plan(rules, scanner, attacks, words, joinable)


@lru_cache(maxsize=16)
def _scanner(rows: tuple[Recogniser, ...], signs: tuple[str, ...]) -> Scanner:
    """Return a scanner of these rows; guardrails and directions that look for the same share it."""
    return Scanner(rows, signs=signs)


def _add_personal(
    config: schema.Guardrail, direction: Direction, rows: list[Recogniser], rules: dict[str, Rule]
) -> None:
    for kind, action in config.pii.items():
        rule = Rule(Family.PII, outcome_of(action, direction))
        _add((row for row in (*PERSONAL, *CREDENTIALS) if row.type == kind.value), rule, rows, rules)


def _add_credentials(
    config: schema.Guardrail, direction: Direction, rows: list[Recogniser], rules: dict[str, Rule]
) -> None:
    """Add the credentials that the personal data of the policy does not name already."""
    outcome = outcome_of(config.credentials, direction)
    personal = {each.value for each in schema.PiiType}
    for row in CREDENTIALS:
        if row.id not in rules:
            family = Family.PII if row.type in personal else Family.CREDENTIAL
            _add((row,), Rule(family, outcome), rows, rules)


def _add_regexes(
    path: str, config: schema.Guardrail, direction: Direction, rows: list[Recogniser], rules: dict[str, Rule]
) -> None:
    for index, regex in enumerate(config.regexes):
        try:
            compile_pattern(regex.pattern)
        except GuardError as error:
            raise GuardError(f"{path}.regexes[{index}] `{regex.name}`: {error}") from error
        row = Recogniser(f"regex:{index}", regex.name, regex.pattern)
        _add((row,), Rule(Family.REGEX, outcome_of(regex.action, direction), regex.pattern), rows, rules)


def _add_words(config: schema.Guardrail, direction: Direction, rules: dict[str, Rule]) -> WordMatcher | None:
    for index, word in enumerate(config.words):
        action = schema.BlockAction.BLOCK
        if isinstance(word, schema.CustomWord):
            own = word.input if direction is Direction.INPUT else word.output
            action = word.action or own
        rules[f"word:{index}"] = Rule(Family.WORD, OUTCOMES[Action(action.value)])
    phrases: Sequence[str] = [each if isinstance(each, str) else each.text for each in config.words]
    return WordMatcher(phrases) if phrases else None


def _add(added: Iterable[Recogniser], rule: Rule, rows: list[Recogniser], rules: dict[str, Rule]) -> None:
    for row in added:
        rows.append(row)
        rules[row.id] = rule


def _has_anchor(pattern: str) -> bool:
    return _ANCHORS.search(_NOT_ANCHORS.sub("", pattern)) is not None
