"""Purposes, regions and the class of content, as unmodified clients meet them in a real gateway."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conversation import CARD, said, user
from tests.e2e.gateway_process import GatewayProcess
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, unavailable

pytestmark = pytest.mark.xdist_group("e2e-admission")

MAIL = "write to ann@example.com"
SAFE, BOTH = "anthropic.claude-safe-v1:0", "anthropic.claude-both-v1:0"


def document(frankfurt: str, virginia: str) -> str:
    here = "kind: bedrock, attempts: 1, connect_timeout: 1s, timeout: 2s"
    return f"""\
version: 1
organisation: {{name: Admission}}
purposes:
  support: {{description: answering customers, legal_basis: contract}}
  research: {{description: trying things out}}
data: {{default_class: Public}}
cache: {{models: [keepstone.telling], per: organisation}}
identities:
  roles:
    desk: {{allow: [{{models: ["*"], purposes: [support], max_data_class: Restricted}}]}}
    trusted: {{allow: [{{models: ["*"], max_data_class: Restricted}}]}}
    modest: {{allow: [{{models: ["*"], max_data_class: Internal}}]}}
    european: {{allow: [{{models: ["*"], regions: ["eu-*"], max_data_class: Restricted}}]}}
upstreams:
  frankfurt: {{region: eu-central-1, max_data_class: Restricted, endpoint_url: "{frankfurt}", {here}}}
  virginia: {{region: us-east-1, max_data_class: Internal, endpoint_url: "{virginia}", {here}}}
  dev: {{kind: dev}}
  telling: {{kind: dev, behaviour: scripted, script: {{"{"who"}": "{MAIL}"}}}}
models:
  - {{id: "{SAFE}", upstreams: [frankfurt], max_data_class: Restricted, guardrail: noting}}
  - {{id: "{BOTH}", upstreams: [frankfurt, virginia], max_data_class: Restricted, guardrail: noting}}
  - {{id: keepstone.dev, upstreams: [dev], max_data_class: Internal, guardrail: noting}}
  - {{id: keepstone.masked, upstreams: [dev], max_data_class: Internal, guardrail: masking}}
  - {{id: keepstone.telling, upstreams: [telling], max_data_class: Restricted, guardrail: noting}}
guardrails:
  noting: {{pii: {{EMAIL: NONE, PHONE: BLOCK, CREDIT_DEBIT_CARD_NUMBER: NONE}}}}
  masking: {{pii: {{EMAIL: ANONYMIZE}}}}
