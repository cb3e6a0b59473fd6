"""A Converse request as an OpenAI chat-completions request.

What has no counterpart there (documents other than text, films, sounds, guard images) is refused with its
path, never dropped: a model must not answer about a file that it was not given.
"""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from keepstone.core.errors import RequestError
from keepstone.gateway.wire.rules import TEXT_FORMATS

Document = dict[str, Any]

_SETTINGS = {
    "maxTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "stopSequences": "stop",
}


def to_openai(document: Mapping[str, Any], model: str, *, stream: bool = False) -> Document:
    """Return the chat request for `model`; raise `RequestError` for content that it cannot carry."""
    try:
        return _translated(document, model, stream=stream)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # The document is the caller's: any member may be missing or of another type.
        raise RequestError("the request is not a valid Converse request") from error


def _translated(document: Mapping[str, Any], model: str, *, stream: bool) -> Document:
    _refuse_unknown(document)
    messages: list[Document] = []
    system = "\n\n".join(
        _plain_text(block, "system") for block in document.get("system") or () if _says(block)
    )
    if system:
        messages.append({"role": "system", "content": system})
    for index, message in enumerate(document.get("messages") or ()):
        messages.extend(_messages(message, f"messages[{index}]"))
    request: Document = {"model": model, "messages": messages}
    request |= _settings(document.get("inferenceConfig") or {})
    request |= _tools(document.get("toolConfig") or {})
    request |= _output(document.get("outputConfig") or {})
    request |= _service(document)
    request = {**_extra(document.get("additionalModelRequestFields") or {}), **request}
    request["stream"] = stream
    if stream:
        request["stream_options"] = {"include_usage": True}
    return request


_CARRIED = frozenset(
    {
        "additionalModelRequestFields",
        "guardrailConfig",  # the gateway has obeyed it
        "inferenceConfig",
        "messages",
        "outputConfig",
        "performanceConfig",
        "requestMetadata",
        "serviceTier",
        "system",
        "toolConfig",
    }
)
_UNCARRIED = ("promptVariables", "additionalModelResponseFieldPaths")
"""Members of Converse that a chat request has no word for."""

_DECIDED = frozenset(
    {
        "function_call",
        "functions",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "n",
        "response_format",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_p",
    }
)
"""What limits, guardrails and transforms have looked at elsewhere in the document."""

_HARMLESS = ({"type": "json_object"}, {"type": "text"})
"""Forms of an answer that hold no schema."""

_TIERS = frozenset({"default", "priority", "flex"})


def _refuse_unknown(document: Mapping[str, Any]) -> None:
    for name in _UNCARRIED:
        if document.get(name):
            raise RequestError(f"`{name}`: this model's server takes no such member")
    if not _CARRIED.union(_UNCARRIED).issuperset(document):
        raise RequestError("the request has a member that this model's server takes in no form")


def _settings(config: Mapping[str, Any]) -> Document:
    if not _SETTINGS.keys() >= config.keys():
        known = ", ".join(f"`{name}`" for name in _SETTINGS)
        raise RequestError(f"`inferenceConfig`: this model's server takes {known}")
    return {_SETTINGS[name]: value for name, value in config.items()}


def _extra(fields: Mapping[str, Any]) -> Document:
    """Return the fields of the model's own, which go along as they are."""
    decided = _DECIDED.intersection(fields)
    if fields.get("response_format") in _HARMLESS:
        decided -= {"response_format"}
    if decided:
        names = ", ".join(f"`{name}`" for name in sorted(decided))
        raise RequestError(f"{names} cannot be set through `additionalModelRequestFields`")
    return dict(fields)


def _service(document: Mapping[str, Any]) -> Document:
    """Translate what is said to the server about the call, not to the model."""
    translated: Document = {}
    metadata = document.get("requestMetadata")
    if metadata:
        translated["metadata"] = dict(metadata)
    match document.get("serviceTier"):
        case None:
            pass
        case {"type": str(tier)} if tier in _TIERS:
            translated["service_tier"] = tier
        case _:
            known = ", ".join(f"`{tier}`" for tier in sorted(_TIERS))
            raise RequestError(f"`serviceTier`: this model's server takes {known}")
    if document.get("performanceConfig") not in (None, {}, {"latency": "standard"}):
        raise RequestError("`performanceConfig`: this model's server takes only the latency `standard`")
    return translated


def _messages(message: Mapping[str, Any], path: str) -> list[Document]:
    """Translate one message; each tool result becomes a message of its own, before the rest."""
    results: list[Document] = []
    parts: list[Document] = []
    calls: list[Document] = []
    for index, block in enumerate(message["content"]):
        place = f"{path}.content[{index}]"
        if "toolResult" in block:
            results.append(_tool_result(block["toolResult"], place))
        elif "toolUse" in block:
            calls.append(_tool_call(block["toolUse"]))
        elif "image" in block:
            parts.append(_image(block["image"], place))
        elif _says(block):
            parts.append({"type": "text", "text": _plain_text(block, place)})
    if not parts and not calls:
        return results
    translated: Document = {"role": message["role"], "content": _content(parts)}
    if calls:
        translated["tool_calls"] = calls
    return [*results, translated]


