"""The inspect stages: a call's text through its guardrails, findings noted, masks written back.

Everything a caller sends is inspected, history, system prompt, tools and documents included; Bedrock's own
service looks at the last message or at tagged parts only.
"""

import re
from collections.abc import Sequence
from typing import Any

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import Operation
from keepstone.gateway.admit import admit_answer, answer_findings
from keepstone.gateway.bodies import Body, body_for
from keepstone.gateway.call import Call
from keepstone.gateway.findings import blocking, note_findings, words
from keepstone.gateway.leaks import inspect_leaks, remember_system_prompt
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.restoring import may_see_originals, note_restored, restore_slots, stand_in_for
from keepstone.gateway.seams import inspect_seams
from keepstone.gateway.wire.rules import DocumentText
from keepstone.gateway.wire.slots import KEYWORDS, Slot, encode_document, is_identifier
from keepstone.guard import apply
from keepstone.guard.guardrail import Direction, Finding, Guardrail, Inspection, Outcome, Text

HEADER_ID = b"x-amzn-bedrock-guardrailidentifier"
HEADER_VERSION = b"x-amzn-bedrock-guardrailversion"
HEADER_TRACE = b"x-amzn-bedrock-trace"
FORWARDED = (
    b"x-amzn-bedrock-accept",
    b"x-amzn-bedrock-content-type",
    HEADER_ID,
    HEADER_VERSION,
    HEADER_TRACE,
    b"x-amzn-bedrock-performanceconfig-latency",
    b"x-amzn-bedrock-service-tier",
    b"x-amzn-bedrock-request-metadata",
)
VERSIONS = ("DRAFT", "1")
_FORWARDED = frozenset(FORWARDED)

_STEP = re.compile(r"[^.\[\]]+(?=[.\[]|$)|[0-9]{7,}")  # a name; a short index in brackets is none
_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})|%([0-9A-Fa-f]{2})")
_PLACES = KEYWORDS | {"audio", "citations", "data", "document", "documents", "file", "image", "image_url"}
_PLACES |= {"images", "inputImage", "input_audio", "reasoningContent", "redactedContent", "s3Location"}
_PLACES |= {"delta", "searchResult", "toolResult", "toolUse", "tools", "video", "videos"}


def resolve_guardrails(call: Call) -> Decision | None:
    """Collect the guardrails of a call: the model's own always, and one that the caller names on top.

    A name that is not in the policy is left in the request for the upstream, unless the call is for the
    guardrail itself.
    """
    route, active = call.route, call.active
    assert route is not None  # noqa: S101 - admit refuses a call without a route
    if route.operation is Operation.APPLY_GUARDRAIL:
        guardrail = active.guardrails.get(_short(route.guardrail_id))
        if guardrail is None or route.guardrail_version not in VERSIONS:
            message = f"the policy has no guardrail `{route.guardrail_id[:64]}:{route.guardrail_version}`"
            return Decision.refuse(ReasonCode.GUARDRAIL_UNKNOWN, message)
        call.guardrails = (guardrail,)
        return None
    assert call.model is not None  # noqa: S101 - admit refuses a model without a route
    call.guardrails = (active.guardrails[call.model.guardrail],)
    named, version, trace = _named_by_caller(call)
    guardrail = active.guardrails.get(_short(named))
    if guardrail is not None and version not in VERSIONS:
        message = f"guardrail `{guardrail.name}` of the policy has no such version, expected `DRAFT` or `1`"
        return Decision.refuse(ReasonCode.GUARDRAIL_UNKNOWN, message)
    if guardrail is not None:
        call.trace = trace.lower()
        call.document.pop("guardrailConfig", None)
        for header in (HEADER_ID, HEADER_VERSION, HEADER_TRACE):
            call.headers.pop(header, None)
        if guardrail not in call.guardrails:
            call.guardrails += (guardrail,)
    return None


