"""Which models stand under a limit of money without a price: what becomes of their calls is `rates.unpriced`.

A pattern stands for many ids: it is named when no price fits any of them. Whether each of them has one shows
when it is called.
"""

from collections.abc import Iterator

from keepstone.policy.model_ids import is_pattern, names_of, overlap
from keepstone.policy.prices import PriceBook
from keepstone.policy.problems import shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.limits import Limit
from keepstone.policy.schema.upstreams import BedrockUpstream, Model


def price_book(policy: Policy) -> PriceBook:
    """Return every price that holds under a document."""
    regions = {
        name: each.region for name, each in policy.upstreams.items() if isinstance(each, BedrockUpstream)
    }
    return PriceBook(policy.prices, regions)


def unpriced_in_words(policy: Policy, limit: Limit) -> list[str]:
    """Return the same for people: each model, with the upstreams where those are not all."""
    upstreams = {model.id: model.upstreams for model in policy.models}
    return [
        f"`{shown(model)}`"
        if without == upstreams.get(model, without)
        else f"`{shown(model)}` at {_names(without)}"
        for model, without in unpriced(policy, limit).items()
    ]


def _names(upstreams: tuple[str, ...]) -> str:
    return " and ".join(f"`{each}`" for each in upstreams)


def unpriced(policy: Policy, limit: Limit) -> dict[str, tuple[str, ...]]:
    """Return the models that a limit of money counts and that have no price in its currency.

    Each with its upstreams at which there is none: a call needs a price at all upstreams of its model.
    """
    prices = price_book(policy)
    found: dict[str, tuple[str, ...]] = {}
    for model in policy.models:
        for asked in _counted(limit, model):
            without = tuple(
                name
                for name in model.upstreams
                if not any(
                    prices.may_have(each, name, limit.currency)
                    for each in dict.fromkeys((model.upstream_ids.get(name, asked), asked))
                )
            )
            if without:
                found[asked] = without
    return found


def _counted(limit: Limit, model: Model) -> Iterator[str]:
    """Yield the ids of an entry that a limit is about: its own, or the ones that the limit names."""
    for glob in limit.models:
        if any(overlap(glob, name) for name in names_of(model.id)):
            yield glob if is_pattern(model.id) and not is_pattern(glob) else model.id
