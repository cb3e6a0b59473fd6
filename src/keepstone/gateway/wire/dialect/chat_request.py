"""A chat-completions request as a Converse document; what Converse cannot carry is refused with its place."""

import msgspec

from keepstone.core.errors import RequestError
from keepstone.gateway.wire.dialect import chat_shapes as shapes
from keepstone.gateway.wire.dialect.conversation import (
    Conversation,
    Document,
    image,
    json_schema,
    request_metadata,
    tool,
    tool_config,
    tool_result,
    tool_use,
)
from keepstone.gateway.wire.dialect.decoding import decoded, json_object

_decoder = msgspec.json.Decoder(shapes.ChatRequest)


def read_chat(body: bytes) -> tuple[shapes.ChatRequest, Document]:
    """Return the request and its Converse document; raise `RequestError` for what cannot be carried."""
    request = decoded(_decoder, body, shapes.REFUSED)
    talk = Conversation()
    for number, message in enumerate(request.messages):
        _turn(talk, message, f"$.messages[{number}]")
    document = talk.document(_settings(request), _tools(request), _extra(request))
    output = _output(request.response_format)
    if output:
        document["outputConfig"] = {"textFormat": output}
    metadata = request_metadata(request.metadata, request.user)
    if metadata:
        document["requestMetadata"] = metadata
    if request.service_tier not in (None, "auto"):
        document["serviceTier"] = {"type": request.service_tier}
    return request, document


def _turn(talk: Conversation, message: object, place: str) -> None:
    match message:
        case shapes.System() | shapes.Developer():
            talk.instruct(_plain(message.content), place)
        case shapes.User():
            talk.say("user", _said(message.content, place))
        case shapes.Assistant():
            talk.say("assistant", _answered(message, place))
        case shapes.ToolMessage():
            parts = [message.content] if isinstance(message.content, str) else _texts(message.content)
            talk.say("user", [tool_result(message.tool_call_id, [{"text": part} for part in parts])])
        case _:
            raise RequestError(f"`{place}`: a message that this gateway does not carry")


def _plain(content: str | list[shapes.Text]) -> str:
    return content if isinstance(content, str) else "\n".join(_texts(content))


def _texts(parts: list[shapes.Text]) -> list[str]:
    return [part.text for part in parts]


def _said(content: str | list[shapes.Text | shapes.Image], place: str) -> list[Document]:
    if isinstance(content, str):
        return [{"text": content}]
    return [
        {"text": part.text}
        if isinstance(part, shapes.Text)
        else image(part.image_url.url, f"{place}.content[{number}]")
        for number, part in enumerate(content)
    ]


def _answered(message: shapes.Assistant, place: str) -> list[Document]:
    texts: list[str] = []
    if isinstance(message.content, str):
        texts.append(message.content)
    elif message.content is not None:
        texts += [part.text if isinstance(part, shapes.Text) else part.refusal for part in message.content]
    if message.refusal:
        texts.append(message.refusal)
    blocks: list[Document] = [{"text": text} for text in texts if text]
    for number, call in enumerate(message.tool_calls or ()):
        arguments = json_object(call.function.arguments, f"{place}.tool_calls[{number}].function.arguments")
        blocks.append(tool_use(call.id, call.function.name, arguments))
    return blocks or [{"text": ""}]


def _settings(request: shapes.ChatRequest) -> Document:
    most = request.max_completion_tokens if request.max_tokens is None else request.max_tokens
    stops = [request.stop] if isinstance(request.stop, str) else request.stop
    return {
        "maxTokens": most,
        "temperature": request.temperature,
        "topP": request.top_p,
        "stopSequences": stops or None,
    }


def _tools(request: shapes.ChatRequest) -> Document:
    specs = [
        tool(
            each.function.name,
            each.function.description,
            each.function.parameters,
            strict=each.function.strict,
        )
        for each in request.tools or ()
    ]
    choice = request.tool_choice
    if isinstance(choice, shapes.NamedChoice):
        return tool_config(specs, None, choice.function.name)
    return tool_config(specs, choice, None)


def _extra(request: shapes.ChatRequest) -> Document:
    extra = {name: getattr(request, name) for name in shapes.CARRIED}
    if extra["parallel_tool_calls"]:  # what everybody does when nothing is said
        extra["parallel_tool_calls"] = None
    wanted = request.response_format
    if wanted is not None and wanted.type == "json_object":
        extra["response_format"] = {"type": "json_object"}
    return extra


def _output(wanted: shapes.ResponseFormat | None) -> Document:
    if wanted is None or wanted.type != "json_schema":
        return {}
    if wanted.json_schema is None:
        raise RequestError("`$.response_format`: expected `json_schema`")
    schema = msgspec.json.encode(wanted.json_schema.schema_ or {}).decode()
    return json_schema(schema, wanted.json_schema.name, wanted.json_schema.description)
