"""What another protocol than Bedrock Runtime's is to the gateway: a translator at the edge, both ways.

A dialect reads a body into the Bedrock call it stands for, before anything is inspected: what is inspected is
what is sent (ADR 8). A writer turns the inspected answer, or its events, back. Neither decides anything.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from keepstone.core.decision import Reason
from keepstone.core.exchange import Operation

Document = dict[str, Any]
Headers = list[tuple[bytes, bytes]]


class Writer(Protocol):
    """Writes the answer of one call: either `whole`, or `event` again and again and `last` at the end."""

    def whole(self, document: Document) -> bytes:
        """Return an answer in the dialect; raise `RequestError` for content that it cannot carry."""
        ...

    def event(self, name: str, document: Document) -> bytes:
        """Return the bytes that a stream's event becomes, none when it says nothing here."""
        ...

    def last(self) -> bytes:
        """Return what ends a stream after its last event."""
        ...

    def failed(self, reason: Reason, status: int) -> bytes:
        """Return what tells the caller that a stream broke off."""
        ...


class Asked(Struct, frozen=True):
    """What a writer has to know of its call: the ids it shows, and when the call came (seconds)."""

    call_id: str
    model: str
    time: int


class Taken(Struct, frozen=True):
    """A body as the Bedrock call it stands for; `writer` makes what will write its answer."""

    operation: Operation
    model_id: str
    document: Document
    writer: Callable[[Asked], Writer]


class Dialect(Protocol):
    """One path of another protocol."""

    name: str
    """How records name it, such as `openai.chat`."""

    request_id: bytes
    """The header in which its clients look for the request's id."""

    def take(self, body: bytes, headers: Mapping[bytes, bytes]) -> Taken:
        """Return the call that a body stands for; raise `RequestError` for what cannot be carried."""
        ...

    def error(self, reason: Reason, status: int, call_id: str) -> tuple[int, bytes]:
        """Return status and body of a refusal; `status` is the one that AWS would give."""
        ...
