"""The shape of an OpenAI Responses request, as far as it is carried. Nothing is stored between calls."""

from typing import Any, Literal

from keepstone.gateway.wire.dialect.chat_shapes import Named
from keepstone.gateway.wire.dialect.decoding import Shape

STATE = frozenset({"previous_response_id", "conversation", "background", "prompt", "context_management"})
"""Members that need what this gateway does not keep: the conversations of its callers."""

REFUSED = STATE | {
    "max_tool_calls", "moderation", "prompt_cache_key", "prompt_cache_retention", "safety_identifier",
    "file_id", "image_url", "filename", "file_data", "detail", "phase", "prompt_cache_options",
}  # fmt: skip
"""Members of the protocol that are refused by their name."""


class InputText(Shape, tag_field="type", tag="input_text"):
    """A part that the user says."""

    text: str


class InputImage(Shape, tag_field="type", tag="input_image"):
    """A part that is an image, in a data URL."""

    image_url: str
    detail: Literal["auto"] | None = None


class OutputText(Shape, tag_field="type", tag="output_text"):
    """A part that the model said."""

    text: str
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class Refusal(Shape, tag_field="type", tag="refusal"):
    """A part in which the model had refused."""

    refusal: str


class ReasoningText(Shape, tag_field="type", tag="reasoning_text"):
    """A part of what the model had thought."""

    text: str


Part = InputText | InputImage | OutputText | Refusal | ReasoningText


class Item(Shape):
    """One item of the input: a message (which needs no `type`), a tool call, its output, or reasoning."""

    type: Literal["message", "function_call", "function_call_output", "reasoning"] = "message"
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[Part] | None = None
    id: str | None = None
    status: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | list[Part] | None = None
    summary: list[Any] | None = None
    encrypted_content: str | None = None
    namespace: None = None
    phase: None = None


class Tool(Shape):
    """A function that the model may ask for; tools that run at OpenAI's are refused."""

    type: Literal["function"]
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedChoice(Named):
    """The one tool that must be used."""

    type: Literal["function"] = "function"


class Format(Shape, rename={"schema_": "schema"}):
    """The form of the answer."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = None
    strict: bool | None = None


class Text(Shape):
    """How the answer's text shall be."""

    format: Format | None = None
    verbosity: str | None = None


class Reasoning(Shape):
    """How much the model shall think."""

    effort: str | None = None
    summary: Literal["auto"] | None = None
    generate_summary: None = None


class StreamOptions(Shape):
    """What a stream shall hold; padding against guessing by length is not made."""

    include_obfuscation: Literal[False] | None = None


class ResponsesRequest(Shape):
    """The whole body."""

    model: str
    input: str | list[Item]
    instructions: str | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | NamedChoice | None = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    reasoning: Reasoning | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    service_tier: Literal["auto", "default", "flex", "priority"] | None = None
    store: Literal[False] | None = None
    truncation: Literal["disabled"] | None = None
    include: list[Literal["reasoning.encrypted_content"]] | None = None
    background: Literal[False] | None = None
    previous_response_id: None = None
    conversation: None = None
    top_logprobs: Literal[0] | None = None
