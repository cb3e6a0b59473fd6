"""Which paths speak another protocol than Bedrock's, and how the answers of such calls are written.

The pipeline sees a Converse (or InvokeModel) call. Only the stage that reads the body (`stages.translate`)
and these bodies, which write the answer, know that the caller spoke otherwise.
"""

from collections.abc import Mapping

from keepstone.core.decision import Reason
from keepstone.core.errors import RequestError
from keepstone.core.exchange import Operation
from keepstone.gateway.bodies import Body, ConverseBody, Document, InvokeBody, Trace
from keepstone.gateway.wire.dialect.anthropic import CountTokens, Messages, Models
from keepstone.gateway.wire.dialect.dialect import Dialect, Writer
from keepstone.gateway.wire.dialect.openai import Chat, Embeddings, OtherPaths, Responses
from keepstone.gateway.wire.errors import WIRE
from keepstone.gateway.wire.families import Family, family_for
from keepstone.gateway.wire.family.unknown import UNKNOWN

API_KEY = b"x-api-key"
AUTHORIZATION = b"authorization"

PATHS: Mapping[bytes, Dialect] = {
    b"/v1/chat/completions": Chat(),
    b"/v1/responses": Responses(),
    b"/v1/embeddings": Embeddings(),
    b"/v1/messages": Messages(),
    b"/v1/messages/count_tokens": CountTokens(),
}
"""POST requests that are no calls of Bedrock Runtime."""

LISTINGS: Mapping[str, Dialect] = {each.name: each for each in (OtherPaths("openai.models"), Models())}
"""What lists models in another protocol, by its name."""

UNKNOWN_PATH = OtherPaths("openai")
"""What a path of these protocols that is not served is answered in."""

V1 = b"/v1/"

_MISSHAPEN = (KeyError, TypeError, AttributeError, IndexError, ValueError)


def dialect_of(method: str, raw_path: bytes, headers: dict[bytes, bytes]) -> Dialect | None:
    """Return the dialect of a path."""
    dialect = PATHS.get(raw_path) if method == "POST" else None
    if dialect is not None:
        take_api_key(headers)
    return dialect


def take_api_key(headers: dict[bytes, bytes]) -> None:
    """Let a key in Anthropic's header stand where other clients put it, if nothing stands there."""
    if API_KEY in headers and AUTHORIZATION not in headers:
        headers[AUTHORIZATION] = b"Bearer " + headers[API_KEY]


class ConverseInDialect(ConverseBody):
    """Converse and its stream, written in a dialect; one for each call, since a stream has a state."""

    stream_type = b"text/event-stream; charset=utf-8"

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def add_trace(self, document: Document, trace: Trace) -> None:
        """Do nothing: no other protocol has a place for a guardrail's trace."""

    def write(self, document: Document) -> bytes:
        """Return the answer; raise `RequestError` for one that this protocol cannot carry."""
        return _written(self._writer, document)

    def write_event(self, event_type: str, document: Document) -> bytes:
        """Return an event; raise `RequestError` for one that this protocol cannot carry."""
        try:
            return self._writer.event(event_type, document)
        except _MISSHAPEN as error:
            raise RequestError("an event is not one of this operation") from error

    def last(self) -> bytes:
        """Return what ends a stream."""
        return self._writer.last()

    def failed(self, reason: Reason) -> bytes:
        """Return what ends a stream that broke off."""
        return self._writer.failed(reason, WIRE[reason.code].status)


class InvokeInDialect(InvokeBody):
    """InvokeModel's or CountTokens' answer, written in a dialect."""

    def __init__(self, family: Family, writer: Writer) -> None:
        super().__init__(family)
        self._writer = writer

    def write(self, document: Document) -> bytes:
        """Return the answer; raise `RequestError` for one that this protocol cannot carry."""
        return _written(self._writer, document)


def body_in_dialect(operation: Operation, model_id: str, writer: Writer) -> Body:
    """Return what reads and writes the answer of one call in a dialect."""
    if operation is Operation.INVOKE_MODEL:
        return InvokeInDialect(family_for(model_id), writer)
    if operation is Operation.COUNT_TOKENS:
        return InvokeInDialect(UNKNOWN, writer)
    return ConverseInDialect(writer)


def _written(writer: Writer, document: Document) -> bytes:
    try:
        return writer.whole(document)
    except _MISSHAPEN as error:
        raise RequestError("it is not an answer of this operation") from error
