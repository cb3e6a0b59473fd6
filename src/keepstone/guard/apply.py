"""Bedrock's `ApplyGuardrail` answered here, and the trace of guardrails in an answer."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from keepstone.core.errors import RequestError
from keepstone.guard.assessment import acted, coverage, undetected
from keepstone.guard.guardrail import Direction, Guardrail, Inspection, Outcome, Text

_QUOTED = re.compile(r"'.*'", re.DOTALL)
_REASONS = {
    Outcome.NONE: "No action.",
    Outcome.ANONYMIZED: "Guardrail masked.",
    Outcome.BLOCKED: "Guardrail blocked.",
}


_QUOTING = {  # policy -> list of findings -> the member that names what was found
    "sensitiveInformationPolicy": {"piiEntities": "type", "regexes": "name"},
    "wordPolicy": {"customWords": "type", "managedWordLists": "type"},
}


class _TextBlock(msgspec.Struct):
    text: str
    qualifiers: list[Literal["grounding_source", "query", "guard_content"]] = []


class _Content(msgspec.Struct):
    text: _TextBlock | None = None
    image: dict[str, Any] | None = None


class _Request(msgspec.Struct, rename="camel"):
    source: Literal["INPUT", "OUTPUT"]
    content: Annotated[list[_Content], msgspec.Meta(min_length=1)]
    output_scope: Literal["INTERVENTIONS", "FULL"] = "INTERVENTIONS"


def apply_guardrail(guardrail: Guardrail, request: Mapping[str, Any]) -> tuple[dict[str, Any], Inspection]:
    """Answer an `ApplyGuardrail` request, given as its decoded body, in the operation's exact shape.

    The inspection behind the answer comes with it, for the record.

    Every text block is inspected, whatever its qualifiers; images are counted and reported as not guarded.
    Raise `RequestError` for a body that is not the operation's.
    """
    body = _decode(request)
    texts = [Text(each.text.text, "user") for each in body.content if each.text is not None]
    images = sum(each.image is not None for each in body.content)
    direction = Direction(body.source)
    inspection = guardrail.inspect(texts, direction)
    characters = sum(len(text.value) for text in texts)
    answer = {
        "usage": inspection.assessment["invocationMetrics"]["usage"],
        "action": acted(inspection.action),
        "actionReason": _REASONS[inspection.action],
        "outputs": _outputs(guardrail, inspection, direction),
        "assessments": [_assessment(guardrail, inspection, full=body.output_scope == "FULL")],
        "guardrailCoverage": coverage(characters, characters, images),
    }
    return answer, inspection


def guardrail_trace(
    inputs: Sequence[tuple[str, Mapping[str, Any]]], outputs: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    """Return a Converse answer's `trace.guardrail` from (guardrail, assessment) pairs of each direction."""
    trace: dict[str, Any] = {}
    if inputs:
        trace["inputAssessment"] = {name: dict(assessment) for name, assessment in inputs}
    if outputs:
        collected: dict[str, list[dict[str, Any]]] = {}
        for name, assessment in outputs:
            collected.setdefault(name, []).append(dict(assessment))
        trace["outputAssessments"] = collected
    return trace


def without_matches(assessment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an assessment in which each quoted match is replaced by its type or name, in braces."""
    found = dict(assessment)
    for policy, kinds in _QUOTING.items():
        if policy in found:
            found[policy] = {
                kind: [{**each, "match": f"{{{each.get(kinds[kind], kind)}}}"} for each in entries]
                for kind, entries in found[policy].items()
            }
    return found


def _decode(request: Mapping[str, Any]) -> _Request:
    try:
        return msgspec.convert(request, _Request)
    except msgspec.ValidationError as error:
        fault = _QUOTED.sub("…", str(error))  # a wrong value may hold anything
        raise RequestError(f"the body is not one of ApplyGuardrail: {fault}") from error


def _outputs(guardrail: Guardrail, inspection: Inspection, direction: Direction) -> list[dict[str, str]]:
    if inspection.action is Outcome.BLOCKED:
        messages = guardrail.messages
        return [{"text": messages.input if direction is Direction.INPUT else messages.output}]
    if inspection.action is Outcome.ANONYMIZED:
        return [{"text": text} for text in inspection.texts]
    return []


def _assessment(guardrail: Guardrail, inspection: Inspection, *, full: bool) -> dict[str, Any]:
    assessment = dict(inspection.assessment)
    if full and inspection.plan.attacks is not None:
        filters = [undetected(guardrail.config.injection.strength)]
        assessment.setdefault("contentPolicy", {"filters": filters})
    assessment["appliedGuardrailDetails"] = {
        "guardrailId": guardrail.name,
        "guardrailVersion": "DRAFT",
        "guardrailOrigin": ["REQUEST"],
        "guardrailOwnership": "SELF",
    }
    return assessment
