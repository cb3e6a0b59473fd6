"""What a call costs: the policy's own prices first, then those that were published, each from its day on.

Money is counted in whole billionths of its currency, prices in whole thousandths of those for one token, so
that no sum depends on rounding. A cost is rounded up, once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from keepstone.catalog.prices import PublishedPrice, published_prices
from keepstone.core.exchange import TokenUsage
from keepstone.policy.model_ids import Glob, is_pattern, names_for_denial, overlap
from keepstone.policy.schema import limits as schema

MEMO_SIZE = 4096
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY_NS = 86_400_000_000_000
_FINE = 1_000  # a token's price is in thousandths of a billionth


@dataclass(frozen=True, slots=True, eq=False)
class Price:
    """The price of one token of each kind, in thousandths of a billionth of `currency`."""

    currency: str
    input: int
    output: int
    cache_read: int
    cache_write: int

    def cost(self, usage: TokenUsage) -> int:
        """Return what the tokens cost, in billionths of the currency, rounded up."""
        fine = usage.input * self.input + usage.output * self.output
        if usage.cache_read or usage.cache_write:
            fine += usage.cache_read * self.cache_read + usage.cache_write * self.cache_write
        return -(-fine // _FINE)

    def worst(self, read: int, written: int) -> int:
        """Return the most that so many tokens in and out can cost, whatever the cache does."""
        dearest = max(self.input, self.cache_read, self.cache_write)
        return -(-(read * dearest + written * self.output) // _FINE)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    glob: Glob
    region: str
    since: int
    price: Price

    def fits(self, names: tuple[str, ...], region: str, day: int) -> bool:
        return self.since <= day and self.region in ("*", region) and self.glob.matches_any(names)

    def may_fit(self, names: tuple[str, ...]) -> bool:
        """Say whether the row is about a model with one of these names, which may be patterns."""
        return any(overlap(self.glob.pattern, name) for name in names)

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Return how much a row says about just this model, here and now."""
        return self.region != "*", len(self.glob.pattern.replace("*", "")), self.since


class PriceBook:
    """Every price that a policy knows; pure, its memo bounded."""

    def __init__(self, own: Iterable[schema.Price], regions: dict[str, str]) -> None:
        self._tables = (tuple(map(_row, own)), tuple(map(_row, published_prices())))
        self._regions = regions
        self._memo: dict[tuple[str, str, int], Price | None] = {}

    def price(self, model_id: str, upstream: str, wall_ns: int) -> Price | None:
        """Return the price of a model at an upstream on a day, or `None` when nobody has stated one."""
        key = (model_id, upstream, wall_ns // _DAY_NS)
        try:
            return self._memo[key]
        except KeyError:
            if len(self._memo) >= MEMO_SIZE:
                self._memo.clear()
            found = self._memo[key] = self._find(*key)
            return found

    def may_have(self, model: str, upstream: str, currency: str) -> bool:
        """Say whether some day has a price in a currency for a model id, or for one that fits a pattern."""
        names, region = names_for_denial(model), self._regions.get(upstream, "")
        tables = [
            [row for row in table if row.region in ("*", region) and row.may_fit(names)]
            for table in self._tables
        ]
        if not is_pattern(model):  # the policy's own prices of an id hide those that were published
            tables = [next(filter(None, tables), [])]
        return any(row.price.currency == currency for table in tables for row in table)

    def _find(self, model_id: str, upstream: str, day: int) -> Price | None:
        names = names_for_denial(model_id)
        for table in self._tables:
            rows = [each for each in table if each.fits(names, self._regions.get(upstream, ""), day)]
            if rows:
                return max(rows, key=lambda row: row.rank).price
        return None


def _row(price: schema.Price | PublishedPrice) -> _Row:
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    return _Row(
        Glob(price.model.lower()),
        price.region,
        price.since.toordinal() - _EPOCH_DAY,
        Price(price.currency, _fine(price.input), _fine(price.output), _fine(read), _fine(write)),
    )


def _fine(per_million: float) -> int:
    """Return the price of one token: a millionth of a unit's million tokens, in thousandths of billionths."""
    return round(Decimal(str(per_million)) * 1_000_000)
