"""POST /v1/embeddings: the request as InvokeModel's body of an embedding family, the vectors back.

Titan takes one text a call, and one call is what is admitted, counted and recorded: more than one are refused
rather than sent as calls that nobody recorded. Cohere takes up to 96 texts.
"""

import struct
from base64 import b64encode
from typing import Any, Literal

import msgspec

from keepstone.core.decision import Reason
from keepstone.core.errors import RequestError
from keepstone.core.exchange import Operation
from keepstone.gateway.wire.dialect.decoding import Shape, decoded, model_id
from keepstone.gateway.wire.dialect.dialect import Asked, Document, Taken, Writer

MOST_COHERE_TEXTS = 96
REFUSED = frozenset({"input_ids", "truncate", "metadata"})


class EmbeddingsRequest(Shape):
    """The whole body; `input_type` is Cohere's own, for queries as opposed to documents."""

    model: str
    input: str | list[Any]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    input_type: Literal["search_document", "search_query", "classification", "clustering"] | None = None
    user: None = None


_decoder = msgspec.json.Decoder(EmbeddingsRequest)


def read_embeddings(body: bytes) -> Taken:
    """Return the InvokeModel call that a body stands for; raise `RequestError` for what cannot be carried."""
    request = decoded(_decoder, body, REFUSED)
    texts = [request.input] if isinstance(request.input, str) else request.input
    if not texts or not all(type(text) is str and text for text in texts):
        raise RequestError(
            "`$.input`: expected texts; tokens mean nothing to another model, nor to inspection"
        )
    family, document = _document(request, texts)

    def writer(asked: Asked) -> Writer:
        return EmbeddingsWriter(asked, family, packed=request.encoding_format == "base64")

    return Taken(Operation.INVOKE_MODEL, model_id(request.model), document, writer)


def _document(request: EmbeddingsRequest, texts: list[str]) -> tuple[str, Document]:
    document: Document
    if "amazon.titan-embed" in request.model:
        if len(texts) > 1:
            raise RequestError("`$.input`: this model takes one text a call; send each in a call of its own")
        if request.input_type is not None:
            raise RequestError("`$.input_type`: this model has none")
        document = {"inputText": texts[0]}
        if request.dimensions is not None:
            document["dimensions"] = request.dimensions
        return "titan", document
    if "cohere.embed" in request.model:
        if len(texts) > MOST_COHERE_TEXTS:
            raise RequestError(f"`$.input`: this model takes `{MOST_COHERE_TEXTS}` texts a call at most")
        document = {"texts": texts, "input_type": request.input_type or "search_document"}
        if request.dimensions is not None:
            document["output_dimension"] = request.dimensions
        return "cohere", document
    raise RequestError("`$.model`: expected an embedding model of Titan or Cohere")


class EmbeddingsWriter:
    """Writes the vectors as numbers, or packed as the little-endian floats that OpenAI's SDK asks for."""

    def __init__(self, asked: Asked, family: str, *, packed: bool) -> None:
        self._model = asked.model
        self._family = family
        self._packed = packed

    def whole(self, document: Document) -> bytes:
        """Return the list of embeddings."""
        vectors = [document["embedding"]] if self._family == "titan" else document["embeddings"]
        if isinstance(vectors, dict):
            vectors = vectors["float"]
        data = [
            {"object": "embedding", "index": index, "embedding": self._vector(vector)}
            for index, vector in enumerate(vectors)
        ]
        tokens = int(document.get("inputTextTokenCount") or 0)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return msgspec.json.encode({"object": "list", "data": data, "model": self._model, "usage": usage})

    def event(self, name: str, document: Document) -> bytes:
        """Return nothing: embeddings do not stream."""
        return b""

    def last(self) -> bytes:
        """Return nothing."""
        return b""

    def failed(self, reason: Reason, status: int) -> bytes:
        """Return nothing."""
        return b""

    def _vector(self, vector: list[float]) -> list[float] | str:
        if not self._packed:
            return vector
        try:
            return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        except (struct.error, OverflowError) as error:
            raise RequestError("a vector holds what is no number") from error
