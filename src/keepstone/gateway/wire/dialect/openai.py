"""OpenAI's protocols as dialects: chat completions, responses, embeddings."""

from collections.abc import Mapping

from keepstone.core.decision import Reason
from keepstone.core.errors import RequestError
from keepstone.core.exchange import Operation
from keepstone.gateway.wire.dialect.chat_answer import ChatWriter
from keepstone.gateway.wire.dialect.chat_request import read_chat
from keepstone.gateway.wire.dialect.decoding import model_id
from keepstone.gateway.wire.dialect.dialect import Asked, Taken
from keepstone.gateway.wire.dialect.embeddings import read_embeddings
from keepstone.gateway.wire.dialect.openai_error import openai_error
from keepstone.gateway.wire.dialect.responses_answer import ResponsesWriter
from keepstone.gateway.wire.dialect.responses_request import read_responses


class _OpenAI:
    request_id = b"x-request-id"

    def error(self, reason: Reason, status: int, call_id: str) -> tuple[int, bytes]:
        """Return an OpenAI error object."""
        return openai_error(reason, status)


class OtherPaths(_OpenAI):
    """Paths without a body that is read: the list of models, and those that are not served."""

    def __init__(self, name: str) -> None:
        self.name = name

    def take(self, body: bytes, headers: Mapping[bytes, bytes]) -> Taken:
        """Raise `RequestError`: there is nothing to read."""
        raise RequestError("this path takes no body")


class Chat(_OpenAI):
    """POST /v1/chat/completions."""

    name = "openai.chat"

    def take(self, body: bytes, headers: Mapping[bytes, bytes]) -> Taken:
        """Return the Converse call."""
        request, document = read_chat(body)
        usage_asked = bool(request.stream_options and request.stream_options.include_usage)

        def writer(asked: Asked) -> ChatWriter:
            return ChatWriter(asked, usage_asked=usage_asked)

        operation = Operation.CONVERSE_STREAM if request.stream else Operation.CONVERSE
        return Taken(operation, model_id(request.model), document, writer)


class Responses(_OpenAI):
    """POST /v1/responses, without a memory: the whole conversation comes with each call."""

    name = "openai.responses"

    def take(self, body: bytes, headers: Mapping[bytes, bytes]) -> Taken:
        """Return the Converse call."""
        request, document = read_responses(body)

        def writer(asked: Asked) -> ResponsesWriter:
            return ResponsesWriter(asked, request)

        operation = Operation.CONVERSE_STREAM if request.stream else Operation.CONVERSE
        return Taken(operation, model_id(request.model), document, writer)


class Embeddings(_OpenAI):
    """POST /v1/embeddings."""

    name = "openai.embeddings"

    def take(self, body: bytes, headers: Mapping[bytes, bytes]) -> Taken:
        """Return the InvokeModel call."""
        return read_embeddings(body)
