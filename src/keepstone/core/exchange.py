"""What a model call is made of: its operation, its data class, the tokens it used."""

from enum import IntEnum, StrEnum

from msgspec import Struct


class Operation(StrEnum):
    """The operations of Bedrock that the gateway serves, by their names in the service models."""

    __hash__ = str.__hash__  # looked up several times a call; the enum's own is Python

    CONVERSE = "Converse"
    CONVERSE_STREAM = "ConverseStream"
    INVOKE_MODEL = "InvokeModel"
    INVOKE_MODEL_STREAM = "InvokeModelWithResponseStream"
    COUNT_TOKENS = "CountTokens"
    APPLY_GUARDRAIL = "ApplyGuardrail"
    LIST_FOUNDATION_MODELS = "ListFoundationModels"
    GET_FOUNDATION_MODEL = "GetFoundationModel"
    LIST_INFERENCE_PROFILES = "ListInferenceProfiles"
    GET_INFERENCE_PROFILE = "GetInferenceProfile"

    @property
    def streams(self) -> bool:
        """Say whether the answer is an event stream."""
        return self in (Operation.CONVERSE_STREAM, Operation.INVOKE_MODEL_STREAM)


LISTINGS = frozenset(
    {
        Operation.LIST_FOUNDATION_MODELS,
        Operation.GET_FOUNDATION_MODEL,
        Operation.LIST_INFERENCE_PROFILES,
        Operation.GET_INFERENCE_PROFILE,
    }
)
"""What tells which models there are; Bedrock has it in its control plane."""

WITHOUT_MODEL = LISTINGS | {Operation.APPLY_GUARDRAIL}
"""What goes to no model."""


class DataClass(IntEnum):
    """How sensitive the data of a call is; a higher value needs a higher clearance."""

    __hash__ = int.__hash__  # looked up several times a call; the enum's own is Python

    PUBLIC = 0
    INTERNAL = 1
    CONFIDENTIAL = 2
    RESTRICTED = 3

    @property
    def label(self) -> str:
        """Return the name as the policy document writes it, such as `Internal`."""
        return _LABELS[self]

    @classmethod
    def parse(cls, label: str) -> "DataClass":
        """Return the class named `label`, in any letter case; raise `ValueError` for an unknown one."""
        try:
            return cls[label.upper()]
        except KeyError as error:
            expected = ", ".join(each.label for each in cls)
            raise ValueError(f"expected one of {expected}, got `{label[:32]}`") from error


_LABELS = {each: each.name.capitalize() for each in DataClass}


class ClassSource(StrEnum):
    """What a call's class comes from: the highest of these decides."""

    __hash__ = str.__hash__  # written into each record; the enum's own is Python

    DEFAULT = "default"
    HEADER = "header"
    PRINCIPAL = "principal"
    CONTENT = "content"


class TokenUsage(Struct, frozen=True):
    """Tokens of one call, as the upstream counted them; `estimated` when it did not say."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        """Return input plus output tokens."""
        return self.input + self.output
