"""The shape of a chat-completions request, as far as it is carried."""

from typing import Any, Literal

from keepstone.gateway.wire.dialect.decoding import Shape

CARRIED = (
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "min_p",
    "parallel_tool_calls",
    "reasoning_effort",
    "repetition_penalty",
    "seed",
    "top_k",
    "verbosity",
)
"""Members without a counterpart in Converse: they travel as fields of the model's own, under their names."""

REFUSED = frozenset(
    {
        "audio", "function_call", "functions", "modalities", "moderation", "prediction", "prompt_cache_key",
        "prompt_cache_retention", "safety_identifier", "web_search_options", "input_audio", "file", "name",
        "cache_control", "citations", "detail",
    }
)  # fmt: skip
"""Members of the protocol that are refused by their name."""


class Text(Shape, tag_field="type", tag="text"):
    """A part that is text."""

    text: str


class Refusal(Shape, tag_field="type", tag="refusal"):
    """A part in which the model had refused."""

    refusal: str


class ImageUrl(Shape):
    """Where an image is: in a data URL."""

    url: str
    detail: Literal["auto"] | None = None


class Image(Shape, tag_field="type", tag="image_url"):
    """A part that is an image."""

    image_url: ImageUrl


class Function(Shape):
    """The function of a tool call; its arguments are JSON within a string."""

    name: str
    arguments: str = ""


class ToolCall(Shape):
    """One tool that the model had asked for."""

    id: str
    function: Function
    type: Literal["function"] = "function"
    index: int | None = None


class System(Shape, tag_field="role", tag="system"):
    """Instructions."""

    content: str | list[Text]


class Developer(Shape, tag_field="role", tag="developer"):
    """Instructions, in the newer word."""

    content: str | list[Text]


class User(Shape, tag_field="role", tag="user"):
    """What the user says."""

    content: str | list[Text | Image]


class Assistant(Shape, tag_field="role", tag="assistant"):
    """What the model said; `reasoning_content` is accepted and set aside, as no server takes it back."""

    content: str | list[Text | Refusal] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning_content: str | None = None
    annotations: list[Any] | None = None
    audio: None = None
    function_call: None = None


class ToolMessage(Shape, tag_field="role", tag="tool"):
    """What a tool answered."""

    tool_call_id: str
    content: str | list[Text]


class FunctionSpec(Shape):
    """A function that the model may ask for."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Shape):
    """A tool; only functions are carried."""

    function: FunctionSpec
    type: Literal["function"] = "function"


class Named(Shape):
    """The name in a choice."""

    name: str


class NamedChoice(Shape):
    """The one tool that must be used."""

    function: Named
    type: Literal["function"] = "function"


class StreamOptions(Shape):
    """What a stream shall hold; padding against guessing by length is not made."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class SchemaFormat(Shape, rename={"schema_": "schema"}):
    """The schema of a structured answer."""

    name: str
    description: str | None = None
    schema_: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Shape):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None


class ChatRequest(Shape):
    """The whole body."""

    model: str
    messages: list[System | Developer | User | Assistant | ToolMessage]
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedChoice | None = None
    response_format: ResponseFormat | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    service_tier: Literal["auto", "default", "flex", "priority"] | None = None
    n: Literal[1] | None = None
    store: Literal[False] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    min_p: float | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    top_k: int | None = None
    verbosity: str | None = None
