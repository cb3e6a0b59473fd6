"""Which calls a canary answers, and where a trial may take them; the same principal gets the same arm."""

import hashlib

from keepstone.core.decision import Decision, Reason
from keepstone.gateway.admit import facts_of
from keepstone.gateway.call import Call
from keepstone.gateway.residency import Question
from keepstone.policy.rules import ModelRoute, Trial

_STEPS = 1 << 32


def chosen(trial: Trial, principal: str) -> bool:
    """Say whether a principal is among those who get the trial.

    A hash keyed by the trial decides: it needs no memory, is the same in every process, and whoever is
    chosen stays so when the share grows.
    """
    key = hashlib.sha256(f"{trial.route.id}\n{sorted(trial.route.upstream_ids.items())}".encode()).digest()
    drawn = hashlib.blake2b(principal.encode(), key=key, digest_size=4).digest()
    return int.from_bytes(drawn) < trial.percent / 100 * _STEPS


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
