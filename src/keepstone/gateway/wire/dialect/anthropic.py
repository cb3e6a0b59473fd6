"""Anthropic's protocol as dialects: messages, and the count of their tokens."""

from collections.abc import Mapping

from keepstone.core.decision import Reason
from keepstone.core.errors import RequestError
from keepstone.core.exchange import Operation
from keepstone.gateway.wire.dialect.anthropic_error import anthropic_error
from keepstone.gateway.wire.dialect.decoding import model_id
from keepstone.gateway.wire.dialect.dialect import Taken
from keepstone.gateway.wire.dialect.messages_answer import CountWriter, MessagesWriter
from keepstone.gateway.wire.dialect.messages_request import read_count, read_messages

_BETA = b"anthropic-beta"


class _Anthropic:
    request_id = b"request-id"

    def error(self, reason: Reason, status: int, call_id: str) -> tuple[int, bytes]:
        """Return an Anthropic error object."""
        return anthropic_error(reason, status, call_id)


class Models(_Anthropic):
    """GET /v1/models."""

    name = "anthropic.models"

    def take(self, body: bytes, headers: Mapping[bytes, bytes]) -> Taken:
        """Raise `RequestError`: there is nothing to read."""
        raise RequestError("this path takes no body")


class Messages(_Anthropic):
    """POST /v1/messages."""

    name = "anthropic.messages"

    def take(self, body: bytes, headers: Mapping[bytes, bytes]) -> Taken:
        """Return the Converse call."""
        request, document = read_messages(body, headers.get(_BETA, b"").decode("latin-1"))
        operation = Operation.CONVERSE_STREAM if request.stream else Operation.CONVERSE
        return Taken(operation, model_id(request.model), document, MessagesWriter)


class CountTokens(_Anthropic):
    """POST /v1/messages/count_tokens."""

    name = "anthropic.count_tokens"

    def take(self, body: bytes, headers: Mapping[bytes, bytes]) -> Taken:
        """Return the CountTokens call for a Converse request."""
        request, document = read_count(body)
        return Taken(Operation.COUNT_TOKENS, model_id(request.model), document, CountWriter)
