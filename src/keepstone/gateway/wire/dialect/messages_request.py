"""An Anthropic Messages request as a Converse document; what Converse cannot carry is refused."""

from typing import Any

import msgspec

from keepstone.core.errors import RequestError
from keepstone.gateway.wire.dialect import messages_shapes as shapes
from keepstone.gateway.wire.dialect.conversation import (
    Conversation,
    Document,
    json_schema,
    request_metadata,
    tool,
    tool_config,
    tool_result,
    tool_use,
)
from keepstone.gateway.wire.dialect.decoding import decoded

_IMAGES = {f"image/{kind}": kind for kind in ("png", "jpeg", "gif", "webp")}
_FILES = {"application/pdf": "pdf", "text/plain": "txt", "text/html": "html", "text/csv": "csv"}
_decoder = msgspec.json.Decoder(shapes.MessagesRequest)
_counting = msgspec.json.Decoder(shapes.CountRequest)


def read_messages(body: bytes, beta: str) -> tuple[shapes.MessagesRequest, Document]:
    """Return the request and its Converse document; `beta` is the header `anthropic-beta`."""
    request = decoded(_decoder, body, shapes.REFUSED)
    settings = {
        "maxTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": request.stop_sequences or None,
    }
    document = _converse(request, settings, {"top_k": request.top_k, "anthropic_beta": _names(beta)})
    metadata = request_metadata(None, request.metadata.user_id if request.metadata else None)
    if metadata:
        document["requestMetadata"] = metadata
    if request.service_tier == "standard_only":
        document["serviceTier"] = {"type": "default"}
    return request, document


def read_count(body: bytes) -> tuple[shapes.CountRequest, Document]:
    """Return the request whose tokens are to be counted, and its Converse document."""
    request = decoded(_counting, body, shapes.REFUSED)
    return request, _converse(request, {}, {})


def _names(header: str) -> list[str] | None:
    return [name for name in (each.strip() for each in header.split(",")) if name] or None


def _converse(request: shapes.CountRequest, settings: Document, extra: Document) -> Document:
    talk = Conversation()
    system = [shapes.Text(text=request.system)] if isinstance(request.system, str) else request.system or []
    for block in system:
        if block.text:
            talk.system.extend(_cached({"text": block.text}, block.cache_control))
    names = _Names()
    for number, turn in enumerate(request.messages):
        content = [shapes.Text(text=turn.content)] if isinstance(turn.content, str) else turn.content
        place = f"$.messages[{number}].content"
        blocks = [
            block
            for position, each in enumerate(content)
            for block in _block(each, f"{place}[{position}]", names)
        ]
        talk.say(turn.role, blocks)
    document = talk.document(settings, _tools(request), {"thinking": request.thinking, **extra})
    output = _output(request.output_config)
    if output:
        document["outputConfig"] = output
    return document


class _Names:
    """Names for documents without a title: Bedrock wants one for each, and all different."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> str:
        self._last += 1
        return f"document-{self._last}"


def _cached(block: Document, control: shapes.CacheControl | None) -> list[Document]:
    if control is None:
        return [block]
    point = {"type": "default"} | ({"ttl": control.ttl} if control.ttl else {})
    return [block, {"cachePoint": point}]


def _block(block: shapes.Block, place: str, names: _Names) -> list[Document]:
    match block:
        case shapes.Text():
            return _cached({"text": block.text}, block.cache_control)
        case shapes.Image():
            return _cached(_image(block, place), block.cache_control)
        case shapes.File():
            return _cached(_file(block, place, names), block.cache_control)
        case shapes.ToolUse():
            return _cached(tool_use(block.id, block.name, block.input), block.cache_control)
        case shapes.ToolResult():
            return _cached(_result(block, place, names), block.cache_control)
        case shapes.Thinking():
            signature = {"signature": block.signature} if block.signature else {}
            return [{"reasoningContent": {"reasoningText": {"text": block.thinking, **signature}}}]
        case shapes.RedactedThinking():
            return [{"reasoningContent": {"redactedContent": block.data}}]


def _image(block: shapes.Image, place: str) -> Document:
    kind = _IMAGES.get(block.source.media_type)
    if kind is None:
        raise RequestError(f"`{place}`: expected an image of type png, jpeg, gif or webp")
    return {"image": {"format": kind, "source": {"bytes": block.source.data}}}


def _file(block: shapes.File, place: str, names: _Names) -> Document:
    kind = _FILES.get(block.source.media_type)
    if kind is None:
        raise RequestError(f"`{place}`: expected a document of type pdf, plain text, html or csv")
    source = (
        {"text": block.source.data}
        if isinstance(block.source, shapes.PlainText)
        else {"bytes": block.source.data}
    )
    document: Document = {"format": kind, "name": block.title or names.next(), "source": source}
    if block.context:
        document["context"] = block.context
    return {"document": document}


def _result(block: shapes.ToolResult, place: str, names: _Names) -> Document:
    content: list[Any] = []
    if isinstance(block.content, str):
        content.append({"text": block.content})
    else:
        for number, part in enumerate(block.content or ()):
            content += _block(part, f"{place}.content[{number}]", names)
    result = tool_result(block.tool_use_id, content)
    if block.is_error:
        result["toolResult"]["status"] = "error"
    return result


def _tools(request: shapes.CountRequest) -> Document:
    specs: list[Document] = []
    for each in request.tools or ():
        spec = tool(each.name, each.description, each.input_schema, strict=each.strict)
        specs += _cached(spec, each.cache_control)
    choice = request.tool_choice
    if choice is None:
        return tool_config(specs, None, None)
    return tool_config(specs, choice.type, choice.name if choice.type == "tool" else None)


def _output(config: shapes.OutputConfig | None) -> Document:
    output: Document = {}
    if config is not None and config.effort:
        output["effort"] = config.effort
    if config is not None and config.format is not None:
        schema = msgspec.json.encode(config.format.schema_).decode()
        output["textFormat"] = json_schema(schema, "answer", None)
    return output
