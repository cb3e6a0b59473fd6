"""Where things are: AWS regions with their countries, and what inference profiles may reach.

`regions.json` is generated from botocore and a table of countries (`python -m tools.regions`). A region whose
country is not public has none, which is no permission: what cannot be placed is refused by who asks.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

ANYWHERE = "*"
"""A destination that nobody can name: any region there is or will be."""


class Region(Struct, frozen=True):
    """One AWS region; `country` is an ISO 3166 code, empty where it is not public."""

    id: str
    country: str
    name: str
    partition: str
    dns_suffix: str


class _Regions(Struct, frozen=True):
    looked_at: str
    source: str
    regions: tuple[Region, ...]


class Profiles(Struct, frozen=True):
    """The widest sets of regions documented for geographic prefixes, and the names of model providers.

    `looked_at` is the day on which the sources were read.
    """

    looked_at: str
    source: str
    note: str
    geographies: dict[str, tuple[str, ...]]
    providers: frozenset[str]


@cache
def regions() -> Mapping[str, Region]:
    """Return every known region by its id."""
    found = msgspec.json.decode(_data("regions.json"), type=_Regions)
    return {each.id: each for each in found.regions}


@cache
def profiles() -> Profiles:
    """Return what is documented about inference profiles."""
    return msgspec.json.decode(_data("profiles.json"), type=Profiles)


def country_of(region: str) -> str:
    """Return the country of a region, empty for one that is unknown or whose country is not public."""
    found = regions().get(region)
    return found.country if found else ""


def partition_of(region: str) -> str:
    """Return the partition of a region as ARNs name it, such as `aws-us-gov`; empty where nobody knows.

    A region that is newer than the list is where its neighbours are: `us-gov-north-1` with `us-gov-west-1`.
    """
    found = regions().get(region)
    if found is not None:
        return found.partition
    near = {each.partition for each in regions().values() if _area(each.id) == _area(region)}
    return near.pop() if len(near) == 1 else ""


def _area(region: str) -> str:
    """Return a region's name without direction and number, which no two partitions share."""
    return region.rsplit("-", 2)[0]


def commercial_regions() -> tuple[str, ...]:
    """Return the ids of the regions of AWS's commercial partition, in order."""
    return tuple(sorted(each.id for each in regions().values() if each.partition == "aws"))


def _data(name: str) -> bytes:
    return files("keepstone.catalog").joinpath("data", name).read_bytes()
