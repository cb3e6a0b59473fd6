"""The policy document as types: `keepstone.yaml` decoded by msgspec, nothing compiled yet.

Every struct is frozen and refuses unknown fields, so that a misspelt word is an error with a position and
never a rule that silently does not exist. Docstrings and `Meta` descriptions become the JSON schema that
editors show (`keepstone policy schema`).
"""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

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
]
Duration = Annotated[
    str, Meta(pattern=r"^[1-9][0-9]{0,5}(ms|s|m|h|d)$", description="such as `500ms`, `30s`, `1m`")
]


class _Closed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the document that accepts the named fields only."""


# --- organisation ----------------------------------------------------------------------------------------


class Organisation(_Closed, frozen=True, kw_only=True):
    """Who runs this, and what for; stands in every report."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    use_case: Annotated[str, Meta(max_length=500)] = ""
    scoping_matrix: Annotated[
        int, Meta(ge=1, le=5, description="scope in the AWS Generative AI Security Scoping Matrix, 1 to 5")
    ] = 3
    jurisdictions: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")], ...],
        Meta(description="whose law applies: `EU`, ISO 3166 codes of countries (`NO`) and parts (`US-CA`)"),
    ] = ()


# --- identities and roles --------------------------------------------------------------------------------


class AllowRule(_Closed, frozen=True, kw_only=True):
    """Models and operations that a role may use, up to a class of data."""

    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1)]
    operations: Annotated[tuple[OperationName, ...], Meta(min_length=1)] = ("*",)
    max_data_class: DataClassName = "Internal"


class DenyRule(_Closed, frozen=True, kw_only=True):
    """Models and operations that a role must not use; a denial overrides every allowance of every role."""

    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1)] = ("*",)
    operations: Annotated[tuple[OperationName, ...], Meta(min_length=1)] = ("*",)
    above: Annotated[
        DataClassName | None, Meta(description="deny only calls whose data class is higher than this one")
    ] = None
    because: Annotated[str, Meta(max_length=200, description="told to the refused caller")] = ""


class Role(_Closed, frozen=True, kw_only=True):
    """What the holders of this role may do; a role without an allowance allows nothing."""

    description: str = ""
    allow: tuple[AllowRule, ...] = ()
    deny: tuple[DenyRule, ...] = ()


class KeyRules(_Closed, frozen=True, kw_only=True):
    """Rules for the API keys that `keepstone keys create` issues."""

    default_lifetime: Duration = "90d"
    max_lifetime: Duration = "365d"


class Identities(_Closed, frozen=True, kw_only=True):
    """Roles, and how callers prove who they are."""

    roles: Annotated[dict[Name, Role], Meta(min_length=1)]
    keys: KeyRules = KeyRules()


# --- data ------------------------------------------------------------------------------------------------


class Data(_Closed, frozen=True, kw_only=True):
    """How calls are classified."""

    default_class: Annotated[
        DataClassName, Meta(description="class of a call that states none in `X-Keepstone-Data-Class`")
    ] = "Internal"


# --- upstreams and models --------------------------------------------------------------------------------


class SecretRef(_Closed, frozen=True, kw_only=True):
    """Where a secret is to be found; the secret itself never stands in the document."""

    env: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    file: Annotated[str, Meta(min_length=1)] | None = None


class _Upstream(_Closed, frozen=True):
    connect_timeout: Duration = "3s"
    timeout: Annotated[Duration, Meta(description="longest silence while an answer is awaited")] = "120s"
    attempts: Annotated[int, Meta(ge=1, le=5, description="tries before the next upstream is used")] = 2
    max_connections: Annotated[int, Meta(ge=1, le=4096)] = 256


class BedrockUpstream(_Upstream, frozen=True, kw_only=True, tag_field="kind", tag="bedrock"):
    """Amazon Bedrock Runtime in one region, by SigV4 with the AWS credential chain or by a bearer token."""

    region: Annotated[str, Meta(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
    bearer_token: SecretRef | None = None
    profile: Annotated[str, Meta(description="named profile of the AWS credential chain")] = ""
    endpoint_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://",
            description="instead of the region's public endpoint, such as a VPC endpoint",
        ),
    ] = ""
    ca_bundle: Annotated[str, Meta(description="file of extra certificate authorities, PEM")] = ""


