"""Jurisdictions as data: blocs of countries, laws on transfers, adequacy decisions with their dates.

Each law says which countries are home, which decisions find other countries adequate from when to when and
on what condition, and which article stands behind each ground. What it is about is a country, written as its
ISO 3166 code; `EU` and `EEA` stand for their members.
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec
from msgspec import Struct

Needs = Literal["", "scope", "certification"]
"""What an importer must show before a decision covers it: nothing, that it is in scope, a certification."""


class Articles(Struct, frozen=True):
    """The clause behind each ground, as it is cited."""

    transfer: str
    home: str
    adequacy: str
    scc: str
    bcr: str
    assessment: str
    derogation: str
    purpose: str
    consent: str
    explicit: str
    withdrawn: str


class Adequacy(Struct, frozen=True):
    """One decision that a country is adequate, from `since` to the end of `until`."""

    country: str
    since: date
    decision: str
    until: date | None = None
    needs: Needs = ""
    scope: str = ""

    def holds(self, day: date) -> bool:
        """Say whether the decision is in force on `day`."""
        return self.since <= day and (self.until is None or day <= self.until)


class Regime(Struct, frozen=True):
    """One law on transfers; a `free` one has no general rule against them."""

    id: str
    law: str
    home: str
    jurisdictions: tuple[str, ...]
    source: str
    articles: Articles
    adequacy: tuple[Adequacy, ...] = ()
    free: bool = False


class _Jurisdictions(Struct, frozen=True):
    looked_at: date
    blocs: dict[str, frozenset[str]]
    regimes: tuple[Regime, ...]


@cache
def _catalogue() -> _Jurisdictions:
    raw = files("keepstone.catalog").joinpath("data", "jurisdictions.json").read_bytes()
    return msgspec.json.decode(raw, type=_Jurisdictions)


@cache
def _by_jurisdiction() -> Mapping[str, Regime]:
    return {code: regime for regime in _catalogue().regimes for code in regime.jurisdictions}


def looked_at() -> date:
    """Return the day on which the sources were read."""
    return _catalogue().looked_at


def regimes() -> tuple[Regime, ...]:
    """Return every law of the catalogue."""
    return _catalogue().regimes


def blocs() -> Mapping[str, frozenset[str]]:
    """Return the members of each bloc."""
    return _catalogue().blocs


def countries_of(code: str) -> frozenset[str]:
    """Return the members of a bloc, or the country itself."""
    return _catalogue().blocs.get(code, frozenset((code,)))


def regime_of(jurisdiction: str) -> Regime | None:
    """Return the law of a jurisdiction, a part's (`US-CA`) being its country's; `None` if none is known."""
    found = _by_jurisdiction()
    return found.get(jurisdiction) or found.get(jurisdiction.partition("-")[0])
