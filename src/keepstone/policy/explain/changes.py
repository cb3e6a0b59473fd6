"""What is changed on the way and what is answered from memory, in plain sentences."""

from collections.abc import Iterator
from typing import assert_never

from keepstone.policy.explain.prose import listed, models_in_words
from keepstone.policy.schema.cache import Cache
from keepstone.policy.schema.transforms import (
    AddSystem,
    AppendText,
    CapField,
    DefaultField,
    DropReasoning,
    RemoveField,
    RequestChange,
    ResponseChange,
    SetField,
    Transform,
)


def explain_transform(transform: Transform) -> str:
    """Return what one entry of `transforms` changes, for whom."""
    roles = "all roles" if "*" in transform.roles else listed(transform.roles)
    changes = [f"request: {_change(each)}" for each in transform.request]
    changes += [f"answer: {_change(each)}" for each in transform.response]
    return f"`{transform.name}`: for {roles} on {models_in_words(transform.models)}: {'; '.join(changes)}."


def _change(change: RequestChange | ResponseChange) -> str:
    match change:
        case SetField(path=path, to=value):
            return f"`{path}` is set to {value}"
        case DefaultField(path=path, to=value):
            return f"`{path}` is {value} unless stated"
        case CapField(path=path, at=bound):
            return f"`{path}` is at most {bound}"
        case RemoveField(path=path):
            return f"`{path}` is removed"
        case AddSystem(first=first):
            return f"a system prompt of ours stands {'before' if first else 'behind'} the caller's"
        case DropReasoning():
            return "the model's reasoning is left out"
        case AppendText():
            return "a text of ours stands behind it"
        case _:
            assert_never(change)


def explain_cache(cache: Cache) -> Iterator[str]:
    """Yield which answers are kept, for whom and for how long."""
    like = {"exact": "bytes", "words": "words", "semantic": "meaning"}[cache.match]
    whose = "the same caller" if cache.per == "principal" else "anyone in the organisation"
    where = models_in_words(cache.models)
    yield f"On {where}, questions of the same {like} by {whose} get the same answer for {cache.ttl}."
    yield f"Calls above {cache.max_data_class} are neither kept nor answered from memory."
