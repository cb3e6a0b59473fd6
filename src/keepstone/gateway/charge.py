"""What a call may take of its limits, and what it took: tokens by estimate, then by count; money by price."""

from msgspec import Struct

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import Operation, TokenUsage
from keepstone.gateway.bodies import body_for
from keepstone.gateway.call import Call
from keepstone.policy.limits import Amounts, LimitRule
from keepstone.policy.prices import Price

UNCHARGED = frozenset({Operation.COUNT_TOKENS, Operation.APPLY_GUARDRAIL})
"""Calls that no model charges for."""
PERHAPS_CHARGED = frozenset(
    {
        ReasonCode.UPSTREAM_TIMED_OUT,
        ReasonCode.DEADLINE_EXCEEDED,
        ReasonCode.CALLER_LEFT,
        ReasonCode.INTERNAL,
    }
)
"""Ends of a call after which nobody knows what the upstream has done for it."""


class Expected(Struct, frozen=True):
    """What a call may use; `priced` is false when a limit of money applies and no price is known."""

    amounts: Amounts
    priced: bool = True


def expected(call: Call, limits: tuple[LimitRule, ...]) -> Expected:
    """Return what to reserve for a call."""
    assert call.route is not None  # noqa: S101 - admit refuses a call without a route
    operation = call.route.operation
    if operation in UNCHARGED:
        return Expected((1, 0, 0, 0, 0, 0, 1))
    rates = call.active.policy.rates
    read = len(call.body) // rates.bytes_per_token
    written = body_for(operation, call.route.model_id).max_tokens(call.document) or rates.assume_output
    cost: int | None = 0
    for rule in limits:
        if rule.currency:
            cost = _dearest(call, rule.currency, read, written)
            break
    # At least one output token, so that a limit on them that is used up admits nothing.
    amounts = (1, read + written, read, max(1, written), cost or 0, 1 if operation.streams else 0, 1)
    return Expected(amounts, cost is not None)


def charge(call: Call) -> None:
    """Note what the call's tokens cost, if their price is known."""
    price = price_at(call, call.upstream)
    if call.trial is not None:  # which version answered is known by now
        own = call.active.policy.prices.price(call.upstream_model, call.upstream, call.wall_ns)
        price = own or price
    if price is not None:
        call.cost, call.currency = price.cost(call.usage), price.currency
    if call.hedged_tokens:
        lost = price_at(call, call.hedged)
        if lost is not None and lost.currency == call.currency:
            call.cost += lost.cost(TokenUsage(call.hedged_tokens, 0))


def used(call: Call) -> Amounts:
    """Return what a call that is over has taken; what nobody knows stays as it was reserved."""
    assert call.reservation is not None  # noqa: S101 - the caller has just looked
    reserved, usage = call.reservation.amounts, call.usage
    if not usage.total and call.attempts and _reason(call.decision) in PERHAPS_CHARGED:
        return (*reserved[:5], 0, 0)
    cost = reserved[4] if usage.total and not call.currency else call.cost
    lost = call.hedged_tokens
    return (1, usage.total + lost, usage.input + lost, usage.output, cost, 0, 0)


def price_at(call: Call, upstream: str) -> Price | None:
    """Return the price of the call's model at an upstream, by its id there or else by the caller's."""
    assert call.route is not None  # noqa: S101 - only calls with a route are priced
    prices, model_id = call.active.policy.prices, call.route.model_id
    there = call.model.upstream_id(upstream, model_id) if call.model else model_id
    found = prices.price(there, upstream, call.wall_ns)
    if found is None and there != model_id:
        found = prices.price(model_id, upstream, call.wall_ns)
    return found


def _dearest(call: Call, currency: str, read: int, written: int) -> int | None:
    """Return the most that the call may cost at any of its upstreams, `None` if one has no such price."""
    assert call.model is not None  # noqa: S101 - admit refuses a call without a model
    dearest = 0
    for upstream in call.model.upstreams:
        price = price_at(call, upstream)
        if price is None or price.currency != currency:
            return None
        dearest = max(dearest, price.worst(read, written))
    return dearest


def _reason(decision: Decision | None) -> ReasonCode | None:
    return decision.reason.code if decision is not None else None
