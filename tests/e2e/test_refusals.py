"""Each refusal as the unmodified client meets it: its own exception, our reason in the message and record."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conversation import CARD, said, user
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import CHAT, MAX_BODY
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, Failure, throttled
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-clients")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Any:
    return gateway.client()


@pytest.fixture(scope="module")
def narrow(gateway: GatewayProcess) -> str:
    return gateway.key("narrow")["token"]


def refused(client: Any, model: str = "keepstone.dev", text: str = "hello", **more: Any) -> ClientError:
    """The exception of a call."""
    with pytest.raises(ClientError) as caught:
        client.converse(modelId=model, messages=user(text), **more)
    return caught.value


def facts(error: ClientError) -> tuple[str, int, str]:
    """Its name, its status and our reason code."""
    answer: Any = error.response
    meta = answer["ResponseMetadata"]
    return answer["Error"]["Code"], meta["HTTPStatusCode"], meta["HTTPHeaders"]["x-keepstone-reason"]


class TestIdentify:
    @pytest.mark.parametrize(
        "token", ["ks_000000000000_" + "not-a-key" * 5, "nothing-like-a-key", "ks__", "ks_" + "a" * 5000]
    )
    def test_an_unknown_key(self, gateway: GatewayProcess, token: str) -> None:
        error = refused(gateway.client(token))
        assert facts(error) == ("UnrecognizedClientException", 403, "credentials_unknown")
        assert token not in str(error)

    def test_no_key(self, gateway: GatewayProcess) -> None:
        status, headers, _ = gateway.post(
            "/model/keepstone.dev/converse", b"{}", {"authorization": "AWS4-HMAC-SHA256 Credential=x"}
        )
        assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")

    def test_an_expired_key(self, gateway: GatewayProcess) -> None:
        key = gateway.key("application", "--expires", "1ms")
        time.sleep(0.01)
        error = refused(gateway.client(key["token"]))
        assert facts(error) == ("ExpiredTokenException", 403, "credentials_expired")

    def test_a_key_is_revoked_at_once(self, gateway: GatewayProcess) -> None:
        key = gateway.key("application")
        client = gateway.client(key["token"])
        assert said(client.converse(modelId="keepstone.dev", messages=user("hello")))
        gateway.revoke(key["id"])
        error = refused(client)
        assert facts(error) == ("UnrecognizedClientException", 403, "credentials_revoked")
        number = error.response["ResponseMetadata"]["RequestId"]
        assert gateway.record(number)["outcome"] == "refuse"

    def test_a_key_made_while_the_gateway_runs_works_at_once(self, gateway: GatewayProcess) -> None:
        client = gateway.client(gateway.key("application")["token"])
        assert said(client.converse(modelId="keepstone.dev", messages=user("hello")))


class TestAdmit:
    def test_a_model_that_the_role_does_not_allow(self, gateway: GatewayProcess, narrow: str) -> None:
        client = gateway.client(narrow)
        with pytest.raises(client.exceptions.AccessDeniedException, match="no_rule_allows"):
            client.converse(modelId=CLAUDE, messages=user("hello"))

    def test_a_model_that_is_denied(self, gateway: GatewayProcess, narrow: str) -> None:
        client = gateway.client(narrow)
        with pytest.raises(client.exceptions.AccessDeniedException, match="it is for others") as caught:
            client.converse(modelId="keepstone.forbidden-1", messages=user("hello"))
        assert facts(caught.value)[2] == "denied_by_rule"

    def test_an_operation_that_is_not_allowed(self, gateway: GatewayProcess, narrow: str) -> None:
        client = gateway.client(narrow)
        with pytest.raises(client.exceptions.AccessDeniedException):
            client.converse_stream(modelId="keepstone.dev", messages=user("hello"))

    def test_a_key_narrower_than_its_role(self, gateway: GatewayProcess) -> None:
        client = gateway.client(gateway.key("application", "--model", "keepstone.*")["token"])
        assert said(client.converse(modelId="keepstone.dev", messages=user("hello")))
        assert facts(refused(client, CLAUDE)) == ("AccessDeniedException", 403, "out_of_key_scope")

    def test_an_unknown_model(self, client: Any) -> None:
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="model_unknown"):
            client.converse(modelId="nobody.knows-v1:0", messages=user("hello"))

    @pytest.mark.parametrize("label", ["Restricted", "restricted"])
    def test_data_above_the_model_s_class(self, gateway: GatewayProcess, label: str) -> None:
        body = json.dumps({"messages": user("hello")}).encode()
        status, headers, _ = gateway.post(
            "/model/keepstone.dev/converse", body, {"x-keepstone-data-class": label}
        )
        assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
        assert headers["x-keepstone-reason"] in ("data_class_too_high", "no_rule_allows")

    def test_an_unknown_operation(self, gateway: GatewayProcess) -> None:
        status, headers, _ = gateway.post("/model/keepstone.dev/delete", b"{}")
        assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


class TestBudget:
    def test_spent_requests_are_throttled(self, client: Any, gateway: GatewayProcess) -> None:
        for _ in range(2):
            client.converse(modelId="keepstone.scarce-1", messages=user("hello"))
        with pytest.raises(client.exceptions.ThrottlingException, match="request_limit_spent") as caught:
            client.converse(modelId="keepstone.scarce-1", messages=user("hello"))
        meta = caught.value.response["ResponseMetadata"]
        assert meta["HTTPStatusCode"] == 429
        assert 50 <= int(meta["HTTPHeaders"]["retry-after"]) <= 63  # the window, and a slice of it at most
        client.converse(modelId="keepstone.scarce-2", messages=user("another model has a window of its own"))

    def test_a_stream_is_throttled_before_it_begins(self, client: Any) -> None:
        for _ in range(2):
            client.converse_stream(modelId="keepstone.scarce-3", messages=user("hello"))["stream"].close()
        with pytest.raises(client.exceptions.ThrottlingException):
            client.converse_stream(modelId="keepstone.scarce-3", messages=user("hello"))

    def test_spent_tokens_are_throttled(self, client: Any) -> None:
        def spend(calls: int) -> None:
            for _ in range(calls):
                client.converse(modelId="keepstone.brief-1", messages=user("one two three"))

        spend(1)
        with pytest.raises(client.exceptions.ThrottlingException, match="token_limit_spent"):
            spend(9)


class TestRequest:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b"\xff\xfe",
            b'{"messages": }',
            b"{}{}",
            b'{"a":1}\x00',
            b"NaN",
        ],
    )
    @pytest.mark.parametrize("operation", ["converse", "invoke", "count-tokens", "converse-stream"])
    def test_no_json_object(self, gateway: GatewayProcess, body: bytes, operation: str) -> None:
        status, headers, _ = gateway.post(f"/model/{CLAUDE}/{operation}", body)
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
        assert headers["x-keepstone-reason"] == "request_malformed"

    def test_too_large(self, client: Any) -> None:
        with pytest.raises(client.exceptions.ValidationException, match="request_too_large"):
            client.converse(modelId="keepstone.dev", messages=user("x" * MAX_BODY))

    def test_an_image_cannot_be_inspected(self, client: Any, bedrock: BedrockSimulator) -> None:
        image = {"image": {"format": "png", "source": {"bytes": PIXEL}}}
        messages = [{"role": "user", "content": [{"text": "what is it?"}, image]}]
        with pytest.raises(client.exceptions.ValidationException, match="content_not_inspectable"):
            client.converse(modelId=CLAUDE, messages=messages)
        assert bedrock.requests == []
        answer = client.converse(modelId="keepstone.seeing", messages=messages)
        assert said(answer).endswith("what is it?")

    def test_a_text_document_is_read(self, client: Any, bedrock: BedrockSimulator) -> None:
        document = {"format": "txt", "name": "bill", "source": {"bytes": f"card {CARD}".encode()}}
        messages = [{"role": "user", "content": [{"text": "sum it up"}, {"document": document}]}]
        answer = client.converse(modelId=CLAUDE, messages=messages)
        assert answer["stopReason"] == "guardrail_intervened"
        assert bedrock.requests == []

    def test_unknown_fields_pass_untouched(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        sent = {
            "messages": [
                {"role": "user", "content": [{"text": "hello"}], "futureFlag": {"a": [1, None, True]}}
            ],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "futureKnob": 1.25},
            "additionalModelRequestFields": {"top_k": 3, "nested": {"deep": [{"x": "y"}]}},
            "requestMetadata": {"team": "blue"},
            "somethingNew": {"ünïcode": "✓", "big": 12345678.5, "empty": [], "none": None},
        }
        status, _, _ = gateway.post(f"/model/{CLAUDE}/converse", json.dumps(sent).encode())
        assert status == 200
        assert json.loads(bedrock.requests[-1].body) == sent

    def test_unknown_fields_of_an_invoke_body(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        sent = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 9,
            "messages": user("hello"),
            "future": {"list": [1, 2.5, "three"]},
        }
        assert gateway.post(f"/model/{CLAUDE}/invoke", json.dumps(sent).encode())[0] == 200
        assert json.loads(bedrock.requests[-1].body) == sent


class TestUpstreamRefuses:
    @pytest.mark.parametrize(
        ("failure", "expected"),
        [
            (throttled(retry_after=3), ("ThrottlingException", 429, "upstream_throttled")),
            (
                Failure(400, "ValidationException", "The provided model identifier is invalid."),
                ("ValidationException", 400, "upstream_refused"),
            ),
            (
                Failure(404, "ResourceNotFoundException", "end of life"),
                ("ResourceNotFoundException", 404, "upstream_refused"),
            ),
            (
                Failure(403, "AccessDeniedException", "no access to the model"),
                ("ModelErrorException", 424, "upstream_refused"),
            ),
            (
                Failure(500, "InternalServerException", "broken"),
                ("ServiceUnavailableException", 503, "upstream_unavailable"),
            ),
        ],
    )
    def test_bedrock_s_own_words(
        self, client: Any, bedrock: BedrockSimulator, failure: Failure, expected: tuple[str, int, str]
    ) -> None:
        bedrock.behave(Behaviour(failure=failure))
        assert facts(refused(client, CLAUDE)) == expected

    def test_a_chat_server_s_own_words(self, client: Any, openai: OpenAISimulator) -> None:
        openai.behave(Behaviour(failure=Failure(400, "context_length_exceeded", "the context is too long")))
        error = refused(client, CHAT)
        assert facts(error) == ("ValidationException", 400, "upstream_refused")
        assert "the context is too long" in str(error)

    def test_a_healthy_client_retries_as_aws_says(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        bedrock.behave(Behaviour(failure=throttled()))
        client = gateway.client(attempts=3)
        assert said(client.converse(modelId=CLAUDE, messages=user("hello"))) == "A simulated answer."
        assert len(bedrock.requests) == 2
