"""Under which ids an entry of `models` may be asked for, and where those are computed, as far as is known.

A pattern stands for ids that nobody has written down. Those that are known are judged one by one; what is
said of all the others must hold for each of them: that they are computed where they are called, or that it
cannot be told. An ARN names its region or profile itself, and is judged when it is called. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from keepstone.catalog.places import profiles
from keepstone.policy.model_ids import is_pattern, names_of
from keepstone.policy.residency.addresses import shipped
from keepstone.policy.residency.routing import Reach, reach_of
from keepstone.policy.residency.rules import Site
from keepstone.policy.rules import ModelRoute

LookUp = Callable[[str, str], Reach]
"""Where an upstream's inference profile computes."""


@dataclass(frozen=True, slots=True)
class Atlas:
    """What is known of ids: where profiles compute, those AWS told of at an upstream, those of the policy.

    `assume` says that the table that is shipped may stand for what AWS has not said.
    """

    look_up: LookUp
    profiles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    named: Sequence[str] = ()
    assume: bool = False


def ids_of(model: ModelRoute, upstream: str, models: Sequence[ModelRoute], atlas: Atlas) -> list[str]:
    """Return the ids under which an entry is judged at an upstream: the known ones, then its pattern."""
    if not is_pattern(model.upstream_id(upstream, model.name)):
        return [model.name]
    known = dict.fromkeys((*atlas.named, *atlas.profiles.get(upstream, ())))
    found = [each for each in known if not is_pattern(each) and _entry_of(each, models) is model]
    return [*sorted(found), model.name]


def reach_at(site: Site, upstream: str, model_id: str, atlas: Atlas) -> Reach:
    """Return where calls of an id, or of whatever else fits a pattern, go from an upstream."""
    if not site.region or not is_pattern(model_id):
        return reach_of(site, upstream, model_id, atlas.look_up)
    first, dot, _ = model_id.partition("*")[0].partition(".")
    if dot and first in profiles().providers:
        return Reach(source="ids of a provider are computed where they are called")
    if dot and atlas.assume and (regions := shipped(f"{first}.")):
        return Reach(regions, "shipped table", assumed=True)
    if dot and first in profiles().geographies:
        return Reach(
            unknown=f"the gateway has not heard from AWS where other profiles of `{model_id}` compute"
        )
    return Reach(unknown=f"`{model_id}` fits inference profiles, too; nobody has said which are meant")


def with_trials(models: Sequence[ModelRoute]) -> Iterator[ModelRoute]:
    """Yield every entry and what is tried beside it: data goes there, too."""
    for model in models:
        yield model
        yield from (trial.route for trial in (model.canary, model.shadow) if trial is not None)


def _entry_of(model_id: str, models: Sequence[ModelRoute]) -> ModelRoute | None:
    """Return the entry that a call of an id gets, as the policy chooses it."""
    names = names_of(model_id)
    exact = next((each for each in models if each.id in names), None)
    return exact or next((each for each in models if each.is_pattern and each.glob.matches_any(names)), None)
