"""Every model id that a document names, wherever it does."""

from collections.abc import Iterator

from keepstone.policy.model_ids import is_pattern
from keepstone.policy.schema.document import Policy


def model_ids(policy: Policy) -> tuple[str, ...]:
    """Return the ids, without patterns, each once, in the document's order."""
    return tuple(dict.fromkeys(each for each in _globs(policy) if not is_pattern(each)))


def _globs(policy: Policy) -> Iterator[str]:
    yield from (each.id for each in policy.models)
    for role in policy.identities.roles.values():
        yield from (glob for rule in role.allow for glob in rule.models)
        yield from (glob for rule in role.deny for glob in rule.models)
    for limit in policy.limits:
        yield from limit.models
    for transform in policy.transforms:
        yield from transform.models
    yield from (each.model for each in policy.prices)
