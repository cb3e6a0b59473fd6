"""Which models there are: boto3's `bedrock` client, OpenAI's and Anthropic's SDK; and what is not served."""

from collections.abc import Iterator
from typing import Any

import anthropic
import boto3
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess, environment
from tests.simulators.behaviour import Behaviour, internal_error
from tests.simulators.control_lists import MODELS, ControlSimulator

pytestmark = pytest.mark.xdist_group("e2e-listings")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
POLICY = """\
version: 1
organisation: {{name: Listings}}
identities:
  roles:
    application:
      allow: [{{models: ["*"]}}]
      deny: [{{models: ["meta.*"]}}]
    narrow:
      allow: [{{models: ["anthropic.*"]}}]
    calls:
      allow: [{{models: ["*"], operations: [Converse]}}]
upstreams:
  dev: {{kind: dev}}
  signed: {{kind: bedrock, region: us-east-1, {here}}}
  second: {{kind: bedrock, region: us-east-1, {here}}}
models:
  - {{id: "keepstone.dev", upstreams: [dev]}}
  - {{id: "dev.*", upstreams: [dev]}}
  - {{id: "us.*", upstreams: [second]}}
  - {{id: "*", upstreams: [signed]}}
"""


@pytest.fixture(scope="module")
def control() -> Iterator[ControlSimulator]:
    with ControlSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, control: ControlSimulator) -> Iterator[GatewayProcess]:
    here = f'endpoint_url: "http://127.0.0.1:9", control_endpoint_url: "{control.url}"'
    process = GatewayProcess(tmp_path_factory.mktemp("listings"), POLICY.format(here=here))
    try:
        yield process.start()
    finally:
        process.close()


def bedrock(gateway: GatewayProcess, token: str | None = None) -> Any:
    """An unmodified client of the control plane, set by environment only."""
    with environment(gateway.environment(token) | {"AWS_ENDPOINT_URL_BEDROCK": gateway.url}):
        client = boto3.Session().client("bedrock", config=Config(retries={"total_max_attempts": 1}))
    gateway.closes(client)
    return client


def ids(found: Any) -> list[str]:
    return [each["modelId"] for each in found["modelSummaries"]]


def test_only_what_the_roles_allow_is_listed(gateway: GatewayProcess, control: ControlSimulator) -> None:
    client = bedrock(gateway)
    found = client.list_foundation_models()
    assert ids(found) == ["amazon.titan-embed-text-v2:0", CLAUDE, "keepstone.dev"]
    assert found["modelSummaries"][1]["modelLifecycle"]["status"] == "ACTIVE"
    assert ids(client.list_foundation_models(byProvider="anthropic")) == [CLAUDE]
    assert ids(client.list_foundation_models(byOutputModality="EMBEDDING")) == [
        "amazon.titan-embed-text-v2:0"
    ]
    narrow = bedrock(gateway, gateway.key("narrow")["token"])
    assert ids(narrow.list_foundation_models()) == [CLAUDE]
    record = gateway.record(found["ResponseMetadata"]["RequestId"])
    assert (record["operation"], record["outcome"]) == ("ListFoundationModels", "allow")
    assert record["principal"]["roles"] == ["application"]
    client.close()
    narrow.close()


def test_profiles_page_by_page(gateway: GatewayProcess) -> None:
    client = bedrock(gateway)
    pages = client.get_paginator("list_inference_profiles").paginate(PaginationConfig={"PageSize": 1})
    found = [each["inferenceProfileId"] for page in pages for each in page["inferenceProfileSummaries"]]
    assert found == [
        "us.anthropic.one-v1:0",
        "us.anthropic.two-v1:0",
    ]  # a denial of `meta.*` means its profiles
    assert client.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"] == []
    one = client.get_inference_profile(inferenceProfileIdentifier="us.anthropic.one-v1:0")
    assert one["inferenceProfileName"] == "profile us.anthropic.one-v1:0"
    client.close()


