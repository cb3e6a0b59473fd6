import asyncio
import json

import msgspec
import pytest

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import UpstreamError
from keepstone.gateway.consents import ConsentFile
from keepstone.gateway.profiles import AGAIN_NS, MAX_PROFILES, ProfileDestinations
from keepstone.gateway.residency import MEMO_SIZE, Question, ResidencyGuard
from keepstone.policy.compile import compile_policy
from keepstone.policy.residency.routing import Routing
from tests.unit.policy.documents import loaded

HOUR = 3_600_000_000_000
NOW = 1_795_262_400_000_000_000
EU_PROFILE, US_PROFILE = "eu.anthropic.claude-x", "us.anthropic.claude-x"
POLICY = """\
version: 1
organisation: {name: Acme, jurisdictions: [EU]}
identities:
  roles:
    engineer: {allow: [{models: ["*"]}]}
    swiss: {allow: [{models: ["*"]}]}
purposes: {support: {description: answers to customers}}
upstreams:
  eu: {kind: bedrock, region: eu-central-1}
  zurich: {kind: bedrock, region: eu-central-2}
  local: {kind: openai, base_url: "http://127.0.0.1:1/v1", country: COUNTRY}
  dev: {kind: dev}
models:
  - {id: "eu.anthropic.claude-named", upstreams: [eu]}
  - {id: "*", upstreams: [eu, zurich, local, dev]}
residency:
  roles: {swiss: [CH]}
  rules: {EU: {stay_in: [EEA]}, CH: {stay_in: [CH]}}
"""


def compiled(text=POLICY, country="DE"):
    return compile_policy(loaded(text.replace("COUNTRY", country)))


