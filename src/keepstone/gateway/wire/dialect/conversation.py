"""Building a Converse document from the parts that other protocols share: turns, images, tools, settings."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from keepstone.core.errors import RequestError

Document = dict[str, Any]
Role = Literal["user", "assistant"]

_DATA_URL = re.compile(r"data:image/(png|jpeg|gif|webp);base64,")
_TOOL_CHOICES: Mapping[str, Document] = {"auto": {"auto": {}}, "required": {"any": {}}, "any": {"any": {}}}


class Conversation:
    """The turns of a conversation; neighbours of one role become one message, since Converse alternates."""

    def __init__(self) -> None:
        self.system: list[Document] = []
        self.messages: list[Document] = []

    def say(self, role: Role, blocks: Sequence[Document]) -> None:
        """Add what one side says next."""
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"].extend(blocks)
        else:
            self.messages.append({"role": role, "content": list(blocks)})

    def instruct(self, text: str, place: str) -> None:
        """Add to the system prompt; raise `RequestError` amid the turns, where it has no place."""
        if self.messages:
            raise RequestError(
                f"`{place}`: a system message must stand before all others; Converse carries none amid them"
            )
        if text:
            self.system.append({"text": text})

    def document(self, config: Document, tools: Document, extra: Document) -> Document:
        """Return the request; members that would be empty are left out."""
        document: Document = {"messages": self.messages}
        members = {
            "system": self.system,
            "inferenceConfig": {name: value for name, value in config.items() if value is not None},
            "toolConfig": tools,
            "additionalModelRequestFields": {n: v for n, v in extra.items() if v is not None},
        }
        document |= {name: value for name, value in members.items() if value}
        return document


def image(url: str, place: str) -> Document:
    """Return the block of an image in a data URL; raise `RequestError` for an address."""
    found = _DATA_URL.match(url)
    if found is None:
        raise RequestError(
            f"`{place}`: expected an image as `data:image/png;base64,...` (or jpeg, gif, webp); "
            "the gateway fetches nothing"
        )
    return {"image": {"format": found[1], "source": {"bytes": url[found.end() :]}}}


def tool_use(call_id: str, name: str, arguments: Document) -> Document:
    """Return the block of a tool call."""
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": arguments}}


def tool_result(call_id: str, content: list[Document]) -> Document:
    """Return the block of a tool's answer."""
    return {"toolResult": {"toolUseId": call_id, "content": content}}


def tool(name: str, description: str | None, schema: Document | None, *, strict: bool | None) -> Document:
    """Return a tool's specification; a tool without parameters takes an empty object."""
    spec: Document = {"name": name}
    if description:
        spec["description"] = description
    spec["inputSchema"] = {"json": schema or {"type": "object", "properties": {}}}
    if strict:
        spec["strict"] = True
    return {"toolSpec": spec}


def tool_config(tools: list[Document], choice: str | None, named: str | None) -> Document:
    """Return the configuration of tools; with the choice `none` the model is shown none of them."""
    if not tools or choice == "none":
        return {}
    config: Document = {"tools": tools}
    if named is not None:
        config["toolChoice"] = {"tool": {"name": named}}
    elif choice is not None:
        if choice not in _TOOL_CHOICES:
            raise RequestError("`$.tool_choice`: a value that this gateway does not carry")
        config["toolChoice"] = dict(_TOOL_CHOICES[choice])
    return config


def json_schema(schema: str, name: str, description: str | None) -> Document:
    """Return the output format that makes the model answer in JSON of a schema."""
    inner = {"schema": schema, "name": name} | ({"description": description} if description else {})
    return {"type": "json_schema", "structure": {"jsonSchema": inner}}


def request_metadata(metadata: Mapping[str, str] | None, user: str | None) -> Document:
    """Return what the caller wants to find again in invocation logs."""
    return dict(metadata or {}) | ({"user": user} if user else {})
