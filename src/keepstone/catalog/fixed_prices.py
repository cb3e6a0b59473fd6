"""What resources cost: a month whether they are used or not, and by use; which types are paid how.

List prices of one region, before discounts, free tiers and taxes: for a first estimate, never a bill.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Paid(StrEnum):
    """How a type of resource is paid; `unknown` costs something that nobody here can tell."""

    FIXED = "fixed"
    FREE = "free"
    BY_USE = "by use"
    UNKNOWN = "unknown"


class FixedPrice(Struct, frozen=True):
    """The price of one unit, in US dollars a month of 730 hours."""

    what: str
    usd_a_month: float
    source: str


class UsePrice(Struct, frozen=True):
    """The price of some use, in US dollars for each `per`."""

    what: str
    usd: float
    per: str
    source: str


class TypePaid(Struct, frozen=True):
    """How resources of one Terraform type are paid, and what for."""

    paid: Paid
    note: str = ""


class FixedPrices(Struct, frozen=True):
    """Prices of `region`, read on the day `looked_at`; many other regions are a few percent dearer."""

    looked_at: str
    region: str
    units: Mapping[str, FixedPrice]
    types: Mapping[str, TypePaid]
    by_use: Mapping[str, UsePrice]


@cache
def fixed_prices() -> FixedPrices:
    """Return the prices by unit, and the types by name."""
    data = files("keepstone.catalog").joinpath("data/fixed_prices.json").read_bytes()
    return msgspec.json.decode(data, type=FixedPrices)
