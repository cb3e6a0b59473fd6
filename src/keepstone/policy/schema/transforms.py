"""Changes that the gateway makes to requests and answers on their way."""

from typing import Annotated

from msgspec import Meta

from keepstone.policy.schema.words import Closed, ModelGlob, Name, OperationName

FieldPath = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}(\.[A-Za-z_][A-Za-z0-9_-]{0,63}){0,7}$",
        description="a member of the body, such as `inferenceConfig.maxTokens`",
    ),
]
Scalar = str | int | float | bool


class SetField(Closed, frozen=True, kw_only=True, tag_field="change", tag="set"):
    """Write a member, whatever the caller wrote there."""

    path: FieldPath
    to: Annotated[Scalar, Meta(description="the value")]


class DefaultField(Closed, frozen=True, kw_only=True, tag_field="change", tag="default"):
    """Write a member that the caller left out."""

    path: FieldPath
    to: Annotated[Scalar, Meta(description="the value")]


class CapField(Closed, frozen=True, kw_only=True, tag_field="change", tag="cap"):
    """Lower a number to a bound; write the bound where there is none."""

    path: FieldPath
    at: Annotated[int | float, Meta(description="the bound")]


class RemoveField(Closed, frozen=True, kw_only=True, tag_field="change", tag="remove"):
    """Take a member out."""

    path: FieldPath


class AddSystem(Closed, frozen=True, kw_only=True, tag_field="change", tag="system"):
    """Add a block to the system prompt, before or behind the caller's own; Converse only."""

    text: Annotated[str, Meta(min_length=1, max_length=20_000, description="the block's text")]
    first: Annotated[bool, Meta(description="before the caller's own blocks")] = True


class DropReasoning(Closed, frozen=True, kw_only=True, tag_field="change", tag="drop-reasoning"):
    """Take the model's reasoning out of answers and streams; Converse only."""


class AppendText(Closed, frozen=True, kw_only=True, tag_field="change", tag="append"):
    """Add a block of text behind the answer, such as the notice that a machine wrote it; Converse only."""

    text: Annotated[str, Meta(min_length=1, max_length=2000, description="the block's text")]


RequestChange = SetField | DefaultField | CapField | RemoveField | AddSystem
ResponseChange = RemoveField | DropReasoning | AppendText


class Transform(Closed, frozen=True, kw_only=True):
    """Changes to the calls of some roles and models, in the order in which they are written.

    Requests are changed before limits and guardrails look at them, answers before guardrails do.
    """

    name: Annotated[Name, Meta(description="stands in the records of changed calls")]
    roles: Annotated[
        tuple[str, ...], Meta(min_length=1, description="calls by holders of one of these roles")
    ] = ("*",)
    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1, description="of these models")] = ("*",)
    operations: Annotated[
        tuple[OperationName, ...],
        Meta(min_length=1, description="by these operations; CountTokens counts a call as it is changed"),
    ] = ("*",)
    request: Annotated[tuple[RequestChange, ...], Meta(description="changes to what goes to the model")] = ()
    response: Annotated[
        tuple[ResponseChange, ...],
        Meta(description="changes to what comes back; `remove` changes whole answers, not streams"),
    ] = ()
