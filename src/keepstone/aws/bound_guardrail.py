"""A guardrail of Bedrock's own that every call to an upstream is made with, beside the gateway's.

A role may be bound to one guardrail (`bedrock:GuardrailIdentifier`); it is refused every other call.
Converse has the guardrail in its body, InvokeModel in headers; CountTokens asks no model and has none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway.ports import UpstreamRequest
from keepstone.gateway.wire.slots import encode_document

_ID, _VERSION = "x-amzn-bedrock-guardrailidentifier", "x-amzn-bedrock-guardrailversion"
_MEMBER = "guardrailConfig"
_IN_BODY = frozenset({Operation.CONVERSE, Operation.CONVERSE_STREAM})
_IN_HEADERS = frozenset({Operation.INVOKE_MODEL, Operation.INVOKE_MODEL_STREAM})


class BoundGuardrail:
    """Puts one guardrail into calls; Bedrock takes one for each call, so a caller cannot bring another."""

    def __init__(self, identifier: str, version: str) -> None:
        self._identifier = identifier
        self._config = {"guardrailIdentifier": identifier, "guardrailVersion": version}
        self._headers = ((_ID, identifier), (_VERSION, version))
        self._begins = encode_document({_MEMBER: self._config})[:-1]

    def put_in(self, request: UpstreamRequest) -> UpstreamRequest:
        """Return the call with the guardrail; raise `UpstreamError` when its caller names another one."""
        if request.operation in _IN_BODY:
            body = self._body(request.document, request.body)
            return UpstreamRequest(
                request.operation, request.model_id, body, request.document, request.headers
            )
        if request.operation in _IN_HEADERS:
            headers = self._with_headers(request.headers)
            return UpstreamRequest(
                request.operation, request.model_id, request.body, request.document, headers
            )
        return request

    def _body(self, document: Mapping[str, Any], body: bytes) -> bytes:
        if document and _MEMBER not in document:
            return self._begins + b"," + body[1:]  # cheaper than to encode all of it again
        given = document.get(_MEMBER)
        own = given if isinstance(given, dict) else {}
        self._require(str(own.get("guardrailIdentifier", self._identifier)))
        return encode_document({**document, _MEMBER: {**own, **self._config}})

    def _with_headers(self, headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        for name, value in headers:
            if name == _ID:
                self._require(value)
        return (*(each for each in headers if each[0] not in (_ID, _VERSION)), *self._headers)

    def _require(self, named: str) -> None:
        """Accept the bound guardrail by its id or its ARN."""
        if named.rpartition("/")[2] != self._identifier.rpartition("/")[2]:
            message = f"calls are made with guardrail `{self._identifier}`, the caller asks for another one"
            raise UpstreamError(message, code="upstream.guardrail")
