"""What resources cost a month whether they are used or not, for a first estimate of a plan."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class FixedPrice(Struct, frozen=True):
    """The price of one resource of a kind, in US dollars a month of 730 hours."""

    what: str
    usd_a_month: float
    source: str


class FixedPrices(Struct, frozen=True):
    """Prices of us-east-1, read on the day `looked_at`; other regions are a few percent dearer."""

    looked_at: str
    region: str
    kinds: Mapping[str, FixedPrice]


@cache
def fixed_prices() -> FixedPrices:
    """Return the prices by kind."""
    data = files("keepstone.catalog").joinpath("data/fixed_prices.json").read_bytes()
    return msgspec.json.decode(data, type=FixedPrices)
