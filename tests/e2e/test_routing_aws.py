"""The way to AWS: an assumed role, and what prompt caching, latency and tiers need in both directions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conversation import events_of, said, user
from tests.e2e.gateway_process import GatewayProcess
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour
from tests.simulators.sts import EXTERNAL_ID, ROLE, StsSimulator

pytestmark = pytest.mark.xdist_group("e2e-routing-aws")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
ASSUMING = """\
version: 1
organisation: {{name: Assuming}}
identities:
  roles:
    app: {{allow: [{{models: ["*"]}}]}}
upstreams:
  role:
    kind: bedrock
    region: us-east-1
    endpoint_url: "{bedrock}"
    attempts: 1
    assume_role:
      arn: "{role}"
      external_id: {external}
      session_name: gateway-e2e
      duration: 15m
      tags: {{team: blue}}
      sts_endpoint_url: "{sts}"
models:
  - {{id: "anthropic.*", upstreams: [role]}}
"""


class TestRole:
    @pytest.fixture
    def sts(self) -> Iterator[StsSimulator]:
        with StsSimulator() as simulator:
            yield simulator

    def start(self, folder: Path, sts: StsSimulator, bedrock: str, external: str) -> GatewayProcess:
        policy = ASSUMING.format(bedrock=bedrock, sts=sts.url, role=ROLE, external=external)
        return GatewayProcess(folder, policy).start()

    def test_calls_are_signed_by_the_role_alone(self, tmp_path: Path, sts: StsSimulator) -> None:
        """This Bedrock knows no other keys than those that STS has issued."""
        with BedrockSimulator(pairs=sts.issued, bearers=()) as bedrock:
            gateway = self.start(tmp_path, sts, bedrock.url, EXTERNAL_ID)
            try:
                client = gateway.client()
                for _ in range(3):
                    assert said(client.converse(modelId=CLAUDE, messages=user("hi"))) == "A simulated answer."
            finally:
                gateway.close()
            assert {each.header("x-amz-security-token") for each in bedrock.requests} == {"issued-token-0"}
        (asked,) = sts.asked
        assert (asked["RoleSessionName"], asked["DurationSeconds"]) == ("gateway-e2e", "900")
        assert (asked["Tags.member.1.Key"], asked["Tags.member.1.Value"]) == ("team", "blue")

    def test_a_refused_role_is_the_upstream_s_failure(self, tmp_path: Path, sts: StsSimulator) -> None:
        with BedrockSimulator(pairs=sts.issued, bearers=()) as bedrock:
            gateway = self.start(tmp_path, sts, bedrock.url, "another")
            try:
                client = gateway.client()
                with pytest.raises(client.exceptions.ServiceUnavailableException, match="AccessDenied"):
                    client.converse(modelId=CLAUDE, messages=user("hi"))
            finally:
                gateway.close()
            assert bedrock.requests == []


BOUND = """\
version: 1
organisation: {{name: Bound}}
identities:
  roles:
    app: {{allow: [{{models: ["*"]}}]}}
upstreams:
  bound:
    kind: bedrock
    region: us-east-1
    endpoint_url: "{bedrock}"
    attempts: 1
    guardrail: {{id: gr8x5vk2p0d1, version: "2"}}
models:
  - {{id: "anthropic.*", upstreams: [bound]}}
"""


class TestGuardrail:
    """This Bedrock's role may ask models with one guardrail only, as the deployed access role."""

    @pytest.fixture
    def gateway(self, tmp_path: Path) -> Iterator[GatewayProcess]:
        with BedrockSimulator(guardrail="gr8x5vk2p0d1:2") as bedrock:
            process = GatewayProcess(tmp_path, BOUND.format(bedrock=bedrock.url)).start()
            try:
                yield process
            finally:
                process.close()

    def test_every_call_goes_with_it(self, gateway: GatewayProcess) -> None:
        client = gateway.client()
        assert said(client.converse(modelId=CLAUDE, messages=user("hi"))) == "A simulated answer."
        assert events_of(client.converse_stream(modelId=CLAUDE, messages=user("hi")))
        body = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "hi"}],
        }
        assert client.invoke_model(modelId=CLAUDE, body=json.dumps(body))["body"].read()
        stream = client.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(body))
        assert list(stream["body"])

    def test_a_caller_cannot_bring_another_one(self, gateway: GatewayProcess) -> None:
        client = gateway.client()
        other = {"guardrailIdentifier": "weaker", "guardrailVersion": "1"}
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="guardrail_unknown"):
            client.converse(modelId=CLAUDE, messages=user("hi"), guardrailConfig=other)
        same = {"guardrailIdentifier": "gr8x5vk2p0d1", "guardrailVersion": "1", "trace": "enabled"}
        assert said(client.converse(modelId=CLAUDE, messages=user("hi"), guardrailConfig=same))