def test_one_model(gateway: GatewayProcess) -> None:
    client = bedrock(gateway)
    assert client.get_foundation_model(modelIdentifier=CLAUDE)["modelDetails"]["providerName"] == "Anthropic"
    by_arn = client.get_foundation_model(modelIdentifier=MODELS[0]["modelArn"])
    assert by_arn["modelDetails"]["modelId"] == CLAUDE
    dev = client.get_foundation_model(modelIdentifier="keepstone.dev")["modelDetails"]
    assert dev["modelArn"] == "urn:keepstone:model:keepstone.dev"
    for hidden in ("meta.llama3-8b-instruct-v1:0", "nobody.knows"):
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="no such model"):
            client.get_foundation_model(modelIdentifier=hidden)
    client.close()


def test_strangers_and_roles_without_the_operation_see_nothing(gateway: GatewayProcess) -> None:
    stranger = bedrock(gateway, "ks_nobody")
    with pytest.raises(ClientError, match="credentials_unknown"):
        stranger.list_foundation_models()
    calls = bedrock(gateway, gateway.key("calls")["token"])
    with pytest.raises(calls.exceptions.AccessDeniedException, match="no_rule_allows"):
        calls.list_foundation_models()
    assert gateway.records()[-1]["outcome"] == "refuse"
    stranger.close()
    calls.close()


def test_a_control_plane_that_fails_is_no_empty_list(start: Start, control: ControlSimulator) -> None:
    here = f'endpoint_url: "http://127.0.0.1:9", control_endpoint_url: "{control.url}"'
    own = start(policy=POLICY.format(here=here))
    client = bedrock(own)
    control.usually(Behaviour(failure=internal_error()))
    with pytest.raises(ClientError, match="upstream_unavailable"):
        client.list_foundation_models()
    control.reset()
    assert len(ids(client.list_foundation_models())) == 3
    seen = len(control.requests)
    client.list_foundation_models()
    assert len(control.requests) == seen  # remembered
    client.close()


def test_the_other_protocols_list(gateway: GatewayProcess) -> None:
    own = {"SSL_CERT_FILE": gateway.ca_bundle}
    with (
        environment(gateway.environment() | own),
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.first_key) as client,
    ):
        listed = [each.id for each in client.models.list()]
        assert listed == [
            "amazon.titan-embed-text-v2:0",
            CLAUDE,
            "keepstone.dev",
            "us.anthropic.one-v1:0",
            "us.anthropic.two-v1:0",
        ]
        assert client.models.retrieve(CLAUDE).owned_by == "Anthropic"
        with pytest.raises(openai.NotFoundError, match="model_unknown") as caught:
            client.models.retrieve("nobody.knows")
        assert caught.value.code == "model_unknown"
    assert gateway.records()[-1]["protocol"] == "openai.models"
    with (
        environment(gateway.environment() | own),
        anthropic.Anthropic(base_url=gateway.url, api_key=gateway.first_key) as other,
    ):
        assert [each.id for each in other.models.list()] == listed
        with pytest.raises(anthropic.NotFoundError):
            other.models.retrieve("nobody.knows")


def test_async_invoke_is_refused_with_the_reason(gateway: GatewayProcess) -> None:
    client = gateway.client()
    place: Any = {"s3OutputDataConfig": {"s3Uri": "s3://bucket/answers"}}
    with pytest.raises(client.exceptions.ValidationException, match="bucket that the gateway does not see"):
        client.start_async_invoke(
            modelId="amazon.nova-reel-v1:0", modelInput={"text": "a film"}, outputDataConfig=place
        )
    assert gateway.records()[-1]["operation"] == "StartAsyncInvoke"
    with pytest.raises(client.exceptions.ValidationException, match="operation_not_served"):
        client.list_async_invokes()
    arn = "arn:aws:bedrock:us-east-1:111122223333:async-invoke/abcdefghijkl"
    with pytest.raises(client.exceptions.ValidationException, match="operation_not_served"):
        client.get_async_invoke(invocationArn=arn)
    record = gateway.records()[-1]
    assert (record["operation"], record["outcome"]) == ("GetAsyncInvoke", "refuse")


def test_a_stream_in_both_directions_is_refused_with_the_reason(gateway: GatewayProcess) -> None:
    """No released AWS SDK for Python speaks it over HTTP/1.1, so the bytes are ours."""
    path = "/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream"
    status, headers, body = gateway.post(path, b"")
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert b"use ConverseStream" in body
    record = gateway.record(headers["x-amzn-requestid"])
    assert record["operation"] == "InvokeModelWithBidirectionalStream"
    assert record["reasons"][0]["code"] == "operation_not_served"
