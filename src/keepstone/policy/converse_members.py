"""The members of Converse's requests and answers, so that a misspelt path in `transforms` is seen.

As `bedrock-runtime` has them in the AWS SDK; a test compares them. What stands below a free member is for
the model or the caller to say.
"""

import difflib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from keepstone.policy.shape import nearest

_NEAR = 0.85
Members = Mapping[str, "Members | None"]
"""The members of an object; `None` for one below which anything, or nothing, may stand."""


def _leaves(*names: str) -> Members:
    return MappingProxyType(dict.fromkeys(names))


REQUEST: Final[Members] = MappingProxyType(
    {
        **_leaves("messages", "system", "additionalModelRequestFields", "promptVariables"),
        **_leaves("additionalModelResponseFieldPaths", "requestMetadata"),
        "inferenceConfig": _leaves("maxTokens", "temperature", "topP", "stopSequences"),
        "toolConfig": _leaves("tools", "toolChoice"),
        "guardrailConfig": _leaves(
            "guardrailIdentifier", "guardrailVersion", "trace", "streamProcessingMode"
        ),
        "performanceConfig": _leaves("latency"),
        "serviceTier": _leaves("type"),
        "outputConfig": _leaves("textFormat", "effort"),
    }
)
RESPONSE: Final[Members] = MappingProxyType(
    {
        **_leaves("stopReason", "additionalModelResponseFields", "trace"),
        "output": MappingProxyType({"message": _leaves("role", "content")}),
        "usage": _leaves(
            "inputTokens",
            "outputTokens",
            "totalTokens",
            "cacheReadInputTokens",
            "cacheWriteInputTokens",
            "cacheDetails",
        ),
        "metrics": _leaves("latencyMs"),
        "performanceConfig": _leaves("latency"),
        "serviceTier": _leaves("type"),
    }
)


def is_member(members: Members, path: str) -> bool:
    """Say whether a dotted path leads to a member, or to what only the model knows."""
    for step in path.split("."):
        if step not in members:
            return False
        below = members[step]
        if below is None:
            return True
        members = below
    return True


def nearest_member(members: Members, path: str) -> str:
    """Return the path that was probably meant, or nothing."""
    return nearest(path, _paths(members))


def looks_like(members: Members, name: str) -> bool:
    """Say whether a name is so near to one of the members that it was probably meant."""
    return bool(difflib.get_close_matches(name, members, n=1, cutoff=_NEAR))


def _paths(members: Members, above: str = "") -> Iterator[str]:
    for name, below in members.items():
        yield above + name
        yield from _paths(below or {}, f"{above}{name}.")
