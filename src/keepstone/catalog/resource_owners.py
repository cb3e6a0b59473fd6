"""Who should care of a type of resource where no check says it, and what a type says more about."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from keepstone.catalog.checks import Who


class ResourceOwner(Struct, frozen=True, forbid_unknown_fields=True):
    """Who should care; `of` is the type that this one is part of, whose resource its argument `by` names."""

    who: Who
    of: str = ""
    by: str = ""


# What stands in the folder beside the module's belongs to who runs the account.
_ELSE = ResourceOwner(Who.PLATFORM)


@cache
def resource_owners() -> Mapping[str, ResourceOwner]:
    """Return the owners of the module's types."""
    text = files("keepstone.catalog").joinpath("data/resource_owners.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, ResourceOwner])


def owner_of(kind: str) -> ResourceOwner:
    """Return the owner of a type of resource; there always is one."""
    return resource_owners().get(kind, _ELSE)
