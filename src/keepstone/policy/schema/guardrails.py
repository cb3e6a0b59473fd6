"""What is looked for in the text of a call, and what happens to it."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, field

from keepstone.policy.schema.words import Closed


class Action(StrEnum):
    """What happens to a finding: the call is blocked, the text is masked, or it is only noted."""

    BLOCK = "BLOCK"
    ANONYMIZE = "ANONYMIZE"
    NONE = "NONE"


class BlockAction(StrEnum):
    """What happens to a finding that cannot be masked."""

    BLOCK = "BLOCK"
    NONE = "NONE"


class Directions(Closed, frozen=True, kw_only=True):
    """An action for what goes to the model and one for what comes back."""

    input: Annotated[Action, Meta(description="on the way to the model")] = Action.NONE
    output: Annotated[Action, Meta(description="on the way back")] = Action.NONE


class PiiType(StrEnum):
    """Personal data that Bedrock Guardrails names and that is found by pattern and checksum here."""

    AGE = "AGE"
    AWS_ACCESS_KEY = "AWS_ACCESS_KEY"
    AWS_SECRET_KEY = "AWS_SECRET_KEY"  # noqa: S105 - a kind of finding, not a secret
    CA_HEALTH_NUMBER = "CA_HEALTH_NUMBER"
    CA_SOCIAL_INSURANCE_NUMBER = "CA_SOCIAL_INSURANCE_NUMBER"
    CREDIT_DEBIT_CARD_CVV = "CREDIT_DEBIT_CARD_CVV"
    CREDIT_DEBIT_CARD_EXPIRY = "CREDIT_DEBIT_CARD_EXPIRY"
    CREDIT_DEBIT_CARD_NUMBER = "CREDIT_DEBIT_CARD_NUMBER"
    DRIVER_ID = "DRIVER_ID"
    EMAIL = "EMAIL"
    INTERNATIONAL_BANK_ACCOUNT_NUMBER = "INTERNATIONAL_BANK_ACCOUNT_NUMBER"
    IP_ADDRESS = "IP_ADDRESS"
    LICENSE_PLATE = "LICENSE_PLATE"
    MAC_ADDRESS = "MAC_ADDRESS"
    PASSWORD = "PASSWORD"  # noqa: S105 - a kind of finding, not a secret
    PHONE = "PHONE"
    PIN = "PIN"
    SWIFT_CODE = "SWIFT_CODE"
    UK_NATIONAL_HEALTH_SERVICE_NUMBER = "UK_NATIONAL_HEALTH_SERVICE_NUMBER"
    UK_NATIONAL_INSURANCE_NUMBER = "UK_NATIONAL_INSURANCE_NUMBER"
    UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER = "UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER"
    URL = "URL"
    USERNAME = "USERNAME"
    US_BANK_ACCOUNT_NUMBER = "US_BANK_ACCOUNT_NUMBER"
    US_BANK_ROUTING_NUMBER = "US_BANK_ROUTING_NUMBER"
    US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER = "US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER"
    US_PASSPORT_NUMBER = "US_PASSPORT_NUMBER"
    US_SOCIAL_SECURITY_NUMBER = "US_SOCIAL_SECURITY_NUMBER"
    VEHICLE_IDENTIFICATION_NUMBER = "VEHICLE_IDENTIFICATION_NUMBER"


class CustomWord(Closed, frozen=True, kw_only=True):
    """A word or phrase of the customer's, found in any letter case, as whole words."""

    text: Annotated[str, Meta(min_length=1, max_length=100, description="the word or phrase")]
    action: Annotated[
        BlockAction | None, Meta(description="in both directions, instead of `input` and `output`")
    ] = None
    input: Annotated[BlockAction, Meta(description="on the way to the model")] = BlockAction.BLOCK
    output: Annotated[BlockAction, Meta(description="on the way back")] = BlockAction.BLOCK


class CustomRegex(Closed, frozen=True, kw_only=True):
    """A pattern of the customer's, in RE2 syntax, so that it runs in linear time."""

    name: Annotated[
        str, Meta(pattern=r"^[0-9a-zA-Z_ -]{1,100}$", description="stands in the mask, as `{name}`")
    ]
    pattern: Annotated[
        str, Meta(min_length=1, max_length=500, description="in RE2 syntax; must not match empty text")
    ]
    action: Annotated[Action | Directions, Meta(description="what happens to what fits")] = Action.BLOCK