class Aws:
    """What AWS would say; counts how often it is asked."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def __call__(self, upstream, profile):
        self.asked.append((upstream, profile))
        found = self.answers.get(profile.partition(".")[0])
        if found is None:
            raise UpstreamError("GetInferenceProfile: AccessDeniedException", code="upstream.profile")
        return found


def destinations(tmp_path, aws, *, planes=None, **more):
    settings = {"max_age_ns": 24 * HOUR, "shipped_table": False} | more
    return ProfileDestinations(tmp_path / "p.json", aws, planes or {"eu": "a", "zurich": "b"}, **settings)


class Asked:
    """A guard, and calls to ask it about."""

    def __init__(self, tmp_path, aws=None, policy=None, register=None):
        self.policy = policy or compiled()
        self.profiles = destinations(tmp_path, aws or Aws())
        self.guard = ResidencyGuard(self.policy.residency, self.profiles, register)

    def __call__(self, model_id, *, role="engineer", now=NOW, purpose="", headers=None, upstreams=None):
        model = self.policy.model(model_id)
        candidates = upstreams or model.upstreams
        question = Question((role,), model_id, model, candidates, purpose, headers or {})
        return self.guard.route(question, now)


def test_only_what_is_allowed_stays_in_its_order(tmp_path):
    ask = Asked(tmp_path)
    assert ask("anthropic.claude-x").candidates == ("eu", "local", "dev")
    assert ask("anthropic.claude-x", role="swiss").candidates == ("zurich", "dev")


@pytest.mark.parametrize("country", ["US", '""'])
def test_a_server_elsewhere_or_nowhere_is_left_out(tmp_path, country):
    ask = Asked(tmp_path, policy=compiled(country=country))
    assert ask("anthropic.claude-x").candidates == ("eu", "dev")


def test_what_is_not_allowed_so_far_is_not_added(tmp_path):
    assert Asked(tmp_path)("anthropic.claude-x", upstreams=("dev",)).candidates == ("dev",)


def test_the_same_question_is_answered_from_memory(tmp_path):
    ask = Asked(tmp_path)
    assert ask("anthropic.claude-x") is ask("anthropic.claude-x")
    assert ask("anthropic.claude-x") is not ask("anthropic.claude-y")
    midnight = NOW - NOW % (24 * HOUR) + 24 * HOUR
    today = ask("anthropic.claude-x")
    assert ask("anthropic.claude-x", now=midnight - 1) is today
    assert ask("anthropic.claude-x", now=midnight) is not today


def test_no_caller_can_make_the_memory_grow(tmp_path):
    ask = Asked(tmp_path)
    for number in range(MEMO_SIZE + 10):
        ask(f"anthropic.claude-{number}")
    assert len(ask.guard._memo) <= MEMO_SIZE


def test_a_profile_is_asked_for_and_then_known(tmp_path):
    aws = Aws(eu=("eu-west-1", "eu-west-3"))
    ask = Asked(tmp_path, aws)
    first = ask(EU_PROFILE, upstreams=("eu",))
    assert first.reason.code is ReasonCode.DESTINATION_PENDING
    asyncio.run(ask.guard.refresh(NOW))
    assert aws.asked == [("eu", EU_PROFILE)]
    assert ask(EU_PROFILE, upstreams=("eu",)).candidates == ("eu",)
    asyncio.run(ask.guard.refresh(NOW + HOUR))
    assert len(aws.asked) == 1


def test_an_answer_that_changes_is_heeded_at_once(tmp_path):
    aws = Aws(eu=("eu-west-1",))
    ask = Asked(tmp_path, aws)
    ask(EU_PROFILE, upstreams=("eu",))
    asyncio.run(ask.guard.refresh(NOW))
    assert isinstance(ask(EU_PROFILE, upstreams=("eu",)), Routing)
    aws.answers["eu"] = ("eu-west-1", "eu-west-2")
    asyncio.run(ask.guard.refresh(NOW + 13 * HOUR))  # half its age: asked again before it ends
    found = ask(EU_PROFILE, upstreams=("eu",), now=NOW + 13 * HOUR)
    assert isinstance(found, Decision)
    assert "eu-west-2 (GB)" in found.reason.message


def test_an_answer_too_old_is_none(tmp_path):
    aws = Aws(eu=("eu-west-1",))
    ask = Asked(tmp_path, aws)
    ask(EU_PROFILE, upstreams=("eu",))
    asyncio.run(ask.guard.refresh(NOW))
    del aws.answers["eu"]
    later = NOW + 24 * HOUR
    assert isinstance(ask(EU_PROFILE, upstreams=("eu",), now=later - 1), Routing)
    assert ask(EU_PROFILE, upstreams=("eu",), now=later).reason.code is ReasonCode.DESTINATION_PENDING
    asyncio.run(ask.guard.refresh(later))
    found = ask(EU_PROFILE, upstreams=("eu",), now=later)
    assert found.reason.code is ReasonCode.DESTINATION_UNKNOWN
    assert "AccessDeniedException" in found.reason.message


def test_aws_is_left_alone_for_a_while_after_it_did_not_say(tmp_path):
    aws = Aws()
    ask = Asked(tmp_path, aws)
    for pause in (0, 1, AGAIN_NS - 1):
        ask(US_PROFILE, upstreams=("eu",), now=NOW + pause)
        asyncio.run(ask.guard.refresh(NOW + pause))
    assert len(aws.asked) == 1
    ask(US_PROFILE, upstreams=("eu",), now=NOW + AGAIN_NS)
    asyncio.run(ask.guard.refresh(NOW + AGAIN_NS))
    assert len(aws.asked) == 2


def test_a_failure_does_not_displace_an_answer_that_holds(tmp_path):
    aws = Aws(eu=("eu-west-1",))
    ask = Asked(tmp_path, aws)
    ask(EU_PROFILE, upstreams=("eu",))
    asyncio.run(ask.guard.refresh(NOW))
    del aws.answers["eu"]
    asyncio.run(ask.guard.refresh(NOW + 13 * HOUR))
    assert isinstance(ask(EU_PROFILE, upstreams=("eu",), now=NOW + 13 * HOUR), Routing)


def test_profiles_that_the_policy_names_are_asked_for_before_a_call(tmp_path):
    aws = Aws(eu=("eu-west-1",))
    ask = Asked(tmp_path, aws)
    ask.guard.expect(ask.policy.routes)
    asyncio.run(ask.guard.refresh(NOW))
    assert aws.asked == [("eu", "eu.anthropic.claude-named")]


def test_answers_outlive_the_process_but_not_their_upstream(tmp_path):
    aws = Aws(eu=("eu-west-1",))
    first = destinations(tmp_path, aws)
    first.want("eu", EU_PROFILE)
    asyncio.run(first.refresh(NOW))
    assert destinations(tmp_path, aws).reach("eu", EU_PROFILE, NOW).regions == ("eu-west-1",)
    moved = destinations(tmp_path, aws, planes={"eu": "elsewhere"})
    assert moved.reach("eu", EU_PROFILE, NOW).pending


@pytest.mark.parametrize("content", [b"", b"{}", b"not json", b'{"answers": [{}]}'])
def test_a_snapshot_that_is_none_is_asked_for_anew(tmp_path, content):
    (tmp_path / "p.json").write_bytes(content)
    assert destinations(tmp_path, Aws()).reach("eu", EU_PROFILE, NOW).pending


def test_the_shipped_table_stands_in_only_when_it_is_told_to(tmp_path):
    found = destinations(tmp_path, Aws(), shipped_table=True).reach("eu", EU_PROFILE, NOW)
    assert found.assumed
    assert {"eu-central-2", "eu-west-2"} <= set(found.regions)
    unheard = destinations(tmp_path, Aws(), shipped_table=True).reach("eu", "emea.anthropic.x", NOW)
    assert unheard.pending


def test_what_is_wanted_is_bounded(tmp_path):
    held = destinations(tmp_path, Aws())
    for number in range(MAX_PROFILES + 10):
        held.reach("eu", f"eu.anthropic.{number}", NOW)
    assert len(held.due(NOW)) == MAX_PROFILES


@pytest.mark.parametrize("stated", [b"europe", b"eu", b"EU\n", b"U S", b"\xff\xfe", b"US-TOOLONG"])
def test_a_jurisdiction_that_is_none(tmp_path, stated):
    found = Asked(tmp_path)("anthropic.claude-x", headers={b"x-keepstone-jurisdiction": stated})
    assert found.reason.code is ReasonCode.REQUEST_MALFORMED


def test_a_stated_jurisdiction_only_narrows(tmp_path):
    ask = Asked(tmp_path)
    for stated in (b"EU", b"CH", b"GB", b"US-CA", b"IN"):
        found = ask("anthropic.claude-x", headers={b"x-keepstone-jurisdiction": stated})
        assert set(found.candidates) <= {"eu", "local", "dev"}
    assert ask("anthropic.claude-x", headers={b"x-keepstone-jurisdiction": b"CH"}).candidates == ("dev",)


class TestConsentFile:
    def line(self, kind):
        event = {"receipt": "r", "event": kind, "time": "2026-01-01T00:00:00Z", "purposes": ["support"]}
        return json.dumps(event) + "\n"

    def test_it_is_read_again_when_it_changes(self, tmp_path):
        file = tmp_path / "consents.jsonl"
        file.write_text(self.line("given"))
        register = ConsentFile(file)
        assert register.receipts["r"].state.value == "given"
        assert not asyncio.run(register.refresh())
        file.write_text(self.line("given") + self.line("withdrawn"))
        assert asyncio.run(register.refresh())
        assert register.receipts["r"].state.value == "withdrawn"

    def test_missing_or_spoilt_it_says_nothing(self, tmp_path):
        file = tmp_path / "consents.jsonl"
        register = ConsentFile(file)
        assert register.receipts is None
        file.write_text(self.line("given"))
        asyncio.run(register.refresh())
        assert register.receipts
        file.write_text(self.line("given") + "spoilt\n")
        asyncio.run(register.refresh())
        assert register.receipts is None

    def test_a_withdrawal_is_heeded_by_the_next_call(self, tmp_path):
        text = POLICY + f"  consent: {{register: {tmp_path}/c.jsonl, needed_for: [support]}}\n"
        (tmp_path / "c.jsonl").write_text(self.line("given"))
        ask = Asked(tmp_path, policy=compiled(text), register=ConsentFile(tmp_path / "c.jsonl"))
        stated = {"purpose": "support", "headers": {b"x-keepstone-consent": b"r"}}
        assert isinstance(ask("anthropic.claude-x", **stated), Routing)
        assert ask("anthropic.claude-x", purpose="support").reason.code is ReasonCode.CONSENT_MISSING
        (tmp_path / "c.jsonl").write_text(self.line("withdrawn"))
        asyncio.run(ask.guard.refresh(NOW))
        assert ask("anthropic.claude-x", **stated).reason.code is ReasonCode.CONSENT_MISSING


def test_decisions_can_be_encoded(tmp_path):
    assert msgspec.json.encode(Asked(tmp_path)("anthropic.claude-x").note)
