"""The shape of an Anthropic Messages request, as far as it is carried."""

from typing import Any, Literal

from keepstone.gateway.wire.dialect.decoding import Shape

REFUSED = frozenset(
    {
        "container", "context_management", "mcp_servers", "inference_geo", "speed", "citations", "caller",
        "eager_input_streaming", "defer_loading", "allowed_callers", "input_examples", "max_uses",
        "allowed_domains", "blocked_domains", "user_location", "display_width_px", "display_height_px",
    }
)  # fmt: skip
"""Members of the protocol that are refused by their name."""


class CacheControl(Shape):
    """Up to here the prompt may be cached."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class _Cached(Shape, kw_only=True):
    cache_control: CacheControl | None = None


class Text(_Cached, tag_field="type", tag="text"):
    """A block that is text; citations are set aside, since the model is given none back."""

    text: str
    citations: None = None


class Base64(Shape, tag_field="type", tag="base64"):
    """Content within the request."""

    media_type: str
    data: str


class PlainText(Shape, tag_field="type", tag="text"):
    """A document that is text."""

    data: str
    media_type: Literal["text/plain"] = "text/plain"


class Image(_Cached, tag_field="type", tag="image"):
    """A block that is an image; one by address is refused, as the gateway fetches nothing."""

    source: Base64


class Uncited(Shape):
    """Citations that are switched off."""

    enabled: Literal[False]


class File(_Cached, tag_field="type", tag="document"):
    """A block that is a document: a PDF, or text."""

    source: Base64 | PlainText
    title: str | None = None
    context: str | None = None
    citations: Uncited | None = None


class ToolUse(_Cached, tag_field="type", tag="tool_use"):
    """A tool that the model had asked for."""

    id: str
    name: str
    input: dict[str, Any]
    caller: None = None


class ToolResult(_Cached, tag_field="type", tag="tool_result"):
    """What a tool answered."""

    tool_use_id: str
    content: str | list[Text | Image | File] | None = None
    is_error: bool | None = None


class Thinking(Shape, tag_field="type", tag="thinking"):
    """What the model had thought, with its signature: it goes back as it came."""

    thinking: str
    signature: str | None = None


class RedactedThinking(Shape, tag_field="type", tag="redacted_thinking"):
    """What the model had thought, encrypted by its provider."""

    data: str


Block = Text | Image | File | ToolUse | ToolResult | Thinking | RedactedThinking


class Turn(Shape):
    """What one side says."""

    role: Literal["user", "assistant"]
    content: str | list[Block]


class Tool(_Cached):
    """A tool of the caller's own; tools that run at Anthropic's are refused."""

    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool | None = None


class ToolChoice(Shape):
    """Which tool must be used, if any."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: Literal[False] | None = None


class Metadata(Shape):
    """Who asks, as an opaque id."""

    user_id: str | None = None


class Format(Shape, rename={"schema_": "schema"}):
    """The form of the answer."""

    type: Literal["json_schema"]
    schema_: dict[str, Any]


class OutputConfig(Shape):
    """How much effort, and in which form."""

    effort: str | None = None
    format: Format | None = None


class CountRequest(Shape):
    """The body of count_tokens, and the part of a request that is counted."""

    model: str
    messages: list[Turn]
    system: str | list[Text] | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: dict[str, Any] | None = None
    output_config: OutputConfig | None = None
    cache_control: None = None


class MessagesRequest(CountRequest, kw_only=True):
    """The whole body."""

    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] | None = None
    stream: bool | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
