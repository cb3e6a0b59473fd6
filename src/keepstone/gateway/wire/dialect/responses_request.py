"""An OpenAI Responses request as a Converse document. The gateway keeps no conversation between calls."""

import msgspec

from keepstone.core.errors import RequestError
from keepstone.gateway.wire.dialect import responses_shapes as shapes
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

_decoder = msgspec.json.Decoder(shapes.ResponsesRequest)
_STATELESS = "; this gateway keeps no conversation between calls: send the whole input with `store: false`"


def read_responses(body: bytes) -> tuple[shapes.ResponsesRequest, Document]:
    """Return the request and its Converse document; raise `RequestError` for what cannot be carried."""
    try:
        request = decoded(_decoder, body, shapes.REFUSED)
    except RequestError as error:
        if any(f"$.{name}" in error.message for name in (*shapes.STATE, "store")):
            raise RequestError(error.message + _STATELESS) from error
        raise
    talk = Conversation()
    if request.instructions:
        talk.instruct(request.instructions, "$.instructions")
    items = (
        [shapes.Item(role="user", content=request.input)] if isinstance(request.input, str) else request.input
    )
    for number, item in enumerate(items):
        _item(talk, item, f"$.input[{number}]")
    return request, _document(request, talk)


def _document(request: shapes.ResponsesRequest, talk: Conversation) -> Document:
    config = {
        "maxTokens": request.max_output_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
    }
    form = request.text.format if request.text else None
    extra = {
        "reasoning_effort": request.reasoning.effort if request.reasoning else None,
        "verbosity": request.text.verbosity if request.text else None,
        "parallel_tool_calls": False if request.parallel_tool_calls is False else None,
        "response_format": {"type": "json_object"} if form and form.type == "json_object" else None,
    }
    document = talk.document(config, _tools(request), extra)
    if form and form.type == "json_schema":
        schema = msgspec.json.encode(form.schema_ or {}).decode()
        wanted = json_schema(schema, form.name or "answer", form.description)
        document["outputConfig"] = {"textFormat": wanted}
    metadata = request_metadata(request.metadata, request.user)
    if metadata:
        document["requestMetadata"] = metadata
    if request.service_tier not in (None, "auto"):
        document["serviceTier"] = {"type": request.service_tier}
    return document


def _item(talk: Conversation, item: shapes.Item, place: str) -> None:
    match item.type:
        case "message":
            _message(talk, item, place)
        case "function_call":
            if item.call_id is None or item.name is None:
                raise RequestError(f"`{place}`: expected `call_id` and `name`")
            arguments = json_object(item.arguments or "", f"{place}.arguments")
            talk.say("assistant", [tool_use(item.call_id, item.name, arguments)])
        case "function_call_output":
            if item.call_id is None or item.output is None:
                raise RequestError(f"`{place}`: expected `call_id` and `output`")
            talk.say("user", [tool_result(item.call_id, _parts(item.output, f"{place}.output"))])
        case "reasoning":
            talk.say("assistant", _thoughts(item, place))


def _message(talk: Conversation, item: shapes.Item, place: str) -> None:
    content = _parts(item.content or "", f"{place}.content")
    match item.role:
        case "user" | "assistant" as role:
            talk.say(role, content)
        case "system" | "developer":
            for part in content:
                if "text" not in part:
                    raise RequestError(f"`{place}`: instructions are text")
                talk.instruct(part["text"], place)
        case _:
            raise RequestError(f"`{place}`: expected `role`")


def _parts(content: str | list[shapes.Part], place: str) -> list[Document]:
    if isinstance(content, str):
        return [{"text": content}]
    blocks: list[Document] = []
    for number, part in enumerate(content):
        match part:
            case shapes.InputImage():
                blocks.append(image(part.image_url, f"{place}[{number}]"))
            case shapes.Refusal():
                blocks.append({"text": part.refusal})
            case _:
                blocks.append({"text": part.text})
    return blocks


def _thoughts(item: shapes.Item, place: str) -> list[Document]:
    """Return what the model had thought, with the signature that came as `encrypted_content`."""
    content = item.content if isinstance(item.content, list) else []
    text = "".join(block.get("text", "") for block in _parts(content, f"{place}.content"))
    signature = {"signature": item.encrypted_content} if item.encrypted_content else {}
    return [{"reasoningContent": {"reasoningText": {"text": text, **signature}}}] if text else []


def _tools(request: shapes.ResponsesRequest) -> Document:
    specs = [
        tool(each.name, each.description, each.parameters, strict=each.strict) for each in request.tools or ()
    ]
    choice = request.tool_choice
    if isinstance(choice, shapes.NamedChoice):
        return tool_config(specs, None, choice.name)
    return tool_config(specs, choice, None)
