"""How calls are classified, and what they may be for."""

from typing import Annotated, Literal

from msgspec import Meta, field

from keepstone.policy.schema.words import Closed, DataClassName


class Data(Closed, frozen=True, kw_only=True):
    """How calls are classified; the highest of header, principal and detected content counts."""

    default_class: Annotated[
        DataClassName, Meta(description="class of a call that states none in `X-Keepstone-Data-Class`")
    ] = "Internal"
    detected: Annotated[
        dict[str, DataClassName],
        Meta(
            description="what a guardrail finds -> the least class of a call that holds it: a type of "
            "personal data, `CREDENTIALS`, `CUSTOM_WORD` or the name of a pattern; added to the built-in "
            "table; a type of personal data named here is looked for by every guardrail"
        ),
    ] = field(default_factory=dict)
    masked_class: Annotated[
        Literal["as-found", "Public", "Internal", "Confidential", "Restricted"],
        Meta(
            description="the least class of a call in which something was masked; `as-found`: a mask lowers "
            "nothing"
        ),
    ] = "Internal"
    require_purpose: Annotated[
        bool, Meta(description="refuse calls that state no purpose in `X-Keepstone-Purpose`")
    ] = False


class Purpose(Closed, frozen=True, kw_only=True):
    """What data may be used for; a call states one in `X-Keepstone-Purpose` or `requestMetadata.purpose`."""

    description: Annotated[str, Meta(min_length=1, max_length=500, description="what is done with the data")]
    legal_basis: Annotated[
        Literal[
            "consent",
            "contract",
            "legal-obligation",
            "vital-interests",
            "public-task",
            "legitimate-interests",
        ]
        | None,
        Meta(description="GDPR Art. 6(1)(a) to (f)"),
    ] = None
