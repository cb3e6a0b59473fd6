"""Token counts as upstreams write them; a count that is no sensible number counts as absent."""

from collections.abc import Mapping
from typing import Any

from keepstone.core.exchange import TokenUsage

_MOST = 2**53

METRICS = "amazon-bedrock-invocationMetrics"
"""The member of a stream's last chunk that holds Bedrock's own counts."""


def count(value: object) -> int:
    """Return a token count, or zero for what cannot be one."""
    return value if type(value) is int and 0 <= value < _MOST else 0


def from_members(holder: object, names: tuple[str, str, str, str]) -> TokenUsage | None:
    """Read input, output, cache-read and cache-write counts from the members `names` of an object.

    Returns `None` when neither input nor output is there.
    """
    if not isinstance(holder, dict):
        return None
    get = holder.get
    read, written = get(names[0]), get(names[1])
    if read is None and written is None:
        return None
    return TokenUsage(count(read), count(written), count(get(names[2], 0)), count(get(names[3], 0)))


CONVERSE = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
ANTHROPIC = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
NOVA = ("inputTokens", "outputTokens", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
_METRICS = ("inputTokenCount", "outputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
_HEADERS = (
    "x-amzn-bedrock-input-token-count",
    "x-amzn-bedrock-output-token-count",
    "x-amzn-bedrock-cache-read-input-token-count",
    "x-amzn-bedrock-cache-write-input-token-count",
)


def from_headers(headers: Mapping[str, str]) -> TokenUsage | None:
    """Read the counts that Bedrock puts in InvokeModel's answer headers (lower-case names)."""
    if _HEADERS[0] not in headers and _HEADERS[1] not in headers:
        return None
    return _usage([_digits(headers.get(name, "")) for name in _HEADERS])


def from_metrics(document: Mapping[str, Any]) -> TokenUsage | None:
    """Read the counts in the last chunk of InvokeModelWithResponseStream."""
    return from_members(document.get(METRICS), _METRICS)


def _usage(counts: list[int]) -> TokenUsage:
    return TokenUsage(counts[0], counts[1], counts[2], counts[3])


def _digits(value: str) -> int:
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 16 else 0
