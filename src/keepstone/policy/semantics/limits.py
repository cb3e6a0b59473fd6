"""What a well-formed document still gets wrong about limits, and the prices that they count by."""

from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from keepstone.policy.duration import parse_duration
from keepstone.policy.problems import Fault, Path, shown
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.limits import DEFAULT_WINDOW, Limit
from keepstone.policy.semantics.references import globs_match_something, unknown, warning
from keepstone.policy.unpriced import unpriced_in_words

_LONGEST_WINDOW = "31d"
_UNPRICED = {
    "refuse": (
        "their calls are refused (`price_unknown`)",
        "state their prices in `prices`, or let such calls pass uncounted by `rates: {unpriced: allow}`",
    ),
    "allow": (
        "their calls pass and this limit does not count them",
        "state their prices in `prices`; `keepstone_unpriced_calls_total` counts such calls",
    ),
}


def _limits_make_sense(policy: Policy) -> Iterator[Fault]:
    names: set[str] = set()
    for index, limit in enumerate(policy.limits):
        path: Path = ("limits", index)
        if limit.name in names:
            yield Fault((*path, "name"), f"duplicate limit `{limit.name}`", "give each limit its own name")
        names.add(limit.name)
        yield from _limit_says_something(limit, path)
        for number, role in enumerate(limit.roles):
            if role != "*" and role not in policy.identities.roles:
                yield unknown((*path, "roles", number), "role", role, policy.identities.roles)
        yield from globs_match_something(limit.models, (*path, "models"), policy, "limit")
        if parse_duration(limit.window) > parse_duration(_LONGEST_WINDOW):
            yield Fault((*path, "window"), f"expected at most `{_LONGEST_WINDOW}`, got `{limit.window}`")


def _limit_says_something(limit: Limit, path: Path) -> Iterator[Fault]:
    spent = (limit.requests, limit.tokens, limit.input_tokens, limit.output_tokens, limit.cost)
    is_timed = any(each is not None for each in spent)
    if not is_timed and limit.streams is None and limit.concurrent is None:
        hint = "set `requests`, `tokens`, `cost`, `streams` or another unit"
        yield Fault(path, f"limit `{limit.name}` limits nothing", hint)
    if limit.per is not None and limit.window != DEFAULT_WINDOW:
        yield Fault((*path, "per"), "`per` and `window` exclude each other")
    if limit.per is None and limit.zone != "UTC":
        yield warning((*path, "zone"), "`zone` matters with `per` only")
    try:
        ZoneInfo(limit.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Fault((*path, "zone"), f"unknown time zone `{shown(limit.zone)}`", "such as `Europe/Oslo`")


def _prices_fit_the_limits_of_money(policy: Policy) -> Iterator[Fault]:
    currencies = {limit.currency for limit in policy.limits if limit.cost is not None}
    if len(currencies) > 1:
        first = next(n for n, limit in enumerate(policy.limits) if limit.cost is not None)
        found = ", ".join(f"`{each}`" for each in sorted(currencies))
        yield Fault(
            ("limits", first, "currency"),
            f"limits of money are in {found}, expected one currency",
            "a price is in one currency and cannot be converted",
        )
    for index, price in enumerate(policy.prices):
        if currencies and price.currency not in currencies:
            yield warning(
                ("prices", index, "currency"),
                f"no limit of money is in `{price.currency}`: it counts nowhere",
            )
        yield from globs_match_something((price.model,), ("prices", index), policy, "price")


def _what_costs_money_has_a_price(policy: Policy) -> Iterator[Fault]:
    fate, hint = _UNPRICED[policy.rates.unpriced]
    for index, limit in enumerate(policy.limits):
        models = unpriced_in_words(policy, limit) if limit.cost is not None else []
        if models:
            message = f"no price in `{limit.currency}` is known for {', '.join(models)}: {fate}"
            yield warning(("limits", index, "cost"), message, hint)


LIMIT_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _limits_make_sense,
    _prices_fit_the_limits_of_money,
    _what_costs_money_has_a_price,
)