class OpenAIUpstream(_Upstream, frozen=True, kw_only=True, tag_field="kind", tag="openai"):
    """A server that speaks OpenAI chat completions, such as vLLM, Ollama or llama.cpp."""

    base_url: Annotated[str, Meta(pattern=r"^https?://", description="up to and with `/v1`")]
    api_key: SecretRef | None = None
    ca_bundle: Annotated[str, Meta(description="file of extra certificate authorities, PEM")] = ""


class DevBehaviour(StrEnum):
    """What the development model does."""

    ECHO = "echo"
    SCRIPTED = "scripted"
    SLOW = "slow"
    FAILING = "failing"


class DevUpstream(_Upstream, frozen=True, kw_only=True, tag_field="kind", tag="dev"):
    """`keepstone.dev`: a deterministic model inside the gateway, for development; it says what it is."""

    behaviour: DevBehaviour = DevBehaviour.ECHO
    script: Annotated[
        dict[str, str], Meta(description="`scripted`: text to look for in the last user message -> answer")
    ] = {}
    delay: Annotated[
        Duration, Meta(description="`slow`: time before the answer, and between stream events")
    ] = "500ms"


Upstream = BedrockUpstream | OpenAIUpstream | DevUpstream


class Model(_Closed, frozen=True, kw_only=True):
    """A model, or a family of models by pattern, that roles can be given."""

    id: ModelGlob
    upstreams: Annotated[tuple[Name, ...], Meta(min_length=1, description="tried in this order")]
    max_data_class: Annotated[DataClassName, Meta(description="the model is cleared up to this class")] = (
        "Internal"
    )
    guardrail: Annotated[Name, Meta(description="which guardrail inspects its calls")] = "default"
    upstream_ids: Annotated[
        dict[Name, str], Meta(description="upstream -> the model's id there, where it is another one")
    ] = {}


# --- guardrails ------------------------------------------------------------------------------------------


class Action(StrEnum):
    """What happens to a finding: the call is blocked, the text is masked, or it is only noted."""

    BLOCK = "BLOCK"
    ANONYMIZE = "ANONYMIZE"
    NONE = "NONE"


class BlockAction(StrEnum):
    """What happens to a finding that cannot be masked."""

    BLOCK = "BLOCK"
    NONE = "NONE"


class Directions(_Closed, frozen=True, kw_only=True):
    """An action for what goes to the model and one for what comes back."""

    input: Action = Action.NONE
    output: Action = Action.NONE


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


class CustomWord(_Closed, frozen=True, kw_only=True):
    """A word or phrase of the customer's, found in any letter case, as whole words."""

    text: Annotated[str, Meta(min_length=1, max_length=100)]
    action: BlockAction | None = None
    input: BlockAction = BlockAction.BLOCK
    output: BlockAction = BlockAction.BLOCK


class CustomRegex(_Closed, frozen=True, kw_only=True):
    """A pattern of the customer's, in RE2 syntax, so that it runs in linear time."""

    name: Annotated[
        str, Meta(pattern=r"^[0-9a-zA-Z_ -]{1,100}$", description="stands in the mask, as `{name}`")
    ]
    pattern: Annotated[str, Meta(min_length=1, max_length=500)]
    action: Action | Directions = Action.BLOCK


class Messages(_Closed, frozen=True, kw_only=True):
    """What a caller reads instead of blocked text.

    The defaults are sentences that red-team detectors read as a refusal.
    """

    input: Annotated[str, Meta(min_length=1, max_length=500)] = (
        "I'm sorry, but I can't assist with that request."
    )
    output: Annotated[str, Meta(min_length=1, max_length=500)] = (
        "I'm sorry, but I can't assist with that request."
    )


