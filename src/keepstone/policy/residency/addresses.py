"""What a model id says about where Bedrock computes: one region, a profile to be looked up, or nothing.

An id is taken for a model in the upstream's own region only if it begins with a known provider; what merely
looks like one may be a profile of a geography that nobody here has heard of yet.
"""

import re
from dataclasses import dataclass

from keepstone.catalog.places import ANYWHERE, profiles

_REGIONAL = frozenset(
    {
        "foundation-model",
        "provisioned-model",
        "custom-model",
        "custom-model-deployment",
        "imported-model",
        "endpoint",  # a marketplace model's, of SageMaker
    }
)
_PROFILES = frozenset({"inference-profile", "application-inference-profile"})
_REGION_IN_ARN = 3
_ARN = re.compile(r"arn:[a-z-]+:(?:bedrock|sagemaker):[a-z0-9-]*:[0-9]*:[a-z-]+/.+")


@dataclass(frozen=True, slots=True)
class InRegions:
    """Computed in these regions, beside the one that is called."""

    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InProfile:
    """Computed where this inference profile says: its id, or its ARN for an application profile."""

    profile: str


@dataclass(frozen=True, slots=True)
class Nowhere:
    """The id does not say."""

    because: str


Address = InRegions | InProfile | Nowhere


def address_of(model_id: str) -> Address:
    """Return where the calls of `model_id` go, as far as the id tells."""
    if model_id.startswith("arn:"):
        return _arn(model_id)
    provider, dot, _ = model_id.partition(".")
    if dot and provider in profiles().providers:
        return InRegions()
    return InProfile(model_id)


def shipped(profile: str) -> tuple[str, ...]:
    """Return the widest set of regions documented for a profile's geography, empty for an unknown one."""
    return profiles().geographies.get(profile.partition(".")[0], ())


def _arn(model_id: str) -> Address:
    if not _ARN.fullmatch(model_id):
        return Nowhere("the ARN does not have the form of one of Bedrock")
    parts = model_id.split(":", 5)
    kind, _, name = parts[5].partition("/")
    if kind in _REGIONAL:
        return InRegions((parts[_REGION_IN_ARN],) if parts[_REGION_IN_ARN] else (ANYWHERE,))
    if kind in _PROFILES:
        return InProfile(name if kind == "inference-profile" else model_id)
    return Nowhere(f"a call of a `{kind}` may go wherever its configuration says")
