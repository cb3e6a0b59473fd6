"""What a well-formed document still gets wrong about changes to calls and about kept answers."""

from collections.abc import Callable, Iterator, Sequence

from keepstone.policy.converse_members import (
    REQUEST,
    RESPONSE,
    Members,
    is_member,
    looks_like,
    nearest_member,
)
from keepstone.policy.problems import Fault, Path, shown
from keepstone.policy.schema.cache import CacheMatch
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.transforms import RequestChange, ResponseChange, Transform
from keepstone.policy.semantics.references import globs_match_something, unknown, warning
from keepstone.policy.transforms import knows_converse_only

_OWN_BODIES = frozenset({"*", "InvokeModel", "InvokeModelWithResponseStream"})
_OF_OTHER_BODIES = frozenset({"inferenceConfig.topK"})
"""Members of models' own bodies that look like one of Converse, and are none."""


def _transforms_make_sense(policy: Policy) -> Iterator[Fault]:
    names: set[str] = set()
    for index, transform in enumerate(policy.transforms):
        path: Path = ("transforms", index)
        if transform.name in names:
            yield Fault((*path, "name"), f"duplicate transform `{transform.name}`", "give each its own name")
        names.add(transform.name)
        if not transform.request and not transform.response:
            yield Fault(path, f"transform `{transform.name}` changes nothing", "set `request` or `response`")
        for number, role in enumerate(transform.roles):
            if role != "*" and role not in policy.identities.roles:
                yield unknown((*path, "roles", number), "role", role, policy.identities.roles)
        yield from globs_match_something(transform.models, (*path, "models"), policy, "transform")


def _paths_lead_somewhere(policy: Policy) -> Iterator[Fault]:
    for index, transform in enumerate(policy.transforms):
        sure = _is_about_converse(transform)
        sides: tuple[tuple[str, Sequence[RequestChange | ResponseChange], Members], ...] = (
            ("request", transform.request, REQUEST),
            ("response", transform.response, RESPONSE),
        )
        for side, changes, members in sides:
            for number, change in enumerate(changes):
                path = getattr(change, "path", "")
                if path and not is_member(members, path) and (sure or _looks_like_converse(members, path)):
                    yield _no_member(("transforms", index, side, number, "path"), path, members, sure=sure)


def _is_about_converse(transform: Transform) -> bool:
    """Say whether all calls that it changes have Converse's bodies; it refuses those that have not."""
    changes = (*transform.request, *transform.response)
    return _OWN_BODIES.isdisjoint(transform.operations) or any(map(knows_converse_only, changes))


def _looks_like_converse(members: Members, path: str) -> bool:
    """Say whether a path that a model's own body might have is one of Converse, misspelt."""
    head, dot, _ = path.partition(".")
    if head in members:
        return bool(dot) and path not in _OF_OTHER_BODIES
    return head != head.lower() and looks_like(members, head)


def _no_member(place: Path, path: str, members: Members, *, sure: bool) -> Fault:
    near = nearest_member(members, path)
    hint = f"did you mean `{near}`?" if near else f"members: {', '.join(sorted(members))}"
    if not sure:
        hint += "; name the `operations` if a model's own body has it"
    return warning(place, f"Converse has no member `{shown(path)}`", hint)


def _cache_can_work(policy: Policy) -> Iterator[Fault]:
    cache = policy.cache
    if cache is None:
        return
    yield from globs_match_something(cache.models, ("cache", "models"), policy, "cache")
    if (cache.match is CacheMatch.SEMANTIC) != (cache.embedding is not None):
        hint = "`match: semantic` and `embedding` go together"
        yield Fault(("cache", "match"), "meaning is compared by an embedding model", hint)
    if cache.embedding is not None and cache.embedding.upstream not in policy.upstreams:
        path: Path = ("cache", "embedding", "upstream")
        yield unknown(path, "upstream", cache.embedding.upstream, policy.upstreams)


CHANGE_CHECKS: tuple[Callable[[Policy], Iterator[Fault]], ...] = (
    _transforms_make_sense,
    _paths_lead_somewhere,
    _cache_can_work,
)
