"""From finds to classes: the built-in table, the policy's own, and masks."""

from dataclasses import dataclass

import pytest

from keepstone.core.exchange import DataClass
from keepstone.detect.registry import CREDENTIALS, PERSONAL
from keepstone.policy.detected import BUILT_IN, compile_classes, with_detection
from keepstone.policy.schema.data import Data
from keepstone.policy.schema.guardrails import Action, Guardrail, PiiType

PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED = DataClass


@dataclass(frozen=True)
class Find:
    type: str
    action: str = "NONE"
    detector: str = ""


OWN = Data(detected={"EMAIL": "Restricted", "ticket": "Confidential", "CREDENTIALS": "Confidential"})


@pytest.mark.parametrize(
    ("data", "find", "expected"),
    [
        (Data(), Find("EMAIL"), CONFIDENTIAL),
        (Data(), Find("CREDIT_DEBIT_CARD_NUMBER"), RESTRICTED),
        (Data(), Find("UK_NATIONAL_HEALTH_SERVICE_NUMBER"), RESTRICTED),
        (Data(), Find("GITHUB_TOKEN"), RESTRICTED),
        (Data(), Find("SOMETHING_NEW"), RESTRICTED),
        (Data(), Find("PROMPT_ATTACK"), PUBLIC),
        (Data(), Find("CUSTOM_WORD", detector="word:3"), PUBLIC),
        (Data(), Find("ticket", detector="regex:0"), PUBLIC),
        (Data(), Find("URL"), PUBLIC),
        (Data(), Find("EMAIL", "ANONYMIZED"), INTERNAL),
        (Data(), Find("URL", "ANONYMIZED"), PUBLIC),
        (Data(), Find("EMAIL", "BLOCKED"), CONFIDENTIAL),
        (Data(masked_class="Public"), Find("EMAIL", "ANONYMIZED"), PUBLIC),
        (Data(masked_class="as-found"), Find("EMAIL", "ANONYMIZED"), CONFIDENTIAL),
        (OWN, Find("EMAIL"), RESTRICTED),
        (OWN, Find("ticket", detector="regex:0"), CONFIDENTIAL),
        (OWN, Find("GITHUB_TOKEN"), CONFIDENTIAL),
    ],
)
def test_the_class_of_a_find(data: Data, find: Find, expected: DataClass) -> None:
    assert compile_classes(data).of(find) is expected


def test_the_highest_counts() -> None:
    classes = compile_classes(Data())
    found = [Find("EMAIL", "ANONYMIZED"), Find("PHONE"), Find("CUSTOM_WORD")]
    assert classes.highest(found) is CONFIDENTIAL
    assert classes.highest([]) is PUBLIC


def test_every_type_that_can_be_found_has_a_class() -> None:
    assert {each.value for each in PiiType} <= set(BUILT_IN)
    classes = compile_classes(Data())
    assert {classes.of_type(row.type) for row in CREDENTIALS} == {RESTRICTED}
    assert {row.type for row in PERSONAL} <= set(BUILT_IN)


def test_what_has_a_class_of_its_own_is_looked_for() -> None:
    guardrail = Guardrail(pii={PiiType.PHONE: Action.BLOCK})
    data = Data(detected={"EMAIL": "Restricted", "PHONE": "Public", "AWS_ACCESS_KEY": "Restricted"})
    assert with_detection(guardrail, data).pii == {PiiType.PHONE: Action.BLOCK, PiiType.EMAIL: Action.NONE}
    assert with_detection(guardrail, Data()) is guardrail
