"""Any server that speaks OpenAI chat completions: Converse goes out translated, the answer comes back."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import msgspec

from keepstone.core.errors import RequestError, UpstreamError, WireError
from keepstone.core.exchange import Operation
from keepstone.gateway.ports import UpstreamReply, UpstreamRequest
from keepstone.gateway.trace_context import TRACEPARENT_NAME
from keepstone.gateway.upstreams.http import HttpPool, Origin, Response
from keepstone.gateway.wire.eventstream import WireEvent
from keepstone.gateway.wire.openai import StreamTranslator, from_openai
from keepstone.gateway.wire.openai_request import to_openai
from keepstone.gateway.wire.slots import encode_document
from keepstone.gateway.wire.sse import SseParser

DONE = b"[DONE]"


class OpenAIServer:
    """One server, such as vLLM, Ollama or llama.cpp."""

    def __init__(self, name: str, attempts: int, origin: Origin, api_key: Callable[[], str] | None) -> None:
        self.name = name
        self.attempts = attempts
        self._path = f"{origin.base_path}/chat/completions"
        self._pool = HttpPool(origin)
        self._api_key = api_key

    def supports(self, operation: Operation) -> bool:
        """Serve Converse, whole or streamed; InvokeModel's bodies are Bedrock's own."""
        return operation in (Operation.CONVERSE, Operation.CONVERSE_STREAM)

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Translate one call, forward it, translate the answer."""
        stream = request.operation.streams
        try:
            translated = to_openai(request.document, request.model_id, stream=stream)
        except RequestError as error:
            return _refusal(error)
        headers = [("content-type", "application/json")]
        headers += [header for header in request.headers if header[0] == TRACEPARENT_NAME]
        if self._api_key is not None:
            headers.append(("authorization", f"Bearer {self._api_key()}"))
        response = await self._pool.post(self._path, headers, encode_document(translated), stream=stream)
        if response.chunks is not None:
            return UpstreamReply(response.status, events=_events(response))
        if response.status >= 400:
            return UpstreamReply(response.status, body=response.body)
        return UpstreamReply(response.status, body=_converse(response))

    async def close(self) -> None:
        """Close pooled connections."""
        await self._pool.close()


def _refusal(error: RequestError) -> UpstreamReply:
    body = msgspec.json.encode({"message": error.message})
    return UpstreamReply(400, body=body, error_type="ValidationException")


def _converse(response: Response) -> bytes:
    try:
        document = msgspec.json.decode(response.body)
    except (ValueError, RecursionError) as error:
        raise UpstreamError("the answer is not JSON", code="upstream.malformed") from error
    return encode_document(from_openai(document))


async def _events(response: Response) -> AsyncIterator[WireEvent]:
    """Translate server-sent events; a stream without its `[DONE]` was cut."""
    assert response.chunks is not None  # noqa: S101 - the caller has just looked
    parser, translator = SseParser(), StreamTranslator()
    done = False
    async with aclosing(response.chunks) as chunks:
        async for chunk in chunks:
            for data in parser.feed(chunk):
                if data == DONE:
                    done = True
                    continue
                for name, event in translator.feed(_decoded(data)):
                    yield WireEvent("event", name, encode_document(event))
    if not done:
        raise UpstreamError("the stream ended before `[DONE]`", code="upstream.closed")
    for name, event in translator.finish():
        yield WireEvent("event", name, encode_document(event))


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise WireError("a server-sent event does not hold JSON") from error
