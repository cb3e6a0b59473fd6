"""Which version of a model on trial has answered."""

from keepstone.gateway.call import Call

CANARY, STABLE = "canary", "stable"


def arm_of(call: Call) -> str:
    """Return the arm of the last lane that was asked; empty where nothing is on trial."""
    if call.model is None or call.model.canary is None or call.lane is None:
        return ""
    return CANARY if call.lane.route is call.trial else STABLE
