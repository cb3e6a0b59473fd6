"""Published prices of models: rows with a date and a source, read from `prices.toml` beside this file.

A model whose price could not be sourced is not listed; the policy's own `prices` add it.
"""

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Amount = Annotated[float, Meta(ge=0)]


class PublishedPrice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a million tokens of a model cost in a region from a day on; `*` is any text, or any region."""

    model: str
    region: str = "*"
    currency: str = "USD"
    input: Amount
    output: Amount
    cache_read: Amount | None = None
    cache_write: Amount | None = None
    since: date
    source: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, str]
    price: tuple[PublishedPrice, ...]


@cache
def published_prices() -> tuple[PublishedPrice, ...]:
    """Return every row, its `source` spelt out."""
    text = files("keepstone.catalog").joinpath("prices.toml").read_text(encoding="utf-8")
    found = msgspec.convert(tomllib.loads(text), _File)
    return tuple(msgspec.structs.replace(row, source=found.sources[row.source]) for row in found.price)
