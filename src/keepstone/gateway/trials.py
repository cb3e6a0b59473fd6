"""A new version of a model beside the one in use: which arm a call gets, where a trial may take its data."""

from keepstone.core.decision import Decision, Reason
from keepstone.gateway.admit import facts_of
from keepstone.gateway.call import Call
from keepstone.gateway.residency import Question
from keepstone.gateway.routing.trial import chosen
from keepstone.policy.rules import ModelRoute, Trial

CANARY, STABLE = "canary", "stable"


def arm_of(call: Call) -> str:
    """Return the arm of the last lane that was asked; empty where nothing is on trial."""
    if call.lane is None or call.model is None or call.model.canary is None:
        return ""
    return CANARY if call.lane.route is call.trial else STABLE


def try_canary(call: Call, canary: Trial) -> None:
    """Let the canary be asked first, if the caller is among those who get it and the call may go there."""
    if not chosen(canary, call.principal.id):
        return
    names, note = permitted(call, canary.route)
    if names:
        call.trial, call.trial_candidates = canary.route, names
        if note is not None:
            call.notes.append(note)


def permitted(call: Call, route: ModelRoute) -> tuple[tuple[str, ...], Reason | None]:
    """Return the trial's upstreams to which this very call might go, were it a call of its own.

    With them the ground by which its data may be where they are, where a policy has rules on residency.
    """
    assert call.route is not None  # noqa: S101 - only calls that were admitted get here
    model_id = call.route.model_id
    trial_id = route.upstream_id(route.upstreams[0], model_id)
    names = call.active.policy.admission.permits_trial(facts_of(call, call.data_class), route, trial_id)
    residency = call.active.residency
    if residency is None or not names:
        return names, None
    question = Question(call.principal.roles, model_id, route, names, call.purpose, call.headers)
    found = residency.route(question, call.wall_ns)
    return ((), None) if isinstance(found, Decision) else (found.candidates, found.note)
