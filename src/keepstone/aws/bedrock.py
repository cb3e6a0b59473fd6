"""Amazon Bedrock Runtime as an upstream: signs, forwards, and hands the answer back untouched."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote

from keepstone.aws.bound_guardrail import BoundGuardrail
from keepstone.aws.credentials import Renewed, Source
from keepstone.aws.signing import Signer
from keepstone.catalog.places import regions
from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway.ports import UpstreamReply, UpstreamRequest
from keepstone.gateway.upstreams.http import HttpPool, Origin, Response
from keepstone.gateway.wire.eventstream import EventDecoder, WireEvent

ACTIONS = {
    Operation.CONVERSE: "converse",
    Operation.CONVERSE_STREAM: "converse-stream",
    Operation.INVOKE_MODEL: "invoke",
    Operation.INVOKE_MODEL_STREAM: "invoke-with-response-stream",
    Operation.COUNT_TOKENS: "count-tokens",
}


class Authorizer(Protocol):
    """Turns a request into the headers that authenticate it."""

    async def headers(self, host: str, path: str, body: bytes) -> Sequence[tuple[str, str]]:
        """Return the headers to send, content type included."""
        ...


class BearerToken:
    """Amazon Bedrock API key; `read` fetches it from where the policy refers to."""

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    async def headers(self, host: str, path: str, body: bytes) -> Sequence[tuple[str, str]]:
        """Return an `Authorization: Bearer` header."""
        return [("content-type", "application/json"), ("authorization", f"Bearer {self._read()}")]


class SigV4:
    """Signs with the credentials that a source gives."""

    def __init__(self, region: str, source: Source) -> None:
        self._signer = Signer(region)
        self._credentials = Renewed(source)

    async def headers(self, host: str, path: str, body: bytes) -> Sequence[tuple[str, str]]:
        """Return the signature's headers; raise `UpstreamError` when there are no credentials."""
        return self._signer.sign(await self._credentials.get(), host, path, body, time.time())


class BedrockRuntime:
    """One region's Bedrock Runtime."""

    def __init__(
        self,
        name: str,
        attempts: int,
        origin: Origin,
        authorizer: Authorizer,
        *,
        guardrail: BoundGuardrail | None = None,
    ) -> None:
        self.name = name
        self.attempts = attempts
        self._origin = origin
        self._authority = origin.authority
        self._pool = HttpPool(origin)
        self._authorizer = authorizer
        self._guardrail = guardrail

    def supports(self, operation: Operation) -> bool:
        """Say whether Bedrock itself serves the operation; guardrails are applied by the gateway."""
        return operation in ACTIONS

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        """Forward one call."""
        if self._guardrail is not None:
            request = self._guardrail.put_in(request)
        path = self._origin.base_path + _path(request.model_id, request.operation)
        headers = [
            *await self._authorizer.headers(self._authority, path, request.body),
            *request.headers,
        ]
        stream = request.operation.streams
        response = await self._pool.post(path, headers, request.body, stream=stream)
        error_type = response.headers.get("x-amzn-errortype", "").partition(":")[0]
        if response.chunks is None:
            return UpstreamReply(response.status, response.headers, response.body, error_type=error_type)
        return UpstreamReply(response.status, response.headers, events=_events(response))

    async def close(self) -> None:
        """Close pooled connections."""
        await self._pool.close()


@lru_cache(maxsize=512)
def _path(model_id: str, operation: Operation) -> str:
    """Return the path, in which the id is one segment whatever it holds, or raise `UpstreamError`."""
    if model_id in ("", ".", ".."):  # RFC 3986 5.2.4: whoever normalises would take them for steps
        raise UpstreamError("the model id is empty or a path step", code="upstream.request")
    try:
        segment = quote(model_id, safe="-._~")
    except UnicodeEncodeError as error:
        raise UpstreamError("the model id holds half a character", code="upstream.request") from error
    return f"/model/{segment}/{ACTIONS[operation]}"


def endpoint(region: str, endpoint_url: str = "", *, fips: bool = False) -> str:
    """Return the URL of Bedrock Runtime in `region`, unless `endpoint_url` overrides it."""
    known = regions().get(region)
    suffix = known.dns_suffix if known else "amazonaws.com"
    return endpoint_url or f"https://bedrock-runtime{'-fips' * fips}.{region}.{suffix}"


async def _events(response: Response) -> AsyncIterator[WireEvent]:
    assert response.chunks is not None  # noqa: S101 - the caller has just looked
    decoder = EventDecoder()
    async with aclosing(response.chunks) as chunks:
        async for chunk in chunks:
            for event in decoder.feed(chunk):
                yield event
    decoder.close()
