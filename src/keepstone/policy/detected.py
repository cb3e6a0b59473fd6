"""From what guardrails find to the class of the data: the built-in table, and the policy's own.

A find of a type that nobody has classified counts as Restricted, personal data as Confidential: what is not
known to be harmless is not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import msgspec

from keepstone.core.exchange import DataClass
from keepstone.policy.schema.data import Data
from keepstone.policy.schema.guardrails import Action, Guardrail, PiiType

CREDENTIALS = "CREDENTIALS"
WORDS = "CUSTOM_WORD"
ATTACKS = "PROMPT_ATTACK"
SYSTEM_PROMPT = "SYSTEM_PROMPT"

_RESTRICTED = (
    # health, and numbers that open a person's accounts or identity
    PiiType.CA_HEALTH_NUMBER,
    PiiType.UK_NATIONAL_HEALTH_SERVICE_NUMBER,
    PiiType.CREDIT_DEBIT_CARD_CVV,
    PiiType.CREDIT_DEBIT_CARD_EXPIRY,
    PiiType.CREDIT_DEBIT_CARD_NUMBER,
    PiiType.INTERNATIONAL_BANK_ACCOUNT_NUMBER,
    PiiType.US_BANK_ACCOUNT_NUMBER,
    PiiType.CA_SOCIAL_INSURANCE_NUMBER,
    PiiType.UK_NATIONAL_INSURANCE_NUMBER,
    PiiType.UK_UNIQUE_TAXPAYER_REFERENCE_NUMBER,
    PiiType.US_INDIVIDUAL_TAX_IDENTIFICATION_NUMBER,
    PiiType.US_PASSPORT_NUMBER,
    PiiType.US_SOCIAL_SECURITY_NUMBER,
    PiiType.DRIVER_ID,
    PiiType.AWS_ACCESS_KEY,
    PiiType.AWS_SECRET_KEY,
    PiiType.PASSWORD,
    PiiType.PIN,
)
_HARMLESS = (PiiType.URL, PiiType.SWIFT_CODE, PiiType.US_BANK_ROUTING_NUMBER)  # they name no person

BUILT_IN: Mapping[str, DataClass] = MappingProxyType(
    {each.value: DataClass.CONFIDENTIAL for each in PiiType}
    | {each.value: DataClass.RESTRICTED for each in _RESTRICTED}
    | {each.value: DataClass.PUBLIC for each in _HARMLESS}
    | {CREDENTIALS: DataClass.RESTRICTED}
    | dict.fromkeys((WORDS, ATTACKS, SYSTEM_PROMPT), DataClass.PUBLIC)
)
"""The classes of finds that the policy does not name in `data.detected`."""

_SECRETS = frozenset({PiiType.AWS_ACCESS_KEY, PiiType.AWS_SECRET_KEY})


class Found(Protocol):
    """A find: its type, which detector made it, and what became of it."""

    @property
    def type(self) -> str:
        """Return the type, such as `EMAIL` or the name of a pattern."""
        ...

    @property
    def detector(self) -> str:
        """Return the detector's id."""
        ...

    @property
    def action(self) -> str:
        """Return `NONE`, `ANONYMIZED` or `BLOCKED`."""
        ...


@dataclass(frozen=True, slots=True)
class DetectedClasses:
    """The class that each find gives a call; `masked` is that of masked text, `None` for no change."""

    table: Mapping[str, DataClass]
    masked: DataClass | None

    def of_type(self, kind: str, detector: str = "") -> DataClass:
        """Return the class of text with a find; a pattern of the customer's has the one it is given."""
        found = self.table.get(kind)
        if found is not None:
            return found
        if detector.startswith("regex:"):
            return DataClass.PUBLIC
        return self.table[CREDENTIALS]

    def of(self, found: Found) -> DataClass:
        """Return the class of text as it goes on after a find was dealt with."""
        if found.action == "ANONYMIZED" and self.masked is not None:
            return min(self.masked, self.of_type(found.type, found.detector))
        return self.of_type(found.type, found.detector)

    def highest(self, found: Iterable[Found]) -> DataClass:
        """Return the class of text with all these finds."""
        return max((self.of(each) for each in found), default=DataClass.PUBLIC)


def compile_classes(data: Data) -> DetectedClasses:
    """Return the built-in table under the policy's own."""
    own = {kind: DataClass.parse(label) for kind, label in data.detected.items()}
    masked = None if data.masked_class == "as-found" else DataClass.parse(data.masked_class)
    return DetectedClasses(MappingProxyType({**BUILT_IN, **own}), masked)


def looked_for(guardrail: Guardrail, data: Data) -> frozenset[str]:
    """Return the types that a guardrail looks for, whatever it does with them: all credentials always."""
    named = with_detection(guardrail, data).pii.keys() | _SECRETS
    patterns = {each.name for each in guardrail.regexes}
    return frozenset({*(each.value for each in named), *patterns, CREDENTIALS, WORDS, ATTACKS, SYSTEM_PROMPT})


def with_detection(guardrail: Guardrail, data: Data) -> Guardrail:
    """Return a guardrail that also notes the personal data that `data.detected` names and it does not.

    Credentials are always looked for, and their own action stays theirs.
    """
    named = [each for each in PiiType if each.value in data.detected and each not in _SECRETS]
    missing = {each: Action.NONE for each in named if each not in guardrail.pii}
    if not missing:
        return guardrail
    return msgspec.structs.replace(guardrail, pii={**guardrail.pii, **missing})
