"""Which IAM actions Terraform's AWS provider needs for each type of resource of our modules, and on what.

The environment and the gateway's home have lists of their own: what they build bears other names. ARNs hold
places for `{partition}`, `{region}`, `{account}`, `{prefix}` and `{role}`.
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
    home: Mapping[str, tuple[Grant, ...]]


def iam_actions() -> Mapping[str, tuple[Grant, ...]]:
    """Return the grants by type of resource of the environment."""
    return _read().types


def home_actions() -> Mapping[str, tuple[Grant, ...]]:
    """Return the grants by type of resource of the gateway's home, the module `modules/gateway`."""
    return _read().home


@cache
def _read() -> _Actions:
    data = files("keepstone.catalog").joinpath("data/iam_actions.json").read_bytes()
    return msgspec.json.decode(data, type=_Actions)
