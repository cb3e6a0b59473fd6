"""The metrics that Bedrock publishes in CloudWatch, by namespace, read from `data/bedrock_metrics.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct


class Metrics(Struct, frozen=True, forbid_unknown_fields=True):
    """The names in a namespace, and whether they have data only with dimensions."""

    names: frozenset[str]
    needs_dimensions: bool


@cache
def bedrock_metrics() -> Mapping[str, Metrics]:
    """Return the metrics of each namespace."""
    text = files("keepstone.catalog").joinpath("data", "bedrock_metrics.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Metrics])