class Injection(_Closed, frozen=True, kw_only=True):
    """The prompt-attack rules: instructions that try to overrule the application's."""

    action: BlockAction = BlockAction.BLOCK
    strength: Annotated[
        Literal["LOW", "MEDIUM", "HIGH"],
        Meta(
            description="LOW acts on findings of high confidence only, HIGH on all, as in Bedrock Guardrails"
        ),
    ] = "MEDIUM"


class StreamScan(StrEnum):
    """How the text of a stream is scanned before it is released."""

    WINDOWED = "windowed"
    BUFFERED = "buffered"


class Guardrail(_Closed, frozen=True, kw_only=True):
    """What is looked for in the text of a call, and what happens to it."""

    description: str = ""
    messages: Messages = Messages()
    pii: dict[PiiType, Action | Directions] = {}
    credentials: Annotated[
        Action | Directions,
        Meta(description="tokens, private keys and connection strings of more than 50 kinds"),
    ] = Action.BLOCK
    words: Annotated[tuple[str | CustomWord, ...], Meta(max_length=10_000)] = ()
    regexes: Annotated[tuple[CustomRegex, ...], Meta(max_length=30)] = ()
    injection: Injection = Injection()
    uninspectable: Annotated[
        Literal["block", "allow"],
        Meta(description="what to do with images and documents whose text this version cannot read"),
    ] = "block"
    stream: StreamScan = StreamScan.WINDOWED


# --- limits, retention, record ---------------------------------------------------------------------------


class Limit(_Closed, frozen=True, kw_only=True):
    """At most so many requests or tokens in a sliding window, counted apart for each holder of the scope."""

    name: Name
    scope: Annotated[
        Literal["principal", "role", "model", "organisation"],
        Meta(description="each of these has a window of its own"),
    ] = "principal"
    roles: Annotated[tuple[str, ...], Meta(description="counts only callers with one of these roles")] = (
        "*",
    )
    models: Annotated[tuple[ModelGlob, ...], Meta(description="counts only calls of these models")] = ("*",)
    window: Duration = "1m"
    requests: Annotated[int, Meta(ge=1)] | None = None
    tokens: Annotated[int, Meta(ge=1)] | None = None


class Retention(_Closed, frozen=True, kw_only=True):
    """How long things are kept."""

    ledger_days: Annotated[int, Meta(ge=1, le=36500, description="entries older than this are pruned")] = 400
    content: Annotated[
        Literal["none"], Meta(description="prompts and answers are not stored; only keyed hashes of them are")
    ] = "none"


class Durability(StrEnum):
    """When an answer may leave: after its record is on disk, or at most a window earlier."""

    STRICT = "strict"
    BOUNDED = "bounded"


class Record(_Closed, frozen=True, kw_only=True):
    """How the ledger is written."""

    durability: Durability = Durability.STRICT
    window: Annotated[Duration, Meta(description="`bounded`: the most that a crash can lose")] = "10ms"


class GatewayRules(_Closed, frozen=True, kw_only=True):
    """Bounds on what the gateway accepts."""

    max_request_bytes: Annotated[int, Meta(ge=1024, le=104_857_600)] = 26_214_400
    max_in_flight: Annotated[int, Meta(ge=1, le=100_000)] = 1024
    body_timeout: Annotated[Duration, Meta(description="a request's body must have arrived by then")] = "30s"


class Policy(_Closed, frozen=True, kw_only=True):
    """The whole document."""

    version: Literal[1]
    organisation: Organisation
    identities: Identities
    upstreams: Annotated[dict[Name, Upstream], Meta(min_length=1)]
    models: Annotated[tuple[Model, ...], Meta(min_length=1)]
    data: Data = Data()
    guardrails: dict[Name, Guardrail] = field(default_factory=lambda: {"default": Guardrail()})
    limits: tuple[Limit, ...] = ()
    retention: Retention = Retention()
    record: Record = Record()
    gateway: GatewayRules = GatewayRules()