def inspect_request(call: Call, metrics: Metrics) -> Decision | None:
    """Inspect everything that would reach the model; the refusal, if a guardrail blocks it."""
    route = call.route
    assert route is not None  # noqa: S101 - admit refuses a call without a route
    if route.operation is Operation.APPLY_GUARDRAIL:
        return None  # its text goes to no model; answering it is the inspection
    operation = call.counted.operation if call.counted else route.operation
    body = body_for(operation, route.model_id)
    found = body.request_slots(call.document)
    refusal = _uninspectable(call, found, metrics)
    if refusal is not None:
        return refusal
    blocked = inspect_slots(call, found.slots, Direction.INPUT, metrics)
    if blocked is not None:
        name = (call.blocker or call.guardrails[0]).name
        message = f"guardrail `{name}` blocks the input: {words(blocked)}"
        return Decision.refuse(ReasonCode.INPUT_BLOCKED, message, f"guardrails.{name}")
    remember_system_prompt(call, found.slots)
    return None


def inspect_answer(call: Call, body: Body, document: dict[str, Any], metrics: Metrics) -> Decision | None:
    """Inspect a whole answer and mask it in place; the refusal, if it may not reach the caller."""
    found = body.response_slots(document)
    refusal = _uninspectable(call, found, metrics)
    if refusal is not None:
        return refusal
    blocked = inspect_slots(call, found.slots, Direction.OUTPUT, metrics)
    if blocked is not None:
        return output_blocked(call, blocked)
    refusal = admit_answer(call, answer_findings(call)) if call.findings else None
    if refusal is None and call.kept is not None:
        call.kept.answer = encode_document(document)
    return refusal


def restore_answer(call: Call, body: Body, document: dict[str, Any], metrics: Metrics) -> None:
    """Put originals back into a whole answer that was inspected, if this caller may see them."""
    if call.surrogates is not None and may_see_originals(call):
        restore_slots(call, body.response_slots(document).slots)
        note_restored(call, metrics)


def output_blocked(call: Call, findings: Sequence[Finding]) -> Decision:
    """Return the refusal of an answer that a guardrail blocks."""
    name = (call.blocker or call.guardrails[0]).name
    message = f"guardrail `{name}` blocks the answer: {words(findings)}"
    return Decision.refuse(ReasonCode.OUTPUT_BLOCKED, message, f"guardrails.{name}")


def forwarded_headers(call: Call) -> tuple[tuple[str, str], ...]:
    """Return the caller's headers that go on to Bedrock: the known ones, with nothing in them to hide."""
    if _FORWARDED.isdisjoint(call.headers):
        return ()
    found = []
    for name in FORWARDED:
        value = call.headers.get(name, b"").decode("latin-1")
        if value and (is_identifier(value) or _is_clean(call, value)):
            found.append((name.decode(), value))
    return tuple(found)


def _is_clean(call: Call, value: str) -> bool:
    return not any(_found_in(guardrail, value, Direction.INPUT) for guardrail in call.guardrails)


def passed_on(call: Call, text: str, metrics: Metrics) -> str:
    """Return an upstream's sentence to the caller, such as an error message, if nothing is found in it.

    A sentence that holds a find is not the model's answer and says nothing once it is masked: what was found
    is told in its place.
    """
    for guardrail in call.guardrails:
        found = _found_in(guardrail, text, Direction.OUTPUT)
        if found:
            note_findings(call, found, Direction.OUTPUT, metrics)
            return f"the upstream gives a reason that holds {words(found)}, so it is not passed on"
    return text


def _found_in(guardrail: Guardrail, text: str, direction: Direction) -> Sequence[Finding]:
    """Return what a text holds, as it stands or with its escapes read as their readers do."""
    found = guardrail.inspect([Text(text, "unknown")], direction).findings
    plain = _ESCAPE.sub(lambda escape: chr(int(escape[1] or escape[2], 16)), text)
    return (
        found if found or plain == text else guardrail.inspect([Text(plain, "unknown")], direction).findings
    )


def inspect_slots(
    call: Call, slots: Sequence[Slot], direction: Direction, metrics: Metrics
) -> Sequence[Finding] | None:
    """Inspect texts and write masks back; the blocking findings, if a guardrail blocks."""
    for guardrail in call.guardrails:
        texts = [Text(slot.value, slot.origin) for slot in slots]
        inspection = guardrail.inspect(texts, direction, stand_in_for(call, guardrail, direction))
        if not inspection.findings:
            continue
        note_findings(call, inspection.findings, direction, metrics)
        _keep_assessment(call, guardrail, inspection, direction)
        if inspection.action is Outcome.BLOCKED:
            call.blocker = guardrail
            return blocking(inspection.findings)
        if inspection.action is Outcome.ANONYMIZED:
            for slot, text in zip(slots, inspection.texts, strict=True):
                slot.replace(text)
            _note_masked(call, guardrail, inspection.findings, direction)
    if len(slots) > 1:
        blocked = _inspect_seams(call, slots, direction, metrics)
        if blocked is not None:
            return blocked
    return inspect_leaks(call, slots, metrics) if direction is Direction.OUTPUT and call.prompts else None


