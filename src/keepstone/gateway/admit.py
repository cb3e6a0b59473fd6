"""What the admit stage knows of a call beyond its path: its purpose, and the class that its content gives it.

A call is admitted by what its headers say, before its body is read; again, when the body states a purpose;
again, when its content has a higher class than was stated. Each time the model's, the upstreams' and the
rules' bounds are all asked, and `cleared` holds the upstreams that are left.
"""

from collections.abc import Sequence

import msgspec

from keepstone.core.decision import Decision, Outcome, Reason, ReasonCode
from keepstone.core.exchange import ClassSource, DataClass, Operation
from keepstone.gateway.call import Call
from keepstone.gateway.restoring import RESTORED
from keepstone.ledger.record import FindingNote
from keepstone.policy.admission import PURPOSE_CODES
from keepstone.policy.detected import Found
from keepstone.policy.rules import CallFacts, Place

PURPOSE = b"x-keepstone-purpose"
METADATA = b"x-amzn-bedrock-request-metadata"
MEMBER = "purpose"

_BODY_STATES = frozenset({Operation.CONVERSE, Operation.CONVERSE_STREAM})


def facts_of(call: Call, data_class: DataClass) -> CallFacts:
    """Return what a decision about the call rests on, with a class of data."""
    assert call.route is not None  # noqa: S101 - admit refuses a call without a route
    return CallFacts(
        call.principal, call.route.operation, call.route.model_id, data_class, call.purpose, call.wall_ns
    )


def decide_admission(call: Call) -> Decision | None:
    """Decide with all that is known by now, and keep the upstreams that the call may go to."""
    admitted = call.active.policy.admission_of(facts_of(call, call.data_class))
    call.decision, call.cleared = admitted.decision, admitted.upstreams
    return None if admitted.decision.allowed else admitted.decision


# --- purpose


def purpose_of_headers(call: Call) -> Decision | None:
    """Take the purpose from `X-Keepstone-Purpose` or from InvokeModel's request metadata."""
    header = call.headers.get(PURPOSE)
    stated = header.decode("latin-1").strip() if header else ""
    metadata = call.headers.get(METADATA)
    if metadata:
        try:
            document = msgspec.json.decode(metadata)
        except (ValueError, RecursionError):
            document = None  # it is not ours to judge: no purpose stands in it
        return _state(call, stated) or _state(call, _member(document))
    return _state(call, stated)


def may_state_purpose_later(call: Call, refusal: Decision) -> bool:
    """Say whether a refusal waits for the body, in which Converse states its purpose."""
    assert call.route is not None  # noqa: S101 - admit refuses a call without a route
    if call.purpose or call.route.operation not in _BODY_STATES or not call.active.policy.purposes:
        return False
    return any(each.code in PURPOSE_CODES for each in refusal.reasons)


def states_purpose_in_body(call: Call) -> bool:
    """Say whether the body has to be asked: it names a purpose, or the decision has waited for it."""
    assert call.route is not None  # noqa: S101 - admit refuses a call without a route
    if call.route.operation not in _BODY_STATES:
        return False
    waited = call.decision is not None and not call.decision.allowed
    return waited or "requestMetadata" in call.document


def purpose_of_body(call: Call) -> Decision | None:
    """Take the purpose from Converse's `requestMetadata`."""
    return _state(call, _member(call.document.get("requestMetadata")))


def _member(metadata: object) -> str:
    found = metadata.get(MEMBER, "") if isinstance(metadata, dict) else ""
    return found.strip() if isinstance(found, str) else ""


def _state(call: Call, stated: str) -> Decision | None:
    """Keep a purpose; refuse one that is not declared, and a second that differs from the first."""
    if not stated:
        return None
    policy = call.active.policy
    if stated not in policy.purposes:
        known = ", ".join(f"`{each}`" for each in sorted(policy.purposes)[:8])
        message = f"the stated purpose is not one of the policy's, expected one of {known}"
        return Decision.refuse(ReasonCode.PURPOSE_UNKNOWN, message, "purposes")
    if call.purpose and call.purpose != stated:
        message = f"the call states two purposes, `{call.purpose}` and `{stated}`"
        return Decision.refuse(ReasonCode.REQUEST_MALFORMED, message)
    call.purpose = stated
    return None


# --- class of content


def raise_class(call: Call) -> bool:
    """Raise the call's class to that of what was found in its input; say whether that changed it."""
    found = call.active.policy.detected.highest(call.findings)
    if found <= call.data_class:
        return False
    call.stated_class, call.data_class, call.class_source = call.data_class, found, ClassSource.CONTENT
    return True


def admit_raised(call: Call) -> Decision | None:
    """Decide again with the class of the content; what was decided so far stays noted behind it."""
    before = call.decision
    refusal = decide_admission(call)
    if refusal is not None:
        call.decision = before
        kinds = kinds_of(call, call.findings)
        # What the class turned comes first; other upstreams may have been out of reach before.
        first, *others = sorted(
            refusal.reasons, key=lambda each: each.code is not ReasonCode.DATA_CLASS_TOO_HIGH
        )
        told = Reason(first.code, f"{first.message}; its content holds {kinds}", first.path)
        return Decision(Outcome.REFUSE, (told, *others))
    if before is not None and before.outcome is Outcome.TRANSFORM and call.decision is not None:
        masked = before.reasons[0]
        call.decision = Decision(Outcome.TRANSFORM, (masked, *call.decision.reasons))
    return None


def admit_answer(call: Call, findings: Sequence[Found]) -> Decision | None:
    """Decide whether an answer with these finds may reach the caller; its class becomes the call's."""
    policy = call.active.policy
    found = policy.detected.highest(findings)
    if found <= call.data_class:
        return None
    if call.stated_class is None:
        call.stated_class = call.data_class
    call.data_class, call.class_source = found, ClassSource.CONTENT
    decision = policy.admission.may_receive(facts_of(call, found), place_of(call, call.upstream))
    if decision.allowed:
        return None
    kinds = kinds_of(call, findings)
    message = f"the answer holds {kinds}, which is {found.label}: {decision.reason.message}"
    return Decision.refuse(ReasonCode.OUTPUT_CLASS_TOO_HIGH, message, decision.reason.path)


def answer_findings(call: Call) -> list[FindingNote]:
    """Return what was found in the answer so far; what was put back is the caller's own."""
    return [each for each in call.findings if each.where == "output" and each.action != RESTORED]


def kinds_of(call: Call, findings: Sequence[Found]) -> str:
    """Return the types that give the content its class, for people."""
    classes = call.active.policy.detected
    highest = classes.highest(findings)
    return ", ".join(sorted({each.type for each in findings if classes.of(each) == highest}))


def place_of(call: Call, upstream: str) -> Place | None:
    """Return an upstream as the rules see it."""
    places = call.model.places if call.model else ()
    if call.trial is not None:
        places = (*places, *call.trial.places)
    return next((each for each in places if each.name == upstream), None)
