"""Which models a caller may see: those of the policy, as far as the caller's roles may use them.

What Bedrock offers is asked of its control plane, where an upstream has one; a model of another server is
listed when the policy names it exactly. A control plane that cannot be asked makes the listing fail: a list
that silently lacks models would read as if there were none.
"""

from collections.abc import Iterator

from keepstone.core.exchange import Operation
from keepstone.gateway.call import Call
from keepstone.gateway.ports import Offer
from keepstone.gateway.wire.listings import Shown
from keepstone.policy.rules import CallFacts

_CALLS = (
    Operation.CONVERSE,
    Operation.CONVERSE_STREAM,
    Operation.INVOKE_MODEL,
    Operation.INVOKE_MODEL_STREAM,
)


async def visible(call: Call) -> list[Shown]:
    """Return what the caller may use, ordered by id; raise `UpstreamError` if it cannot be found out."""
    names = {name for route in call.active.policy.routes for name in route.upstreams}
    found: dict[str, Shown] = {}
    for name in sorted(names & call.active.offers.keys()):
        offer = await call.active.offers[name].offered()
        for each in _of_offer(offer):
            route = call.active.policy.model(each.id)
            if route is not None and name in route.upstreams:
                found.setdefault(each.id, each)
    for each in _named(call):
        found.setdefault(each.id, each)
    return [found[name] for name in sorted(found) if _may_use(call, name)]


def _of_offer(offer: Offer) -> Iterator[Shown]:
    for summary in offer.models:
        yield Shown(str(summary["modelId"]), summary)
    for summary in offer.profiles:
        yield Shown(str(summary["inferenceProfileId"]), summary, is_profile=True)


def _named(call: Call) -> Iterator[Shown]:
    """Yield what the policy names exactly and no control plane speaks for; it says no more than is known."""
    for route in call.active.policy.routes:
        if not route.is_pattern and call.active.offers.keys().isdisjoint(route.upstreams):
            summary = {
                "modelArn": f"urn:keepstone:model:{route.id}",
                "modelId": route.id,
                "modelName": route.id,
                "providerName": "Keepstone policy",
            }
            yield Shown(route.id, summary)


def _may_use(call: Call, model_id: str) -> bool:
    """Say whether any call of this model would be admitted, with this call's class of data and purpose."""
    policy = call.active.policy
    route = policy.model(model_id)
    facts = [
        CallFacts(call.principal, each, model_id, call.data_class, call.purpose, call.wall_ns)
        for each in _CALLS
    ]
    return any(policy.admission.decide(each, route).decision.allowed for each in facts)