"""


@pytest.fixture(scope="module")
def _frankfurt() -> Iterator[BedrockSimulator]:
    with BedrockSimulator(region="eu-central-1") as simulator:
        yield simulator


@pytest.fixture
def frankfurt(_frankfurt: BedrockSimulator) -> BedrockSimulator:
    """Amazon Bedrock in eu-central-1, healthy again."""
    _frankfurt.reset()
    return _frankfurt


@pytest.fixture(scope="module")
def admitting(
    tmp_path_factory: pytest.TempPathFactory, _bedrock: BedrockSimulator, _frankfurt: BedrockSimulator
) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("admission"), document(_frankfurt.url, _bedrock.url))
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture(scope="module")
def clients(admitting: GatewayProcess) -> dict[str, Any]:
    roles = ("desk", "trusted", "modest", "european")
    return {role: admitting.client(admitting.key(role)["token"]) for role in roles}


def refusal(client: Any, model: str, text: str, **more: Any) -> str:
    with pytest.raises(ClientError) as caught:
        client.converse(modelId=model, messages=user(text), **more)
    return str(caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-keepstone-reason"])


def record(gateway: GatewayProcess, answer: Any) -> dict[str, Any]:
    return gateway.record(answer["ResponseMetadata"]["RequestId"])


def with_purpose(client: Any, purpose: str) -> Any:
    def add(request: Any, **_: Any) -> None:
        request.headers["X-Keepstone-Purpose"] = purpose

    client.meta.events.register("before-send.bedrock-runtime", add)
    return client


class TestPurpose:
    def test_in_the_body_of_converse(self, admitting: GatewayProcess, clients: dict[str, Any]) -> None:
        asked = {"messages": user("hello"), "requestMetadata": {"purpose": "support"}}
        answer = clients["desk"].converse(modelId="keepstone.dev", **asked)
        assert record(admitting, answer)["purpose"] == "support"
        stream = clients["desk"].converse_stream(modelId="keepstone.dev", **asked)
        assert [each for each in stream["stream"] if "messageStop" in each]

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({}, "purpose_not_allowed"),
            ({"requestMetadata": {"ticket": "7"}}, "purpose_not_allowed"),
            ({"requestMetadata": {"purpose": "research"}}, "purpose_not_allowed"),
            ({"requestMetadata": {"purpose": "espionage"}}, "purpose_unknown"),
        ],
    )
    def test_another_purpose_or_none(self, clients: dict[str, Any], more: Any, code: str) -> None:
        assert refusal(clients["desk"], "keepstone.dev", "hello", **more) == code

    def test_in_a_header(self, admitting: GatewayProcess) -> None:
        client = with_purpose(admitting.client(admitting.key("desk")["token"]), "support")
        assert said(client.converse(modelId="keepstone.dev", messages=user("hello")))
        two = {"requestMetadata": {"purpose": "research"}}
        assert refusal(client, "keepstone.dev", "hello", **two) == "request_malformed"

    def test_in_the_metadata_of_invoke_model(self, clients: dict[str, Any]) -> None:
        body = '{"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": %s}'
        body %= '[{"role": "user", "content": "hello"}]'
        with pytest.raises(ClientError, match="purpose_not_allowed"):
            clients["desk"].invoke_model(modelId=SAFE, body=body)


class TestContent:
    def test_restricted_content_does_not_reach_a_model_that_is_not_cleared(
        self, admitting: GatewayProcess, clients: dict[str, Any]
    ) -> None:
        assert refusal(clients["trusted"], "keepstone.dev", f"card {CARD}") == "data_class_too_high"
        with pytest.raises(ClientError, match="its content holds CREDIT_DEBIT_CARD_NUMBER") as caught:
            clients["trusted"].converse(modelId="keepstone.dev", messages=user(f"card {CARD}"))
        entry = record(admitting, caught.value.response)
        told = (entry["data_class"], entry["class_from"], entry["stated_class"], entry["stage"])
        assert told == ("Restricted", "content", "Public", "inspect")

    def test_it_reaches_one_that_is(
        self, admitting: GatewayProcess, clients: dict[str, Any], frankfurt: BedrockSimulator
    ) -> None:
        answer = clients["trusted"].converse(modelId=SAFE, messages=user(f"card {CARD}"))
        entry = record(admitting, answer)
        assert (entry["data_class"], entry["upstream"]["name"]) == ("Restricted", "frankfurt")

    def test_a_failover_does_not_leave_the_cleared_region(
        self, admitting: GatewayProcess, clients: dict[str, Any], frankfurt: BedrockSimulator
    ) -> None:
        frankfurt.usually(Behaviour(failure=unavailable()))
        assert refusal(clients["trusted"], BOTH, f"card {CARD}") == "upstream_unavailable"
        frankfurt.reset()
        frankfurt.behave(Behaviour(failure=unavailable()))
        answer = clients["trusted"].converse(modelId=BOTH, messages=user("hello"))
        assert record(admitting, answer)["upstream"]["name"] == "virginia"

    def test_masked_content_counts_as_the_policy_says(
        self, admitting: GatewayProcess, clients: dict[str, Any]
    ) -> None:
        answer = clients["modest"].converse(modelId="keepstone.masked", messages=user(MAIL))
        entry = record(admitting, answer)
        assert (entry["data_class"], entry["class_from"], entry["outcome"]) == (
            "Internal",
            "content",
            "transform",
        )

    def test_an_answer_above_the_caller_s_ceiling(
        self, admitting: GatewayProcess, clients: dict[str, Any]
    ) -> None:
        for _ in range(2):  # nor is it kept for the next who asks
            assert refusal(clients["modest"], "keepstone.telling", "who?") == "output_class_too_high"
        answer = clients["trusted"].converse(modelId="keepstone.telling", messages=user("who?"))
        assert "ann@example.com" in said(answer)
        assert record(admitting, answer)["data_class"] == "Confidential"
        assert refusal(clients["modest"], "keepstone.telling", "who?") == "output_class_too_high"

    def test_a_stream_above_the_caller_s_ceiling(
        self, admitting: GatewayProcess, clients: dict[str, Any]
    ) -> None:
        answer = clients["modest"].converse_stream(modelId="keepstone.telling", messages=user("who?"))
        events = list(answer["stream"])
        text = "".join(
            each["contentBlockDelta"]["delta"].get("text", "")
            for each in events
            if "contentBlockDelta" in each
        )
        assert "ann@example.com" not in text
        entry = record(admitting, answer)
        assert (entry["reasons"][0]["code"], entry["data_class"]) == ("output_class_too_high", "Confidential")


def test_a_rule_keeps_calls_in_its_regions(
    admitting: GatewayProcess, clients: dict[str, Any], frankfurt: BedrockSimulator
) -> None:
    frankfurt.behave(Behaviour(failure=unavailable()))
    assert refusal(clients["european"], BOTH, "hello") == "upstream_unavailable"
    assert refusal(clients["european"], "keepstone.dev", "hello") == "region_not_allowed"


def test_real_traffic_replays_without_a_change_under_its_own_policy(
    admitting: GatewayProcess, clients: dict[str, Any]
) -> None:
    for role, client in clients.items():
        with contextlib.suppress(ClientError):
            client.converse(modelId="keepstone.dev", messages=user(f"{role}: card {CARD}"))
    ledger = ("--ledger", admitting.home / "ledger", "--format", "json")
    same = admitting.keepstone("policy", "replay", "--policy", admitting.policy, *ledger)
    told = json.loads(same.stdout)
    assert (same.returncode, told["changed"], told["could_not_tell"]) == (0, 0, 0), told
    assert told["calls"] >= len(clients)
    stricter = admitting.folder / "stricter.yaml"
    text = admitting.policy.read_text()
    stricter.write_text(text.replace('modest: {allow: [{models: ["*"]', 'modest: {allow: [{models: ["none"]'))
    changed = admitting.keepstone("policy", "replay", "--policy", stricter, *ledger)
    assert changed.returncode == 1
    assert {each["becomes"] for each in json.loads(changed.stdout)["changes"]} == {"no_rule_allows"}