class Messages(Closed, frozen=True, kw_only=True):
    """What a caller reads instead of blocked text.

    The defaults are sentences that red-team detectors read as a refusal.
    """

    input: Annotated[
        str, Meta(min_length=1, max_length=500, description="instead of an answer to a blocked request")
    ] = "I'm sorry, but I can't assist with that request."
    output: Annotated[str, Meta(min_length=1, max_length=500, description="instead of a blocked answer")] = (
        "I'm sorry, but I can't assist with that request."
    )


class Injection(Closed, frozen=True, kw_only=True):
    """The prompt-attack rules: instructions that try to overrule the application's."""

    action: Annotated[BlockAction, Meta(description="`NONE` only notes an attack")] = BlockAction.BLOCK
    strength: Annotated[
        Literal["LOW", "MEDIUM", "HIGH"],
        Meta(
            description="LOW acts on findings of high confidence only, HIGH on all, as in Bedrock Guardrails"
        ),
    ] = "MEDIUM"


class StreamScan(StrEnum):
    """When the text of a stream is scanned: before a piece leaves, before all of it leaves, or behind it."""

    WINDOWED = "windowed"
    BUFFERED = "buffered"
    ASYNC = "async"


class MaskStyle(StrEnum):
    """What a model reads in the place of masked text."""

    TYPE = "type"
    SURROGATE = "surrogate"


class Masking(Closed, frozen=True, kw_only=True):
    """What a model reads in the place of masked text, and who gets the original back in the answer."""

    style: Annotated[
        MaskStyle,
        Meta(
            description="`type`: `{EMAIL}`, as Bedrock masks; `surrogate`: `{EMAIL_bdfkqrtvwx}`, the same "
            "for the same value in every call of one caller: a model can tell one person from another"
        ),
    ] = MaskStyle.TYPE
    restore_to: Annotated[
        tuple[str, ...],
        Meta(
            description="roles whose callers read the originals in answers, streams and tool calls; `*` for "
            "all. Passwords, PINs, keys and other credentials are never restored"
        ),
    ] = ()


class PromptLeak(Closed, frozen=True, kw_only=True):
    """Whether an answer may repeat its own system prompt."""

    action: Annotated[Action, Meta(description="`ANONYMIZE` writes `{SYSTEM_PROMPT}` in its place")] = (
        Action.NONE
    )
    words: Annotated[
        int,
        Meta(ge=4, le=100, description="so many words in a row, as the system prompt has them, are a leak"),
    ] = 12
    allow: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=5000)], ...],
        Meta(description="passages that answers may repeat, such as a notice that they are told to quote"),
    ] = ()


class Guardrail(Closed, frozen=True, kw_only=True):
    """What is looked for in the text of a call, and what happens to it."""

    description: Annotated[str, Meta(description="what it is for")] = ""
    messages: Messages = Messages()
    pii: Annotated[
        dict[PiiType, Action | Directions],
        Meta(description="personal data that is looked for, and what happens to it; no other is looked for"),
    ] = field(default_factory=dict)
    credentials: Annotated[
        Action | Directions,
        Meta(description="tokens, private keys and connection strings of more than 50 kinds"),
    ] = Action.BLOCK
    words: Annotated[
        tuple[str | CustomWord, ...],
        Meta(
            max_length=10_000,
            description="words and phrases, in any letter case; a plain text blocks in both directions",
        ),
    ] = ()
    regexes: Annotated[tuple[CustomRegex, ...], Meta(max_length=30, description="patterns of your own")] = ()
    injection: Injection = Injection()
    uninspectable: Annotated[
        Literal["block", "allow"],
        Meta(description="what to do with images and documents whose text this version cannot read"),
    ] = "block"
    masking: Masking = Masking()
    prompt_leak: Annotated[
        PromptLeak | None,
        Meta(description="whether answers may repeat their system prompt; absent: they may"),
    ] = None
    stream: Annotated[
        StreamScan,
        Meta(
            description="`windowed`: each piece is scanned before it leaves; `buffered`: all before any "
            "leaves; `async`: scanned behind, unmasked"
        ),
    ] = StreamScan.WINDOWED
