"""The gateway's HTTP surface as an OpenAPI document: `docs/reference/openapi.json`.

Bodies of other protocols are described by the types that read them; those of Bedrock Runtime are described by
AWS's own service model, so only their paths stand here.
"""

import json
from typing import Any

import msgspec

from keepstone import __version__
from keepstone.gateway.wire.dialect.chat_shapes import ChatRequest
from keepstone.gateway.wire.dialect.embeddings import EmbeddingsRequest
from keepstone.gateway.wire.dialect.messages_shapes import CountRequest, MessagesRequest
from keepstone.gateway.wire.dialect.responses_shapes import ResponsesRequest

Document = dict[str, Any]

_BODIES = {
    "/v1/chat/completions": ChatRequest,
    "/v1/responses": ResponsesRequest,
    "/v1/embeddings": EmbeddingsRequest,
    "/v1/messages": MessagesRequest,
    "/v1/messages/count_tokens": CountRequest,
}
_BEDROCK = {
    "/model/{modelId}/converse": "Converse",
    "/model/{modelId}/converse-stream": "ConverseStream",
    "/model/{modelId}/invoke": "InvokeModel",
    "/model/{modelId}/invoke-with-response-stream": "InvokeModelWithResponseStream",
    "/model/{modelId}/count-tokens": "CountTokens",
    "/guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply": "ApplyGuardrail",
}
_LISTINGS = {
    "/foundation-models": "ListFoundationModels",
    "/foundation-models/{modelIdentifier}": "GetFoundationModel",
    "/inference-profiles": "ListInferenceProfiles",
    "/inference-profiles/{inferenceProfileIdentifier}": "GetInferenceProfile",
    "/v1/models": "listModels",
    "/v1/models/{modelIdentifier}": "getModel",
}
_STATUSES = ("400", "401", "403", "404", "408", "413", "424", "429", "500", "502", "503", "504", "529")


def openapi() -> Document:
    """Return the whole document."""
    _, components = msgspec.json.schema_components(
        _BODIES.values(), ref_template="#/components/schemas/{name}"
    )
    paths: Document = {}
    for path, shape in _BODIES.items():
        reference = {"$ref": f"#/components/schemas/{shape.__name__}"}
        paths[path] = {"post": _operation(shape.__name__, path, reference)}
    for path, name in _BEDROCK.items():
        paths[path] = {"post": _operation(name, path, {"type": "object"})}
    for path, name in _LISTINGS.items():
        paths[path] = {"get": _operation(name, path, None)}
    bearer = {"type": "http", "scheme": "bearer", "description": "a key of this gateway"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Keepstone gateway", "version": __version__},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"bearer": bearer}},
    }


def openapi_page() -> str:
    """Return the document as it is written down."""
    return json.dumps(openapi(), indent=1, sort_keys=True) + "\n"


def _operation(name: str, path: str, body: Document | None) -> Document:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    operation: Document = {
        "operationId": name,
        "parameters": [
            {"name": each, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for each in names
        ],
        "responses": {"200": {"description": "the answer"}}
        | {status: {"description": "a refusal in the protocol's own shape"} for status in _STATUSES},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
