"""The words that every part of the policy document is written with."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="lower-case name")]
ModelGlob = Annotated[
    str,
    Meta(
        min_length=1, max_length=2048, description="a model id, or a pattern in which `*` stands for any text"
    ),
]
DataClassName = Literal["Public", "Internal", "Confidential", "Restricted"]
OperationName = Literal[
    "*",
    "Converse",
    "ConverseStream",
    "InvokeModel",
    "InvokeModelWithResponseStream",
    "CountTokens",
    "ApplyGuardrail",
    "ListFoundationModels",
    "GetFoundationModel",
    "ListInferenceProfiles",
    "GetInferenceProfile",
]
Duration = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,5}(ms|s|m|h|d)$", description="such as `500ms`, `30s`, `1m`")
]
RegionGlob = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9*][a-z0-9*-]{0,63}$",
        description="a region such as `eu-central-1`, or a pattern such as `eu-*`",
    ),
]
Window = Annotated[
    str,
    Meta(
        max_length=100,
        pattern=r"^[A-Za-z,-]+ [0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2} [A-Za-z0-9_+/-]+$",
        description="days, hours, IANA time zone: `Mon-Fri 08:00-18:00 Europe/Berlin`; `daily` is every day",
    ),
]


class Closed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the document that accepts the named fields only."""
