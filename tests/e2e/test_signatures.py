"""SigV4 in: unmodified AWS clients that sign with access keys of this gateway, and changed requests."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from langchain_aws import ChatBedrockConverse
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool

from tests.e2e.conversation import EMAIL, said, user
from tests.e2e.gateway_process import AWS, GatewayProcess, environment
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall

pytestmark = pytest.mark.xdist_group("e2e-identity")

MODEL = "keepstone.dev"
POLICY = """\
version: 1
organisation: {name: Signatures}
identities:
  roles:
    application: {allow: [{models: ["keepstone.*", "anthropic.*"]}]}
  sigv4: {regions: [us-east-1]}
upstreams: {dev: {kind: dev}, remote: {kind: bedrock, region: us-east-1, endpoint_url: "REMOTE"}}
models: [{id: "keepstone.*", upstreams: [dev]}, {id: "anthropic.*", upstreams: [remote]}]
guardrails: {default: {pii: {EMAIL: ANONYMIZE}}}
"""
BODY = json.dumps({"messages": user("hello")}).encode()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, _bedrock: BedrockSimulator) -> Iterator[GatewayProcess]:
    text = POLICY.replace("REMOTE", _bedrock.url)
    process = GatewayProcess(tmp_path_factory.mktemp("signatures"), text)
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture(scope="module")
def pair(signed: GatewayProcess) -> dict[str, str]:
    return signed.key("application", "--sigv4")


def exported(gateway: GatewayProcess, pair: dict[str, str], region: str = "us-east-1") -> dict[str, str]:
    """What a user of access keys exports."""
    variables = gateway.environment() | {
        "AWS_ACCESS_KEY_ID": pair["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": pair["secret_access_key"],
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
    del variables["AWS_BEARER_TOKEN_BEDROCK"]
    return variables


class TestClients:
    def test_boto3(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        with environment(exported(signed, pair)):
            client: Any = boto3.Session().client("bedrock-runtime")
            answer = client.converse(modelId=MODEL, messages=user("hello"))
            assert said(answer)
            stream = client.converse_stream(modelId=MODEL, messages=user("hello"))["stream"]
            assert any("contentBlockDelta" in event for event in list(stream))
            odd = client.converse(modelId="keepstone.x:0", messages=user("a colon in the path"))
            assert said(odd)
            client.close()
        principal = signed.record(answer["ResponseMetadata"]["RequestId"])["principal"]
        assert (principal["id"], principal["kind"], principal["key_id"]) == (
            "e2e-application",
            "sigv4",
            pair["id"],
        )

    def test_aws_cli(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        command = [AWS, "bedrock-runtime", "converse", "--model-id", MODEL]
        command += ["--messages", json.dumps(user("hello"))]
        done = subprocess.run(
            command, env=exported(signed, pair), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert said(json.loads(done.stdout))

    def test_langchain_with_a_tool(
        self, signed: GatewayProcess, pair: dict[str, str], bedrock: BedrockSimulator
    ) -> None:
        """The whole turn: asked for by the model, run by LangChain, its result signed, masked and sent."""

        @tool
        def weather(city: str) -> str:
            """Tell the weather of a city."""
            return f"rain in {city}, says {EMAIL}"

        bedrock.behave(
            Behaviour(text="I look.", tools=(ToolCall("weather", {"city": "Oslo"}),)),
            Behaviour(text=f"It rains; write to {EMAIL}."),
        )
        with environment(exported(signed, pair)):
            chat = ChatBedrockConverse(model="anthropic.claude-3-haiku-20240307-v1:0")
            for client in (chat.client, chat.bedrock_client):
                signed.closes(client)
            bound = chat.bind_tools([weather])
            messages: list[Any] = [HumanMessage("what is the weather in Oslo?")]
            messages.append(bound.invoke(messages))
            messages += [weather.invoke(each) for each in messages[-1].tool_calls]
            answer = bound.invoke(messages)
        assert isinstance(messages[-1], ToolMessage)
        assert answer.content == "It rains; write to {EMAIL}."
        sent = bedrock.requests[-1].body.decode()
        assert "rain in Oslo, says {EMAIL}" in sent
        assert '"toolUseId":"tooluse_simulated-1"' in sent.replace(" ", "")
        kinds = {each["principal"]["kind"] for each in signed.records()[-2:]}
        assert kinds == {"sigv4"}

    def test_another_region(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        with environment(exported(signed, pair, "eu-west-1")):
            client: Any = boto3.Session().client("bedrock-runtime")
            with pytest.raises(ClientError, match="credentials_for_another"):
                client.converse(modelId=MODEL, messages=user("hello"))
            client.close()

    def test_a_wrong_secret(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        with environment(exported(signed, pair | {"secret_access_key": "x" * 40})):
            client: Any = boto3.Session().client("bedrock-runtime")
            with pytest.raises(ClientError, match="signature_mismatch") as caught:
                client.converse(modelId=MODEL, messages=user("hello"))
            client.close()
        answer: Any = caught.value.response
        assert answer["Error"]["Code"] == "InvalidSignatureException"
        # an unproven caller is nobody: the record does not name whose key it was
        assert signed.record(answer["ResponseMetadata"]["RequestId"])["principal"].get("id", "") == ""


def headers(
    gateway: GatewayProcess,
    pair: dict[str, str],
    body: bytes = BODY,
    *,
    ago: timedelta = timedelta(),
    **more: str,
) -> dict[str, str]:
    """Headers as botocore signs them, at another time if wanted."""
    host = "{}:{}".format(*gateway.address)
    sent = {"host": host, "content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in more.items()
    }
    request = AWSRequest("POST", f"https://{host}/model/{MODEL}/converse", sent, body)
    keys = Credentials(pair["access_key_id"], pair["secret_access_key"])
    signer = SigV4Auth(keys, "bedrock", "us-east-1")
    if ago:
        then = (datetime.now(UTC) - ago).strftime("%Y%m%dT%H%M%SZ")
        request.context["timestamp"] = then
        request.headers["X-Amz-Date"] = then
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
    else:
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


class TestRequests:
    def post(self, gateway: GatewayProcess, sent: dict[str, str], body: bytes = BODY) -> tuple[int, str]:
        status, got, _ = gateway.post(f"/model/{MODEL}/converse", body, sent)
        return status, got.get("x-keepstone-reason", "")

    def test_as_signed(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        assert self.post(signed, headers(signed, pair)) == (200, "")

    def test_a_declared_hash(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        declared = headers(signed, pair, x_amz_content_sha256=sha256(BODY).hexdigest())
        assert self.post(signed, declared) == (200, "")
        assert self.post(signed, declared, BODY + b" ") == (403, "signature_mismatch")

    def test_another_body(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        assert self.post(signed, headers(signed, pair), BODY + b" ") == (403, "signature_mismatch")

    @pytest.mark.parametrize("minutes", [4, -4])
    def test_a_little_skew(self, signed: GatewayProcess, pair: dict[str, str], minutes: int) -> None:
        sent = headers(signed, pair, ago=timedelta(minutes=minutes))
        assert self.post(signed, sent) == (200, "")

    @pytest.mark.parametrize("minutes", [6, -6, 60 * 24])
    def test_an_old_one_replayed(self, signed: GatewayProcess, pair: dict[str, str], minutes: int) -> None:
        sent = headers(signed, pair, ago=timedelta(minutes=minutes))
        assert self.post(signed, sent) == (403, "signature_not_current")

    def test_an_unsigned_payload(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        sent = headers(signed, pair, x_amz_content_sha256="UNSIGNED-PAYLOAD")
        assert self.post(signed, sent) == (400, "signature_incomplete")

    def test_a_header_that_steers_and_is_not_covered(
        self, signed: GatewayProcess, pair: dict[str, str]
    ) -> None:
        for name in ("x-keepstone-data-class", "x-amzn-bedrock-trace"):
            sent = headers(signed, pair) | {name: "Public"}
            assert self.post(signed, sent) == (400, "signature_incomplete")
        covered = headers(signed, pair, x_keepstone_data_class="Public")
        assert self.post(signed, covered) == (200, "")
        assert self.post(signed, covered | {"x-keepstone-data-class": "Internal"})[1] == "signature_mismatch"

    def test_temporary_credentials_of_aws(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        sent = headers(signed, pair, x_amz_security_token="of another world")
        assert self.post(signed, sent) == (403, "credentials_unknown")

    @pytest.mark.parametrize(
        "value",
        [
            "AWS4-HMAC-SHA256 Credential=x",
            "AWS4-HMAC-SHA256",
            "AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=, Signature=",
            "AWS4-ECDSA-P256-SHA256 Credential=x",
        ],
    )
    def test_no_signature(self, signed: GatewayProcess, value: str) -> None:
        status, reason = self.post(signed, {"authorization": value})
        assert (status, reason) in ((400, "signature_incomplete"), (403, "credentials_missing"))

    def test_a_revoked_key(self, signed: GatewayProcess) -> None:
        pair = signed.key("application", "--sigv4")
        assert self.post(signed, headers(signed, pair)) == (200, "")
        signed.revoke(pair["id"])
        assert self.post(signed, headers(signed, pair)) == (403, "credentials_revoked")

    def test_a_secret_is_no_bearer_token(self, signed: GatewayProcess, pair: dict[str, str]) -> None:
        token = f"ks_{pair['id']}_{pair['secret_access_key']}"
        assert self.post(signed, {"authorization": f"Bearer {token}"}) == (403, "credentials_unknown")
