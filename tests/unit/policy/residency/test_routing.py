import pytest

from keepstone.core.decision import ReasonCode
from keepstone.policy.residency.addresses import InProfile, InRegions, Nowhere, address_of
from keepstone.policy.residency.routing import Reach, narrow
from tests.unit.policy.residency.worlds import UPSTREAM, facts, rules

NOON = 1_795_262_400_000_000_000  # 2026-11-21T12:00:00Z
DAY = 86_400_000_000_000
ACCOUNT = "arn:aws:bedrock:eu-central-1:123456789012"


@pytest.mark.parametrize(
    ("model_id", "address"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", InRegions()),
        ("openai.gpt-oss-120b-1:0", InRegions()),
        ("eu.anthropic.claude-3-haiku-20240307-v1:0", InProfile("eu.anthropic.claude-3-haiku-20240307-v1:0")),
        ("global.anthropic.claude-x", InProfile("global.anthropic.claude-x")),
        ("emea.anthropic.claude-x", InProfile("emea.anthropic.claude-x")),
        ("newcomer.model-v1:0", InProfile("newcomer.model-v1:0")),
        ("a1b2c3d4e5f6", InProfile("a1b2c3d4e5f6")),
        ("anthropic", InProfile("anthropic")),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-x", InRegions(("us-east-1",))),
        ("arn:aws:bedrock:::foundation-model/anthropic.claude-x", InRegions(("*",))),
        (f"{ACCOUNT}:provisioned-model/abc", InRegions(("eu-central-1",))),
        (f"{ACCOUNT}:imported-model/abc", InRegions(("eu-central-1",))),
        ("arn:aws:sagemaker:eu-west-2:123456789012:endpoint/e", InRegions(("eu-west-2",))),
        (f"{ACCOUNT}:inference-profile/eu.anthropic.x", InProfile("eu.anthropic.x")),
        (
            f"{ACCOUNT}:application-inference-profile/a1",
            InProfile(f"{ACCOUNT}:application-inference-profile/a1"),
        ),
    ],
)
def test_what_an_id_says(model_id, address):
    assert address_of(model_id) == address


@pytest.mark.parametrize(
    "model_id",
    [
        f"{ACCOUNT}:default-prompt-router/anthropic.claude:1",
        f"{ACCOUNT}:prompt/P1:1",
        f"{ACCOUNT}:agent/A1",
        "arn:aws:s3:::bucket/key",
        "arn:aws:bedrock",
        "arn:",
    ],
)
def test_an_id_that_says_nothing(model_id):
    assert isinstance(address_of(model_id), Nowhere)


def refused(region, *reaches, data=("EU",), **more):
    found = narrow(rules(region, **more), facts(data), [(UPSTREAM, each) for each in reaches], NOON)
    assert found.candidates == ()
    return found.refusal.reason


def test_a_refusal_names_each_destination_that_failed_and_no_other():
    reason = refused("eu-central-1", Reach(("eu-west-2", "ap-south-1", "us-east-1", "ap-southeast-2")))
    assert reason.code is ReasonCode.TRANSFER_REFUSED
    for failed in ("ap-south-1 (IN)", "us-east-1 (US)", "ap-southeast-2 (AU)", "GDPR Art. 44", "2023/1795"):
        assert failed in reason.message
    for allowed in ("eu-central-1", "eu-west-2"):
        assert allowed not in reason.message


def test_one_law_s_no_is_told_for_that_law():
    reason = refused("ap-northeast-1", Reach(), data=("EU", "CH"))
    assert "FADP Art. 16" in reason.message
    assert "GDPR" not in reason.message


@pytest.mark.parametrize(
    ("reach", "code"),
    [
        (Reach(unknown="nobody knows"), ReasonCode.DESTINATION_UNKNOWN),
        (Reach(unknown="being asked for", pending=True), ReasonCode.DESTINATION_PENDING),
    ],
)
def test_what_nobody_can_tell_is_refused_as_that(reach, code):
    reason = refused("eu-central-1", reach)
    assert (reason.code, reach.unknown in reason.message) == (code, True)


def test_nobody_s_data_goes_nowhere():
    assert refused("eu-central-1", Reach(), data=()).code is ReasonCode.DESTINATION_UNKNOWN


def test_the_grounds_stand_in_the_note():
    found = narrow(
        rules("eu-west-2", instruments=["dpf"]),
        facts(),
        [(UPSTREAM, Reach(("us-east-1", "eu-west-1")))],
        NOON,
    )
    assert found.note.code is ReasonCode.TRANSFER_ALLOWED
    for ground in (
        "GB: GDPR Art. 45(3)",
        "US: GDPR Art. 45(3), Decision (EU) 2023/1795",
        "IE: GDPR Art. 1(3)",
    ):
        assert ground in found.note.message


def test_what_is_assumed_says_so():
    reach = Reach(("eu-west-1",), "shipped table of 2026-11-21", assumed=True)
    found = narrow(rules("eu-central-1"), facts(), [(UPSTREAM, reach)], NOON)
    assert found.assumed
    assert "shipped table" in found.note.message


@pytest.mark.parametrize(
    ("reach_until", "expected"),
    [(0, NOON - NOON % DAY + DAY), (NOON + 5, NOON + 5), (NOON + 9 * DAY, NOON - NOON % DAY + DAY)],
)
def test_an_answer_holds_until_the_day_ends_or_what_it_rests_on(reach_until, expected):
    found = narrow(rules("eu-central-1"), facts(), [(UPSTREAM, Reach(until_ns=reach_until))], NOON)
    assert found.until_ns == expected


CONSENT = {"register": "c.jsonl", "needed_for": ["research"], "explicit_for": ["support"]}


@pytest.mark.parametrize(
    ("purpose", "consent", "cites"),
    [
        ("", "-", None),
        ("billing", "-", None),
        ("support", "given", None),
        ("support", "-", "GDPR Art. 9(2)(a)"),
        ("support", "implicit", "GDPR Art. 9(2)(a)"),
        ("support", "unknown", "GDPR Art. 9(2)(a)"),
        ("support", "expired", "GDPR Art. 9(2)(a)"),
        ("support", "withdrawn", "GDPR Art. 7(3)"),
        ("support", "unreadable", "cannot be read"),
        ("research", "given", "GDPR Art. 5(1)(b)"),
        ("research", "-", "GDPR Art. 6(1)(a)"),
        ("research", "refused", "GDPR Art. 6(1)(a)"),
    ],
)
def test_consent_as_a_condition(purpose, consent, cites):
    known = rules("eu-central-1", consent=CONSENT)
    found = narrow(known, facts(purpose=purpose, consent=consent), [(UPSTREAM, Reach())], NOON)
    assert (found.refusal is None) == (cites is None)
    if cites:
        assert found.refusal.reason.code is ReasonCode.CONSENT_MISSING
        assert cites in found.refusal.reason.message