def _inspect_seams(
    call: Call, slots: Sequence[Slot], direction: Direction, metrics: Metrics
) -> Sequence[Finding] | None:
    """Inspect the borders of neighbouring texts; the blocking findings, if a guardrail blocks."""
    for guardrail in call.guardrails:
        findings = inspect_seams(guardrail, slots, direction)
        if not findings:
            continue
        note_findings(call, findings, direction, metrics)
        if blocking(findings):
            call.blocker = guardrail
            return blocking(findings)
        _note_masked(call, guardrail, findings, direction)
    return None


def _note_masked(call: Call, guardrail: Guardrail, findings: Sequence[Finding], direction: Direction) -> None:
    code = ReasonCode.INPUT_MASKED if direction is Direction.INPUT else ReasonCode.OUTPUT_MASKED
    call.transform(code, f"guardrail `{guardrail.name}` masks {words(findings)}")


def _keep_assessment(call: Call, guardrail: Guardrail, inspection: Inspection, direction: Direction) -> None:
    if call.trace.startswith("enabled"):
        assessment = inspection.assessment
        if direction is Direction.OUTPUT:  # a trace must not tell what the answer may not
            assessment = apply.without_matches(assessment)
        call.assessments.append((direction, guardrail.name, assessment))


def shown_place(path: str) -> str:
    """Return a path without names that the caller made up: a key may be personal data itself."""
    return _STEP.sub(lambda step: step[0] if step[0] in _PLACES else "*", path)[:200]


def _uninspectable(call: Call, found: DocumentText, metrics: Metrics) -> Decision | None:
    if not found.uninspectable:
        return None
    for guardrail in call.guardrails:
        if guardrail.config.uninspectable == "block":
            message = (
                f"`{shown_place(found.uninspectable[0])}` cannot be read as text, so it cannot be inspected; "
                f"guardrail `{guardrail.name}` lets only inspected content through"
            )
            path = f"guardrails.{guardrail.name}.uninspectable"
            return Decision.refuse(ReasonCode.CONTENT_NOT_INSPECTABLE, message, path)
    metrics.uninspected.inc(len(found.uninspectable))
    return None


def _named_by_caller(call: Call) -> tuple[str, str, str]:
    config = call.document.get("guardrailConfig")
    if config is None and _FORWARDED.isdisjoint(call.headers):
        return "", "", ""
    if isinstance(config, dict):
        names = ("guardrailIdentifier", "guardrailVersion", "trace")
        return str(config.get(names[0], "")), str(config.get(names[1], "")), str(config.get(names[2], ""))
    return _header(call, HEADER_ID), _header(call, HEADER_VERSION), _header(call, HEADER_TRACE)


def apply_guardrail(call: Call, metrics: Metrics) -> dict[str, Any]:
    """Answer ApplyGuardrail with the guardrail that the call names; raise `RequestError` for a wrong body."""
    document, inspection = apply.apply_guardrail(call.guardrails[0], call.document)
    direction = Direction(call.document["source"])
    note_findings(call, inspection.findings, direction, metrics)
    is_input = direction is Direction.INPUT
    if inspection.action is Outcome.BLOCKED:
        code = ReasonCode.INPUT_BLOCKED if is_input else ReasonCode.OUTPUT_BLOCKED
        call.transform(code, f"guardrail `{call.guardrails[0].name}` blocks {words(inspection.findings)}")
    elif inspection.action is Outcome.ANONYMIZED:
        code = ReasonCode.INPUT_MASKED if is_input else ReasonCode.OUTPUT_MASKED
        call.transform(code, f"guardrail `{call.guardrails[0].name}` masks {words(inspection.findings)}")
    return document


def _header(call: Call, name: bytes) -> str:
    return call.headers.get(name, b"").decode("latin-1")


def _short(identifier: str) -> str:
    return identifier.rpartition("/")[2] if identifier.startswith("arn:") else identifier
