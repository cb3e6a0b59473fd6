"""Which IAM actions Terraform's AWS provider needs for each type of resource of the module, and on what.

ARNs hold places for `{partition}`, `{region}`, `{account}`, `{prefix}` and `{role}`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Grant(Struct, frozen=True):
    """Actions on resources."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]


class _Actions(Struct, frozen=True):
    source: str
    types: Mapping[str, tuple[Grant, ...]]


@cache
def iam_actions() -> Mapping[str, tuple[Grant, ...]]:
    """Return the grants by type of resource."""
    data = files("keepstone.catalog").joinpath("data/iam_actions.json").read_bytes()
    return msgspec.json.decode(data, type=_Actions).types