def _content(parts: list[Document]) -> str | list[Document] | None:
    """Join text to a string, which every server understands; keep parts when there are images."""
    if any(part["type"] != "text" for part in parts):
        return parts
    return "\n".join(part["text"] for part in parts) if parts else None


def _says(block: Mapping[str, Any]) -> bool:
    """Say whether a block says something: cache points and a model's own reasoning are not sent back."""
    return "cachePoint" not in block and "reasoningContent" not in block


def _plain_text(block: Mapping[str, Any], path: str) -> str:
    match block:
        case {"text": str(text)}:
            return text
        case {"guardContent": {"text": {"text": str(text)}}}:
            return text
        case {"document": dict(document)}:
            return _document_text(document, path)
        case {"citationsContent": {"content": list(pieces)}}:
            return "".join(piece["text"] for piece in pieces)
        case {"searchResult": {"title": str(title), "content": list(pieces)}}:
            return "\n".join([title, *(piece["text"] for piece in pieces)])
        case _:
            raise _unsupported(path, block)


def _document_text(document: Mapping[str, Any], path: str) -> str:
    source = document["source"]
    match source:
        case {"text": str(text)}:
            pass
        case {"content": list(pieces)}:
            text = "\n".join(piece["text"] for piece in pieces)
        case {"bytes": str(raw)} if str(document.get("format")) in TEXT_FORMATS:
            text = b64decode(raw, validate=True).decode()
        case _:
            raise _unsupported(path, {"document": document})
    context = [document["context"]] if document.get("context") else []
    return "\n".join([f"[{document.get('name', 'document')}]", *context, text])


def _image(image: Mapping[str, Any], path: str) -> Document:
    match image:
        case {"format": str(kind), "source": {"bytes": str(raw)}} if kind.isalnum():
            return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{raw}"}}
    raise _unsupported(path, {"image": image})


def _tool_call(call: Mapping[str, Any]) -> Document:
    arguments = msgspec.json.encode(call.get("input") or {}).decode()
    return {
        "id": call["toolUseId"],
        "type": "function",
        "function": {"name": call["name"], "arguments": arguments},
    }


def _tool_result(result: Mapping[str, Any], path: str) -> Document:
    pieces = [_result_text(block, path) for block in _sequence(result["content"])]
    return {"role": "tool", "tool_call_id": result["toolUseId"], "content": "\n".join(pieces)}


def _result_text(block: Mapping[str, Any], path: str) -> str:
    if "json" in block:
        return msgspec.json.encode(block["json"]).decode()
    return _plain_text(block, path)


def _tools(config: Mapping[str, Any]) -> Document:
    declared = config.get("tools") or ()
    if any("systemTool" in tool for tool in declared):
        raise RequestError("`toolConfig.tools`: this model's server has no such `systemTool`")
    tools = [_tool(tool["toolSpec"]) for tool in declared if "toolSpec" in tool]
    if not tools:
        return {}
    translated: Document = {"tools": tools}
    match config.get("toolChoice"):
        case {"tool": {"name": str(name)}}:
            translated["tool_choice"] = {"type": "function", "function": {"name": name}}
        case {"any": _}:
            translated["tool_choice"] = "required"
        case {"auto": _}:
            translated["tool_choice"] = "auto"
        case _:
            pass  # the server's own default
    return translated


def _tool(spec: Mapping[str, Any]) -> Document:
    function: Document = {"name": spec["name"], "parameters": spec["inputSchema"]["json"]}
    if spec.get("description"):
        function["description"] = spec["description"]
    if "strict" in spec:
        function["strict"] = spec["strict"]
    return {"type": "function", "function": function}


def _output(config: Mapping[str, Any]) -> Document:
    """Translate the form of the answer and the effort; the schema of a form is JSON within a string."""
    translated: Document = {}
    match config.get("textFormat"):
        case {"type": "json_schema", "structure": {"jsonSchema": {"schema": str(schema), **named}}}:
            wanted = {"schema": msgspec.json.decode(schema), **named}
            translated["response_format"] = {"type": "json_schema", "json_schema": wanted}
        case None:
            pass
        case _:
            raise RequestError("`outputConfig.textFormat`: this model's server takes `json_schema` only")
    if "effort" in config:
        translated["reasoning_effort"] = config["effort"]
    return translated


def _sequence(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        raise TypeError("expected a list")
    return value


def _unsupported(path: str, block: Mapping[str, Any]) -> RequestError:
    known = ("document", "image", "video", "audio", "guardContent", "searchResult")
    kind = next((name for name in known if name in block), "content")
    return RequestError(f"`{path}`: this model's server takes no such `{kind}`", code="request.unsupported")
