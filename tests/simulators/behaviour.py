"""What a test can ask of a simulator for one call: what to say, and how to fail while saying it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the simulated model asks for."""

    name: str
    input: dict[str, Any]
    id: str = "tooluse_simulated-1"


@dataclass(frozen=True, slots=True)
class Failure:
    """An error in the service's own words: status, exception name, message, extra members and headers."""

    status: int
    name: str
    message: str
    members: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def throttled(*, retry_after: int | None = None) -> Failure:
    """Bedrock's answer to too many requests; `retry_after` in seconds."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    message = "Too many requests, please wait before trying again."
    return Failure(429, "ThrottlingException", message, headers=headers)


def internal_error() -> Failure:
    """The service broke."""
    message = "The system encountered an unexpected error during processing. Try your request again."
    return Failure(500, "InternalServerException", message)


def unavailable() -> Failure:
    """The service is not there for now."""
    return Failure(503, "ServiceUnavailableException", "The service is currently unavailable. Try again.")


def not_ready() -> Failure:
    """The model is still loading; status 429, which AWS SDKs retry by themselves."""
    return Failure(429, "ModelNotReadyException", "Model is not ready for inference. Wait and try again.")


def model_stream_error(*, original_status: int = 500) -> Failure:
    """The model broke while it streamed; `original_status` is what the model's own server said."""
    members = {"originalStatusCode": original_status, "originalMessage": "the model stopped answering"}
    message = "An error occurred while streaming the response. Retry your request."
    return Failure(424, "ModelStreamErrorException", message, members)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One call's script; the default is a short, healthy answer.

    `text` is said in pieces of `pieces` characters when streamed (the last size repeats), `reasoning` before
    it and `tools` after it. `usage` are input and output tokens, `cached` those read from and written to the
    prompt cache. The bytes go out in network writes of `write_size`, whatever the events' borders.
    `chunks` are the documents of a stream in place of all that: what no model was seen to send, and one may.
    """

    text: str | None = None
    pieces: tuple[int, ...] = (24,)
    reasoning: str = ""
    tools: tuple[ToolCall, ...] = ()
    stop_reason: str | None = None
    usage: tuple[int, int] | None = None
    cached: tuple[int, int] | None = None
    chunks: tuple[dict[str, Any], ...] = ()

    failure: Failure | None = None
    stream_failure: Failure | None = None
    stream_failure_after: int = 2

    dead: bool = False
    delay: float = 0.0
    event_delay: float = 0.0
    cut_after: int | None = None
    cut_after_events: int | None = None
    malformed_json: bool = False
    corrupt_event: int | None = None
    content_length_off_by: int = 0
    write_size: int | None = None


def pieces_of(text: str, sizes: tuple[int, ...]) -> Iterator[str]:
    """`text` in pieces of the given sizes, the last of which repeats; an empty text is one empty piece."""
    if not text:
        yield ""
    at = 0
    for size in chain(sizes, repeat(sizes[-1])):
        if at >= len(text):
            return
        yield text[at : at + size]
        at += size