class TestKept:
    """What stands in neither text nor policy, and what applications pay for."""

    def test_converse(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(cached=(900, 30)))
        answer = gateway.client().converse(
            modelId=CLAUDE,
            system=[{"text": "be brief"}, {"cachePoint": {"type": "default"}}],
            messages=[{"role": "user", "content": [{"text": "hello"}, {"cachePoint": {"type": "default"}}]}],
            performanceConfig={"latency": "optimized"},
            serviceTier={"type": "priority"},
        )
        sent = json.loads(bedrock.requests[-1].body)
        assert sent["system"][1] == {"cachePoint": {"type": "default"}}
        assert sent["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
        assert sent["performanceConfig"] == answer["performanceConfig"] == {"latency": "optimized"}
        assert sent["serviceTier"] == answer["serviceTier"] == {"type": "priority"}
        assert (answer["usage"]["cacheReadInputTokens"], answer["usage"]["cacheWriteInputTokens"]) == (
            900,
            30,
        )
        tokens = gateway.record(answer["ResponseMetadata"]["RequestId"])["tokens"]
        assert (tokens["cache_read"], tokens["cache_write"]) == (900, 30)

    def test_converse_stream(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(cached=(900, 30)))
        answer = gateway.client().converse_stream(
            modelId=CLAUDE, messages=user("hello"), performanceConfig={"latency": "optimized"}
        )
        metadata = next(each["metadata"] for each in events_of(answer) if "metadata" in each)
        assert metadata["usage"]["cacheReadInputTokens"] == 900
        assert metadata["performanceConfig"] == {"latency": "optimized"}
        tokens = gateway.record(answer["ResponseMetadata"]["RequestId"])["tokens"]
        assert (tokens["cache_read"], tokens["cache_write"]) == (900, 30)

    @pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
    def test_invoke(self, gateway: GatewayProcess, bedrock: BedrockSimulator, streamed: bool) -> None:
        bedrock.behave(Behaviour(cached=(900, 30)))
        body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": user("hello")}
        client: Any = gateway.client()
        invoke = client.invoke_model_with_response_stream if streamed else client.invoke_model
        answer = invoke(
            modelId=CLAUDE,
            body=json.dumps(body),
            performanceConfigLatency="optimized",
            serviceTier="flex",
            trace="ENABLED",
            requestMetadata=json.dumps({"team": "blue"}),
        )
        received = bedrock.requests[-1]
        assert received.header("x-amzn-bedrock-performanceconfig-latency") == "optimized"
        assert received.header("x-amzn-bedrock-service-tier") == "flex"
        assert received.header("x-amzn-bedrock-request-metadata") == '{"team": "blue"}'
        assert (answer["performanceConfigLatency"], answer["serviceTier"]) == ("optimized", "flex")
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        if streamed:
            list(answer["body"])
            return
        answer["body"].read()
        assert headers["x-amzn-bedrock-invocation-latency"] == "42"
        assert int(headers["x-amzn-bedrock-input-token-count"]) > 0
        assert int(headers["x-amzn-bedrock-output-token-count"]) > 0
        assert headers["x-amzn-bedrock-cache-read-input-token-count"] == "900"
        assert headers["x-amzn-bedrock-cache-write-input-token-count"] == "30"
        tokens = gateway.record(answer["ResponseMetadata"]["RequestId"])["tokens"]
        assert (tokens["cache_read"], tokens["cache_write"]) == (900, 30)
