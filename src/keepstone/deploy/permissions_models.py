"""The policy's models as IAM names them: patterns stay patterns, profiles and what stands behind them.

IAM's `*` is ours: any run of characters, `/` and `:` among them. Its `?` is not, and is written as a letter.
Models behind a profile are allowed by way of a profile only; it is the profile's own ARN that says which.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from keepstone.catalog.places import ANYWHERE, partition_of, profiles
from keepstone.deploy.documents import Document, Place, allow
from keepstone.deploy.models import calls_of
from keepstone.policy.model_ids import Glob, canonical_name, is_pattern
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.upstreams import BedrockUpstream

INVOKE = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
MANTLE = "bedrock-mantle:CreateInference"
"""Models by OpenAI's and Anthropic's interfaces: no condition of it asks for a guardrail."""
LISTS = (
    "bedrock:GetFoundationModel",
    "bedrock:GetInferenceProfile",
    "bedrock:ListFoundationModels",
    "bedrock:ListInferenceProfiles",
)
_AT_ONCE = 40
"""So many ARNs in a statement: it stays well below what a policy may be, and can be put into parts."""
_COUNT = "bedrock:CountTokens"
_PARTS_OF_AN_ARN = 6


@dataclass(frozen=True, slots=True)
class _Behind:
    """Foundation models that profiles lead to, and which profiles; without `regions` wherever that is."""

    models: str
    by: str
    regions: tuple[str, ...] = ()


def calling(
    place: Place, policy: Policy, upstreams: Iterable[str], actions: Iterable[str]
) -> Iterator[Document]:
    """Yield statements that let the models be called which the policy asks for at these upstreams.

    Nothing is yielded where the policy asks for none there.
    """
    actions = list(actions)
    arns: list[str] = []
    counted: list[str] = []
    behind: list[tuple[str, _Behind]] = []
    for region, name in _asked(policy, frozenset(upstreams)):
        found = list(_behind(place, region, name))
        behind += [(partition_of(region), each) for each in found]
        arns += _arns(place, region, name, leads=bool(found))
        counted += [_model(region, each.models) for each in found]
    yield from _allowed(actions, arns)
    by_profiles = [each for each in actions if each != _COUNT]
    bound = {"ArnLike": {"bedrock:InferenceProfileArn": sorted({each.by for _, each in behind})}}
    for statement in _allowed(by_profiles, _led_to(behind)):
        yield statement | {"Condition": bound}
    if _COUNT in actions:
        yield from _allowed([_COUNT], counted)


def _asked(policy: Policy, upstreams: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield each region with a model's id or pattern there, that of questions for their meaning included."""
    calls = [call for model in policy.models for call in calls_of(model)]
    if policy.cache is not None and policy.cache.embedding is not None:
        calls.append((policy.cache.embedding.upstream, policy.cache.embedding.model))
    for name, id_ in dict.fromkeys(calls):
        upstream = policy.upstreams[name]
        if name in upstreams and isinstance(upstream, BedrockUpstream):
            yield upstream.region, re.sub(r"\*+", "*", id_)


def _arns(place: Place, region: str, name: str, *, leads: bool) -> Iterator[str]:
    """Yield the ARNs that are called by a name: a model's, a profile's where there may be one, or its own."""
    if name.startswith("arn:"):
        if len(name.split(":", _PARTS_OF_AN_ARN - 1)) == _PARTS_OF_AN_ARN:
            yield _written(name)
        return
    if canonical_name(name) == name:
        yield _model(region, name)
    if leads:
        yield _profile(place, region, name)


def _behind(place: Place, region: str, name: str) -> Iterator[_Behind]:
    """Yield what stands behind the profiles that a name means, if it means any."""
    head = _profile(place, region, "")
    if name.startswith("arn:"):
        head, _, name = name.partition("/")
        if head.endswith(":application-inference-profile"):  # nobody but AWS knows of what it is
            yield _Behind("*", _written(f"{head}/{name}"), _reached(region))
        if not head.endswith(":inference-profile"):
            return
        head += "/"
    bare = canonical_name(name)
    if bare != name:
        geography = name.removesuffix(bare)
        where = profiles().geographies.get(geography[:-1], ())
        regions = tuple(sorted({region, *where} - {ANYWHERE})) if bare == "*" or ANYWHERE in where else ()
        yield _Behind(bare, f"{head}{geography}*", regions)
    elif is_pattern(name):
        for geography, where in _geographies(region):
            for rest in rests(name, f"{geography}."):
                yield _Behind(rest, f"{head}{geography}.*", where if rest == "*" else ())


def _geographies(region: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the geographies whose profiles can be called in a region, the global one apart."""
    yield from ((name, where) for name, where in profiles().geographies.items() if region in where)


def _reached(region: str) -> tuple[str, ...]:
    return tuple(sorted({region, *(each for _, where in _geographies(region) for each in where)}))


def rests(pattern: str, start: str) -> list[str]:
    """Return patterns that together fit what follows `start` in the texts that fit `pattern`."""
    places = _from(pattern, {0})
    for letter in start:
        fitting = {at for at in places if pattern[at : at + 1] in ("*", letter)}
        places = _from(pattern, {at if pattern[at] == "*" else at + 1 for at in fitting})
    after_a_star = {at + 1 for at in places if pattern[at : at + 1] == "*"}
    return [pattern[at:] for at in sorted(places - after_a_star) if at < len(pattern)]


def _from(pattern: str, places: set[int]) -> set[int]:
    """Return these places in a pattern and those behind their stars, which may stand for nothing."""
    return places | {at + 1 for at in places if pattern[at : at + 1] == "*"}


def _led_to(behind: Iterable[tuple[str, _Behind]]) -> Iterator[str]:
    """Yield models wherever profiles lead; every model only where they are known to."""
    for partition, each in behind:
        for region in each.regions or ("*",):
            yield f"arn:{partition}:bedrock:{region}::foundation-model/{_written(each.models)}"


def _allowed(actions: list[str], arns: Iterable[str]) -> Iterator[Document]:
    """Yield statements that allow actions on ARNs, without those that a wider one means as well."""
    every = sorted(set(arns))
    wide = [Glob(each) for each in every if is_pattern(each)]
    least = [arn for arn in every if not any(each.pattern != arn and each.matches(arn) for each in wide)]
    if actions:
        for at in range(0, len(least), _AT_ONCE):
            yield allow(actions, least[at : at + _AT_ONCE])


def _model(region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:bedrock:{region}::foundation-model/{_written(name)}"


def _profile(place: Place, region: str, name: str) -> str:
    return f"arn:{partition_of(region)}:bedrock:{region}:{place.account}:inference-profile/{_written(name)}"


def _written(name: str) -> str:
    """Return a name or pattern of ours as IAM reads it: its own signs are letters to us."""
    return re.sub(r"[?$]", lambda found: f"${{{found[0]}}}", name)
