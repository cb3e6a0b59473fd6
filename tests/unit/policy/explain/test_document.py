"""The policy in plain words says what it does and what it does not."""

import pytest

from keepstone.policy.explain.document import explain_document
from keepstone.policy.load import load
from tests.unit.policy.documents import MINIMAL, loaded
from tests.unit.policy.test_compile import EXAMPLE


def sentences(text: str = "") -> dict[str, tuple[str, ...]]:
    policy = load(EXAMPLE).document if not text else loaded(text).document
    return {each.title: each.sentences for each in explain_document(policy)}


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("Organisation", "The law of NO and EU applies."),
        ("Organisation", "A call that states no data class counts as Internal."),
        (
            "Role analyst",
            "May use `eu.amazon.nova-*` by Converse and ConverseStream, with data up to Confidential.",
        ),
        (
            "Role engineer",
            (
                "Must not use `anthropic.claude-opus-*` with data above Public "
                "(ask the platform team for a project key)."
            ),
        ),
        (
            "Models",
            (
                "`eu.anthropic.claude-*` is reached by `frankfurt` (Amazon Bedrock in eu-central-1), "
                "then `stockholm` (Amazon Bedrock in eu-north-1); cleared up to Restricted; "
                "inspected by guardrail `claims`."
            ),
        ),
        ("Guardrail default", "Prompt attacks block the call, at strength MEDIUM."),
        ("Guardrail default", "In both directions, CREDIT_DEBIT_CARD_NUMBER and credentials block the call."),
        (
            "Guardrail claims",
            (
                "On the way back, INTERNATIONAL_BANK_ACCOUNT_NUMBER, CREDIT_DEBIT_CARD_NUMBER, credentials "
                "and 2 custom words block the call."
            ),
        ),
        (
            "Guardrail claims",
            "On the way back, EMAIL, PHONE, LICENSE_PLATE and pattern `claim-number` are masked.",
        ),
        ("Guardrail claims", "A stream is held until all of it was inspected."),
        (
            "Limits",
            "`copilot-day`: each role (calls by engineer and analyst) may spend 20000000 tokens in 1d.",
        ),
        ("Record", "An answer leaves only after its record is on disk."),
        ("Not protected", "Names and postal addresses of people follow no pattern and are not found."),
    ],
)
def test_the_example_reads_as_it_is(section: str, sentence: str) -> None:
    assert sentence in sentences()[section]


@pytest.mark.parametrize(
    ("added", "gap"),
    [
        ("", "Nothing bounds how much anyone spends."),
        ("", "Guardrail `default`: no personal data is masked or blocked in both directions."),
        (
            "guardrails: {default: {credentials: {input: BLOCK}}}",
            "Guardrail `default`: credentials can pass.",
        ),
        (
            "guardrails: {default: {injection: {action: NONE}}}",
            "Guardrail `default`: prompt attacks are noted",
        ),
        (
            "guardrails: {default: {stream: async}}",
            "Guardrail `default`: streams leave before they are scanned",
        ),
        ("guardrails: {default: {uninspectable: allow}}", "Guardrail `default`: images and documents pass"),
        ("record: {durability: bounded}", "A crash can lose the record of the last 10ms."),
        (
            "retention: {content: encrypted, content_failure: proceed}",
            "Content that cannot be kept is missing; its record says so.",
        ),
    ],
)
def test_what_is_not_protected_is_told(added: str, gap: str) -> None:
    gaps = sentences(MINIMAL + added + "\n")["Not protected"]
    assert [each for each in gaps if each.startswith(gap)]


def test_what_nobody_looks_for_is_not_told_as_found() -> None:
    two = """guardrails:
  default: {pii: {EMAIL: ANONYMIZE, PHONE: {input: BLOCK}, AGE: NONE}}
  cards: {pii: {CREDIT_DEBIT_CARD_NUMBER: BLOCK}, credentials: NONE}
data: {detected: {IP_ADDRESS: Restricted}}
"""
    found = sentences(MINIMAL + two)
    secrets = "AWS_ACCESS_KEY, AWS_SECRET_KEY, CREDENTIALS"
    assert (
        f"Found in clear, {secrets}, CREDIT_DEBIT_CARD_NUMBER and IP_ADDRESS make a call Restricted."
        in found["Classes of content"]
    )
    assert "Found in clear, AGE, EMAIL and PHONE make a call Confidential." in found["Classes of content"]
    (absent,) = (each for each in found["Classes of content"] if each.startswith("Not looked for"))
    assert "PIN" in absent
    assert "VEHICLE_IDENTIFICATION_NUMBER" in absent
    assert "EMAIL" not in absent
    assert "URL" not in absent  # it raises no class, found or not
    gaps = [each for each in found["Not protected"] if each.startswith("Guardrail `default`")]
    assert "Guardrail `default`: passes in one direction or both: AGE, IP_ADDRESS and PHONE." in gaps
    (absent,) = (each for each in gaps if "not looked for" in each)
    assert "CREDIT_DEBIT_CARD_NUMBER" in absent
    assert "AWS_ACCESS_KEY" not in absent
    (passes,) = (
        each for each in found["Not protected"] if each.startswith("Guardrail `cards`: passes in one")
    )
    assert passes == (
        "Guardrail `cards`: passes in one direction or both: AWS_ACCESS_KEY, AWS_SECRET_KEY and IP_ADDRESS."
    )


@pytest.mark.parametrize(
    ("retention", "said"),
    [
        ("{}", ["Records are kept 400 days; texts of calls are not stored."]),
        (
            "{content: encrypted, subject: {source: header, name: X-Subject}}",
            [
                "Records are kept 400 days.",
                (
                    "What is sent to models and what they answer is kept 30 days, encrypted under a key of "
                    "its subject: who the header `X-Subject` names."
                ),
                "A call that names no subject is refused.",
                "A call whose content cannot be kept is refused.",
            ],
        ),
    ],
)
def test_what_is_kept_is_told(retention: str, said: list[str]) -> None:
    record = sentences(f"{MINIMAL}retention: {retention}\n")["Record"]
    assert list(record[1:]) == said


def test_where_copy_and_anchors_go_is_told() -> None:
    added = """record:
  store: {kind: s3, bucket: acme-ledger, prefix: prod, when_behind: refuse, most_behind: 9}
  anchors: [{kind: folder, path: /mnt/audit}, {kind: s3, bucket: acme-anchors}]
"""
    found = sentences(MINIMAL + added)
    assert list(found["Record"][1:4]) == [
        "Every 30s what was published is copied to `s3://acme-ledger/prod` and locked there for 400 days.",
        "Calls are refused while more than 9 records of a log are not copied.",
        "Every 5m signed checkpoints go to `/mnt/audit`, `s3://acme-anchors/`.",
    ]
    alone = "Whoever has the gateway's disk and the ledger's key can cut or rewrite the record unnoticed."
    assert alone not in found["Not protected"]
    assert alone in sentences(MINIMAL)["Not protected"]


def test_an_unencrypted_upstream_is_told() -> None:
    text = MINIMAL.replace("{kind: dev}", "{kind: openai, base_url: 'http://a.example/v1'}")
    assert "Calls to upstream `dev` are not encrypted." in sentences(text)["Not protected"]
