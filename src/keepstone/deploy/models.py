"""Which of the policy's models are on Bedrock, and in which regions: what the module lets be invoked."""

from collections.abc import Iterator
from dataclasses import dataclass

from keepstone.catalog.places import ANYWHERE, partition_of, profiles
from keepstone.policy.model_ids import canonical_name, is_pattern
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.upstreams import BedrockUpstream, Model

_OF_PROFILES = ("inference-profile/", "application-inference-profile/")
_PARTS_OF_AN_ARN = 6


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A model that has no place in a list of ARNs, and why."""

    model: str
    why: str


@dataclass(frozen=True, slots=True)
class Models:
    """What the policy calls on Bedrock.

    `arns` names every model, and is empty while one of `unnamed` (a pattern, a profile) stands for more than
    a list can say. `regions` are those in which models are called, `reached` those besides in which profiles
    of a geography may compute, as far as that is documented. `elsewhere` are what other servers answer.
    """

    arns: tuple[str, ...]
    regions: tuple[str, ...]
    reached: tuple[str, ...]
    unnamed: tuple[Unlisted, ...]
    elsewhere: tuple[Unlisted, ...]


def models_of(policy: Policy) -> Models:
    """Return what of the policy's models the module can be told, trials and copies of calls included."""
    arns: dict[str, None] = {}
    regions: set[str] = set()
    reached: set[str] = set()
    unnamed: dict[Unlisted, None] = {}
    elsewhere = []
    for model in policy.models:
        found = [(policy.upstreams[name], id_) for name, id_ in calls_of(model)]
        on_bedrock = [(each.region, id_) for each, id_ in found if isinstance(each, BedrockUpstream)]
        if not on_bedrock:
            elsewhere.append(Unlisted(model.id, _servers(policy, model)))
        for region, id_ in on_bedrock:
            regions.add(region)
            reached.update(_destinations(id_))
            why = _unnameable(id_)
            if why:
                unnamed[Unlisted(id_, why)] = None
            else:
                arns[_arn(region, id_)] = None
    return Models(
        () if unnamed else tuple(arns),
        tuple(sorted(regions)),
        tuple(sorted(reached - regions)),
        tuple(unnamed),
        tuple(elsewhere),
    )


def calls_of(model: Model) -> Iterator[tuple[str, str]]:
    """Yield where calls of a model may go, and its id there: its upstreams, a new version, a copy."""
    yield from ((name, model.upstream_ids.get(name, model.id)) for name in model.upstreams)
    for trial in (model.canary, model.shadow):
        if trial is not None:
            names = model.upstreams if trial.upstream is None else (trial.upstream,)
            for name in names:
                yield name, trial.upstream_id or model.upstream_ids.get(name, model.id)


def _servers(policy: Policy, model: Model) -> str:
    """Say who answers a model, which is not Bedrock."""
    kinds = ((name, type(policy.upstreams[name]).__struct_config__.tag) for name in model.upstreams)
    return " and ".join(f"upstream `{name}` is of kind `{kind}`" for name, kind in kinds)


def _unnameable(id_: str) -> str:
    """Say why no ARN names an id, empty if one does; a profile's holds the account, not known here."""
    if is_pattern(id_):
        return "a pattern"
    if id_.startswith("arn:"):
        is_profile = id_.split(":", _PARTS_OF_AN_ARN - 1)[-1].startswith(_OF_PROFILES)
    else:
        is_profile = canonical_name(id_) != id_
    return "an inference profile" if is_profile else ""


def _destinations(id_: str) -> frozenset[str]:
    """Return where a profile may compute, none where that is not known or anywhere."""
    name = id_.rpartition("/")[2] if id_.startswith("arn:") else id_
    return frozenset(profiles().geographies.get(name.partition(".")[0], ())) - {ANYWHERE}


def _arn(region: str, id_: str) -> str:
    if id_.startswith("arn:"):
        return id_
    return f"arn:{partition_of(region)}:bedrock:{region}::foundation-model/{id_}"
