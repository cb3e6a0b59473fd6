"""What a well-formed document still gets wrong about changes to calls and about kept answers."""

from collections.abc import Callable, Iterator

from keepstone.policy.problems import Fault, Path
from keepstone.policy.schema.cache import CacheMatch
from keepstone.policy.schema.document import Policy
from keepstone.policy.semantics.references import globs_match_something, unknown


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
    _cache_can_work,
)
