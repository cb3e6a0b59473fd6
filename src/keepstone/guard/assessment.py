"""Finds in the exact shape of Bedrock's `GuardrailAssessment`; it quotes values: not for the record."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from keepstone.detect.span import Span
from keepstone.guard.plan import Family, Outcome, Plan, Rule

CHARACTERS_PER_UNIT = 1000  # Bedrock counts a text unit for each thousand characters begun

Entry = dict[str, Any]


def assess(texts: Sequence[str], kept: Sequence[Sequence[Span]], plan: Plan, strength: str) -> Entry:
    """Return the assessment of `texts`, in which the spans `kept` were found."""
    assessment: Entry = {}
    found = [(text, span) for text, spans in zip(texts, kept, strict=True) for span in spans]
    attacks = _attacks(found, plan.rules, strength)
    if attacks:
        assessment["contentPolicy"] = {"filters": attacks}
    words = [_word(each, plan.rules) for each in _of(found, plan.rules, Family.WORD)]
    if words:
        assessment["wordPolicy"] = {"customWords": words, "managedWordLists": []}
    entities = [_entity(each, plan.rules) for each in _of(found, plan.rules, Family.PII)]
    regexes = [_regex(each, plan.rules) for each in _of(found, plan.rules, Family.REGEX, Family.CREDENTIAL)]
    if entities or regexes:
        assessment["sensitiveInformationPolicy"] = {"piiEntities": entities, "regexes": regexes}
    characters = sum(map(len, texts))
    assessment["invocationMetrics"] = {
        "usage": usage(characters, plan),
        "guardrailCoverage": coverage(characters, characters),
    }
    return assessment


def usage(characters: int, plan: Plan) -> Entry:
    """Return Bedrock's counters of text units, for the policies that this plan has."""
    units = -(-characters // CHARACTERS_PER_UNIT)
    families = {rule.family for rule in plan.rules.values()}
    return {
        "topicPolicyUnits": 0,
        "contentPolicyUnits": units if Family.ATTACK in families else 0,
        "wordPolicyUnits": units if Family.WORD in families else 0,
        "sensitiveInformationPolicyUnits": units if Family.PII in families else 0,
        "sensitiveInformationPolicyFreeUnits": units if families & {Family.REGEX, Family.CREDENTIAL} else 0,
        "contextualGroundingPolicyUnits": 0,
    }


def coverage(guarded: int, total: int, images: int = 0) -> Entry:
    """Return what was looked at; an image is counted and never guarded."""
    covered: Entry = {"textCharacters": {"guarded": guarded, "total": total}}
    if images:
        covered["images"] = {"guarded": 0, "total": images}
    return covered


def undetected(strength: str) -> Entry:
    """Return the filter entry of a text without an attack, which the scope `FULL` asks for."""
    return {
        "type": "PROMPT_ATTACK",
        "confidence": "NONE",
        "filterStrength": strength,
        "action": "NONE",
        "detected": False,
    }


def _attacks(found: Iterable[tuple[str, Span]], rules: Mapping[str, Rule], strength: str) -> list[Entry]:
    """Return one filter entry, as sure as the surest rule that hit."""
    hit = [rules[span.detector] for _, span in _of(found, rules, Family.ATTACK)]
    if not hit:
        return []
    return [
        {
            "type": "PROMPT_ATTACK",
            "confidence": max(rule.confidence for rule in hit).name,
            "filterStrength": strength,
            "action": hit[0].outcome.value,
            "detected": True,
        }
    ]


def _of(
    found: Iterable[tuple[str, Span]], rules: Mapping[str, Rule], *families: Family
) -> list[tuple[str, Span]]:
    return [(text, span) for text, span in found if rules[span.detector].family in families]


def _word(found: tuple[str, Span], rules: Mapping[str, Rule]) -> Entry:
    text, span = found
    return {
        "match": text[span.start : span.end],
        "action": rules[span.detector].outcome.value,
        "detected": True,
    }


def _entity(found: tuple[str, Span], rules: Mapping[str, Rule]) -> Entry:
    return {**_word(found, rules), "type": found[1].type}


def _regex(found: tuple[str, Span], rules: Mapping[str, Rule]) -> Entry:
    """Return a regex entry; a kind of credential that Bedrock does not know stands as a regex of its name."""
    rule = rules[found[1].detector]
    entry = {**_word(found, rules), "name": found[1].type}
    return {**entry, "regex": rule.pattern} if rule.family is Family.REGEX else entry


def acted(outcome: Outcome) -> str:
    """Return Bedrock's word for the whole: `NONE` or `GUARDRAIL_INTERVENED`."""
    return "NONE" if outcome is Outcome.NONE else "GUARDRAIL_INTERVENED"
