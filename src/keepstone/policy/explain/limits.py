"""Limits and what counting rests on, in plain sentences, with what they leave open."""

from collections.abc import Iterator

from keepstone.policy.duration import parse_duration
from keepstone.policy.explain.prose import listed, models_in_words
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.limits import Limit
from keepstone.policy.unpriced import unpriced_in_words

_UNCOUNTED = {
    "refuse": "calls that a limit applies to are refused.",
    "local": "each gateway counts by itself, up to {share} % of each limit.",
    "allow": "calls pass uncounted.",
}


def explain_limit(limit: Limit) -> str:
    """Return one limit as a sentence."""
    spent = [
        f"{bound} {unit}"
        for bound, unit in (
            (limit.requests, "requests"),
            (limit.tokens, "tokens"),
            (limit.input_tokens, "input tokens"),
            (limit.output_tokens, "output tokens"),
        )
        if bound is not None
    ]
    if limit.cost is not None:
        spent.append(f"{limit.cost:g} {limit.currency}")
    span = f"in a calendar {limit.per} ({limit.zone})" if limit.per else f"in {limit.window}"
    held = [
        f"{bound} {unit}"
        for bound, unit in ((limit.streams, "streams"), (limit.concurrent, "calls"))
        if bound is not None
    ]
    may = [f"spend {listed(spent)} {span}"] * bool(spent) + [f"have {listed(held)} open at once"] * bool(held)
    alerts = f"; alerts at {listed([f'{each} %' for each in limit.alert_at])}" if limit.alert_at else ""
    whose = "the organisation" if limit.scope == "organisation" else f"each {limit.scope}"
    roles = "" if "*" in limit.roles else f" (calls by {listed(limit.roles)})"
    models = "" if "*" in limit.models else f" on {models_in_words(limit.models)}"
    return f"`{limit.name}`: {whose}{roles} may {' and '.join(may)}{models}{alerts}."


def explain_counting(policy: Policy) -> Iterator[str]:
    """Yield what counting rests on, nothing for a document without limits."""
    if not policy.limits:
        return
    rates = policy.rates
    yield "What is counted lives in the gateway's memory, or in a store that several gateways share."
    meanwhile = _UNCOUNTED[rates.when_unavailable].format(share=rates.local_share)
    yield f"While a shared store is gone, {meanwhile}"
    how = "a token for four bytes" if rates.reserve == "estimate" else "a token for each byte"
    yield (
        f"Until its use is known, a call reserves {how} of its body, and the output that it states, or "
        f"{rates.assume_output} tokens where it states none."
    )
    yield from _money(policy)


def _money(policy: Policy) -> Iterator[str]:
    limits = [each for each in policy.limits if each.cost is not None]
    if not limits:
        return
    refused = policy.rates.unpriced == "refuse"
    verb = "refused" if refused else "let through"
    yield f"Under a limit of money, a call of a model without a price is {verb}."
    for limit in limits:
        without = unpriced_in_words(policy, limit)
        if without:
            so = "so all their calls are refused" if refused else "so it does not count their calls"
            yield f"No price in {limit.currency} is known under `{limit.name}` for {listed(without)}, {so}."


def limit_gaps(policy: Policy) -> Iterator[str]:
    """Yield what limits leave open."""
    if not policy.limits:
        yield "Nothing bounds how much anyone spends."
    elif policy.rates.when_unavailable == "allow":
        yield "Limits bind nobody while the shared store is gone."
    if any(each.per or parse_duration(each.window) >= parse_duration("1h") for each in policy.limits):
        yield "What is counted in a gateway's memory, not in a shared store, is forgotten when it restarts."
    if policy.rates.unpriced == "allow" and any(limit.cost is not None for limit in policy.limits):
        yield "Limits of money do not see models without a price."
