"""The simulators are held to what they stand for: botocore signs, calls and reads; wrong things are refused.

A simulator that is too kind hides bugs, so most rows here are refusals and faults.
"""

import ast
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators import eventstream
from tests.simulators.bedrock import BEARER, KEYS, SESSION_KEYS, BedrockSimulator
from tests.simulators.behaviour import (
    Behaviour,
    ToolCall,
    internal_error,
    model_stream_error,
    not_ready,
    pieces_of,
    throttled,
    unavailable,
)
from tests.simulators.fixtures import bedrock, openai
from tests.simulators.invoke import FAMILIES
from tests.simulators.openai import API_KEY, MODEL, OpenAISimulator
from tests.simulators.server import Simulator
from tests.simulators.shapes import answer_violations, event_violations, request_violations, service
from tests.simulators.sigv4 import KeyPair
from tests.simulators.tls import server_context

__all__ = ["bedrock", "openai"]
CLAUDE = "anthropic.claude-3-5-sonnet-20240620-v1:0"
HELLO: list[dict[str, Any]] = [{"role": "user", "content": [{"text": "hello"}]}]
BODIES: dict[str, dict[str, Any]] = {
    "anthropic.": {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": HELLO},
    "amazon.nova-": {"messages": HELLO},
    "amazon.titan-embed-text-v2": {"inputText": "hello", "dimensions": 256},
    "amazon.titan-embed": {"inputText": "hello"},
    "amazon.titan-text": {"inputText": "hello"},
    "meta.llama": {"prompt": "hello"},
    "mistral.mistral-large-2407": {"messages": [{"role": "user", "content": "hello"}]},
    "mistral.": {"prompt": "hello"},
    "cohere.embed": {"texts": ["hello"], "input_type": "search_document"},
    "cohere.command-r": {"message": "hello"},
}
GOOD: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
ClientError = botocore.exceptions.ClientError
_IMPORTS = (ast.Import, ast.ImportFrom)


def client(simulator: BedrockSimulator, pair: KeyPair = KEYS, **options: Any) -> Any:
    config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=5)
    settings: dict[str, Any] = {
        "region_name": "us-east-1",
        "endpoint_url": simulator.url,
        "aws_access_key_id": pair.access_key,
        "aws_secret_access_key": pair.secret_key,
        "aws_session_token": pair.token,
        "config": config,
    }
    return boto3.session.Session().client("bedrock-runtime", **(settings | options))


def error_of(call: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    answer: Any = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def converse(target: Any, **more: Any) -> Any:
    return target.converse(modelId=CLAUDE, messages=HELLO, **more)


def stream(target: Any) -> list[dict[str, Any]]:
    with closing(target.converse_stream(modelId=CLAUDE, messages=HELLO)["stream"]) as events:
        return list(events)


def streamed_text(events: list[dict[str, Any]]) -> str:
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta.get("text", "") for delta in deltas)


def test_a_simulator_shares_nothing_with_what_it_judges() -> None:
    for file in Path(eventstream.__file__).parent.glob("*.py"):
        imports = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, _IMPORTS)]
        named = [getattr(node, "module", None) or node.names[0].name for node in imports]
        assert not [name for name in named if name.split(".")[0] == "keepstone"], file


class TestWhoAsks:
    @pytest.mark.parametrize("pair", [KEYS, SESSION_KEYS])
    @pytest.mark.parametrize("model", [CLAUDE, "arn:aws:bedrock:us-east-1::foundation-model/" + CLAUDE])
    def test_botocore_is_let_in(self, bedrock: BedrockSimulator, pair: KeyPair, model: str) -> None:
        answer = client(bedrock, pair).converse(modelId=model, messages=HELLO)
        assert answer["output"]["message"]["content"] == [{"text": "A simulated answer."}]
        assert "%3A" in bedrock.requests[0].path

    def test_a_bearer_token_is_let_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        context, trusted = server_context(tmp_path)  # botocore sends a bearer token through TLS only
        with BedrockSimulator(tls=context) as simulator:
            monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER)
            settings: dict[str, Any] = {
                "aws_access_key_id": None,
                "aws_secret_access_key": None,
                "verify": str(trusted),
            }
            converse(client(simulator, **settings))
            assert simulator.requests[0].header("Authorization") == f"Bearer {BEARER}"
            monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", BEARER + "x")
            assert error_of(lambda: converse(client(simulator, **settings))) == ("AccessDeniedException", 403)

    @pytest.mark.parametrize(
        ("pair", "options", "code"),
        [
            (replace(KEYS, access_key="AKIAUNKNOWN0EXAMPLE"), {}, "UnrecognizedClientException"),
            (replace(KEYS, token="unwanted"), {}, "UnrecognizedClientException"),
            (replace(SESSION_KEYS, token=None), {}, "UnrecognizedClientException"),
            (replace(SESSION_KEYS, token="stale"), {}, "UnrecognizedClientException"),
            (replace(KEYS, secret_key="wrong"), {}, "InvalidSignatureException"),
            (KEYS, {"region_name": "eu-west-1"}, "InvalidSignatureException"),
        ],
    )
    def test_wrong_credentials(
        self, bedrock: BedrockSimulator, pair: KeyPair, options: dict[str, Any], code: str
    ) -> None:
        assert error_of(lambda: converse(client(bedrock, pair, **options))) == (code, 403)

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_a_clock_too_far_off(self, minutes: int) -> None:
        with BedrockSimulator(now=lambda: datetime.now(UTC) + timedelta(minutes=minutes)) as simulator:
            assert error_of(lambda: converse(client(simulator))) == ("InvalidSignatureException", 403)

    def test_a_clock_a_little_off(self) -> None:
        with BedrockSimulator(now=lambda: datetime.now(UTC) + timedelta(minutes=4)) as simulator:
            assert converse(client(simulator))["stopReason"] == "end_turn"

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({}, None),
            ({"body": b'{"messages":[{"role":"user","content":[{"text":"other"}]}]}'}, "InvalidSignature"),
            ({"path": "/model/amazon.nova-lite-v1%3A0/converse"}, "InvalidSignature"),
            ({"path": f"/model/{CLAUDE}/converse"}, "InvalidSignature"),
            ({"query": "?a=b"}, "InvalidSignature"),
            ({"headers": {"X-Amz-Extra": "unsigned"}}, "InvalidSignature"),
            ({"headers": {"X-Amz-Content-SHA256": "0" * 64}}, "InvalidSignature"),
            ({"headers": {"Host": "other.example"}}, "InvalidSignature"),
            ({"headers": {"X-Unsigned": "is free to differ"}}, None),
            ({"headers": {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}}, "IncompleteSignature"),
            ({"headers": {"Authorization": ""}}, "MissingAuthenticationToken"),
        ],
    )
    def test_a_request_changed_after_it_was_signed(
        self, bedrock: BedrockSimulator, change: dict[str, Any], code: str | None
    ) -> None:
        path, body = "/model/anthropic.claude-v3%3A0/converse", json.dumps({"messages": HELLO}).encode()
        request = AWSRequest("POST", bedrock.url + path, data=body)
        SigV4Auth(Credentials(KEYS.access_key, KEYS.secret_key), "bedrock", "us-east-1").add_auth(request)
        headers = dict(request.headers.items()) | change.get("headers", {})
        connection = http.client.HTTPConnection("127.0.0.1", bedrock.port)
        target = change.get("path", path) + change.get("query", "")
        connection.request("POST", target, change.get("body", body), headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        found = answer.getheader("x-amzn-ErrorType")
        assert (answer.status, found) == ((403, f"{code}Exception") if code else (200, None))


class TestWhatIsAsked:
    @pytest.mark.parametrize(
        "request_members",
        [
            {"messages": [{"role": "robot", "content": [{"text": "hi"}]}]},
            {"messages": [{"role": "user"}]},
            {"messages": [{"role": "user", "content": [{"text": ""}]}]},
            {"messages": [{"role": "user", "content": [{"text": 7}]}]},
            {"messages": [{"role": "user", "content": [{"text": "a", "cachePoint": {"type": "default"}}]}]},
            {"messages": [{"role": "user", "content": []}]},
            {"messages": [{"role": "assistant", "content": [{"text": "hi"}]}]},
            {"messages": HELLO, "inferenceConfig": {"temperature": 1.5}},
            {"messages": HELLO, "inferenceConfig": {"maxTokens": 0}},
            {"messages": HELLO, "inferenceConfig": {"maxTokens": True}},
            {"messages": HELLO, "toolConfig": {"tools": []}},
            {"messages": HELLO, "performanceConfig": {"latency": "instant"}},
            {"messages": HELLO, "requestMetadata": {}},
            {},
        ],
    )
    def test_a_wrong_request_is_a_validation_exception(
        self, bedrock: BedrockSimulator, request_members: dict[str, Any]
    ) -> None:
        lenient = botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1})
        target = client(bedrock, config=lenient)
        got = error_of(lambda: target.converse(modelId=CLAUDE, **request_members))
        assert got == ("ValidationException", 400)

    @pytest.mark.parametrize("model", ["nobody.knows-v1:0", "claude"])
    def test_an_unknown_model(self, bedrock: BedrockSimulator, model: str) -> None:
        target = client(bedrock)
        with pytest.raises(target.exceptions.ValidationException, match="model identifier"):
            target.converse(modelId=model, messages=HELLO)

    def test_a_bound_of_the_service_model_counts(self) -> None:
        assert not request_violations("Converse", {"modelId": CLAUDE, "messages": HELLO, "unknown": 1})
        assert request_violations("Converse", {"modelId": "", "messages": HELLO})
        assert request_violations("CountTokens", {"modelId": CLAUDE, "input": {}})

    def test_answers_that_aws_would_not_give_are_found(self) -> None:
        assert answer_violations("Converse", {"stopReason": "end_turn"})
        assert answer_violations("CountTokens", {"inputTokens": 3, "extra": 1})
        assert event_violations("ConverseStream", "messageStop", {"stopReason": "tired"})
        assert event_violations("ConverseStream", "messagePause", {})
        assert not event_violations("ConverseStream", "messageStop", {"stopReason": "end_turn"})

    def test_a_count_of_tokens(self, bedrock: BedrockSimulator) -> None:
        target = client(bedrock)
        for body in ({"converse": {"messages": HELLO}}, {"invokeModel": {"body": b'{"prompt": "hello"}'}}):
            assert target.count_tokens(modelId=CLAUDE, input=body)["inputTokens"] > 0


class TestWhatIsAnswered:
    @given(text=st.text(max_size=60), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
    def test_pieces_make_the_text(self, text: str, sizes: list[int]) -> None:
        assert "".join(pieces_of(text, tuple(sizes))) == text

    def test_a_stream_says_what_the_whole_answer_says(self, bedrock: BedrockSimulator) -> None:
        tool = ToolCall("weather", {"city": "Zürich", "days": [1, 2]})
        behaviour = Behaviour(
            text="It may rain. " * 4, reasoning="Let me think.", tools=(tool,), pieces=(5, 1)
        )
        bedrock.behave(behaviour, replace(behaviour, write_size=7))
        target = client(bedrock)
        content = converse(target)["output"]["message"]["content"]
        events = stream(target)
        assert content[0]["reasoningContent"]["reasoningText"]["text"] == "Let me think."
        assert content[1]["text"] == streamed_text(events) == "It may rain. " * 4
        assert content[2]["toolUse"]["input"] == tool.input
        tool_text = "".join(
            event["contentBlockDelta"]["delta"].get("toolUse", {}).get("input", "")
            for event in events
            if "contentBlockDelta" in event
        )
        assert json.loads(tool_text) == tool.input
        assert [next(iter(event)) for event in events[-2:]] == ["messageStop", "metadata"]
        assert events[-2]["messageStop"]["stopReason"] == "tool_use"

    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.ids[0])
    def test_each_family_answers_and_streams(self, bedrock: BedrockSimulator, family: Any) -> None:
        prefix = family.ids[0]
        model, body = f"us.{prefix}x-v1:0", json.dumps(BODIES[prefix])
        bedrock.usually(Behaviour(text="planted text", pieces=(5,)))
        target = client(bedrock)
        answer = target.invoke_model(modelId=model, body=body)
        counted = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-input-token-count"]
        said = answer["body"].read().decode()
        assert int(counted) > 0
        assert ("planted text" in said) != ("embed" in prefix)
        assert error_of(lambda: target.invoke_model(modelId=model, body="{}")) == ("ValidationException", 400)
        call = target.invoke_model_with_response_stream
        if family.stream is None:
            assert error_of(lambda: call(modelId=model, body=body)) == ("ValidationException", 400)
            return
        events = [json.loads(event["chunk"]["bytes"]) for event in call(modelId=model, body=body)["body"]]
        text = json.dumps(events)
        assert all(piece in text for piece in ("plant", "ed te", "xt"))
        assert events[-1]["amazon-bedrock-invocationMetrics"]["inputTokenCount"] == int(counted)

    @given(
        headers=st.dictionaries(st.text("abc:-", min_size=1, max_size=8), st.text(max_size=20), max_size=4),
        payload=st.binary(max_size=200),
        cut=st.integers(1, 50),
    )
    def test_frames_are_read_by_botocore(self, headers: dict[str, str], payload: bytes, cut: int) -> None:
        raw = eventstream.frame(headers, payload)
        buffer = EventStreamBuffer()
        for at in range(0, len(raw), cut):
            buffer.add_data(raw[at : at + cut])
        (message,) = list(buffer)
        assert (message.headers, message.payload) == (headers, payload)
        buffer = EventStreamBuffer()
        buffer.add_data(eventstream.corrupted(raw))
        with pytest.raises(ChecksumMismatch):
            list(buffer)


class TestFaults:
    @pytest.mark.parametrize(
        "failure",
        [throttled(retry_after=7), internal_error(), unavailable(), not_ready(), model_stream_error()],
    )
    def test_an_error_is_the_client_s_own_exception(self, bedrock: BedrockSimulator, failure: Any) -> None:
        bedrock.behave(Behaviour(failure=failure))
        target = client(bedrock)
        exception = getattr(target.exceptions, failure.name)
        with pytest.raises(exception) as caught:
            converse(target)
        metadata = caught.value.response["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == failure.status
        assert metadata["HTTPHeaders"].get("retry-after") == failure.headers.get("Retry-After")
        assert service().shape_for(failure.name).metadata["error"]["httpStatusCode"] == failure.status
        assert converse(target)["stopReason"] == "end_turn"

    def test_an_error_inside_a_stream(self, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(stream_failure=model_stream_error(original_status=502)))
        with pytest.raises(botocore.exceptions.EventStreamError, match="modelStreamErrorException"):
            stream(client(bedrock))

    # Read by http.client: botocore takes a JSON body that was cut for an answer without members.
    @pytest.mark.parametrize(
        ("fault", "symptom"),
        [
            (Behaviour(dead=True), http.client.RemoteDisconnected),
            (Behaviour(cut_after=20), http.client.IncompleteRead),
            (Behaviour(content_length_off_by=9), http.client.IncompleteRead),
            (Behaviour(malformed_json=True), json.JSONDecodeError),
            (Behaviour(content_length_off_by=-9), json.JSONDecodeError),
        ],
    )
    def test_a_broken_answer(
        self, bedrock: BedrockSimulator, fault: Behaviour, symptom: type[Exception]
    ) -> None:
        def ask() -> Any:
            connection = http.client.HTTPConnection("127.0.0.1", bedrock.port, timeout=5)
            with closing(connection):
                body, headers = json.dumps({"messages": HELLO}), {"Authorization": f"Bearer {BEARER}"}
                connection.request("POST", f"/model/{CLAUDE}/converse", body, headers)
                return json.loads(connection.getresponse().read())

        bedrock.behave(fault)
        with pytest.raises(symptom):
            ask()
        assert ask()["stopReason"] == "end_turn"

    @pytest.mark.parametrize(
        "fault",
        [Behaviour(cut_after=200), Behaviour(cut_after_events=2), Behaviour(corrupt_event=1)],
    )
    def test_a_broken_stream_is_not_taken_for_one(self, bedrock: BedrockSimulator, fault: Behaviour) -> None:
        bedrock.behave(fault)
        with pytest.raises((urllib3.exceptions.ProtocolError, ChecksumMismatch)):
            stream(client(bedrock))

    def test_slowness(self, bedrock: BedrockSimulator) -> None:
        impatient = botocore.config.Config(read_timeout=0.2, retries={"total_max_attempts": 1})
        target = client(bedrock, config=impatient)
        bedrock.behave(Behaviour(delay=1.0), Behaviour(event_delay=1.0))
        with pytest.raises(botocore.exceptions.ReadTimeoutError):
            converse(target)
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            stream(target)

    def test_a_refused_connection_and_the_same_port_afterwards(self, bedrock: BedrockSimulator) -> None:
        target = client(bedrock)
        converse(target)
        with bedrock.refusing():
            with pytest.raises(botocore.exceptions.EndpointConnectionError):
                converse(target)
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", bedrock.port)) != 0
        assert converse(target)["stopReason"] == "end_turn"

    def test_a_bug_of_the_simulator_is_raised_at_its_end(self) -> None:
        def tired() -> None:
            with BedrockSimulator() as simulator:
                simulator.behave(Behaviour(stop_reason="tired"))
                with pytest.raises(botocore.exceptions.BotoCoreError):
                    converse(client(simulator))

        with pytest.raises(AssertionError, match="has a bug"):
            tired()

    def test_tls(self, tmp_path: Path) -> None:
        context, trusted = server_context(tmp_path)
        with BedrockSimulator(tls=context) as simulator:
            assert converse(client(simulator, verify=str(trusted)))["stopReason"] == "end_turn"
            with pytest.raises(botocore.exceptions.SSLError):
                converse(client(simulator))


class TestOpenAI:
    @staticmethod
    def ask(simulator: Simulator, body: dict[str, Any], key: str = API_KEY) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", simulator.port, timeout=5)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            ({}, 200),
            ({"model": "other"}, 404),
            ({"model": None}, 400),
            ({"messages": []}, 400),
            ({"messages": [{"role": "robot", "content": "hi"}]}, 400),
            ({"messages": [{"role": "user", "content": 7}]}, 400),
            ({"messages": [{"role": "tool", "content": "4"}]}, 400),
            ({"messages": [{"role": "user", "content": [{"text": "untyped"}]}]}, 400),
        ],
    )
    def test_requests(self, openai: OpenAISimulator, change: dict[str, Any], status: int) -> None:
        got, body = self.ask(openai, GOOD | change)
        assert got == status
        assert ("error" in json.loads(body)) == (status != 200)

    def test_a_wrong_key(self, openai: OpenAISimulator) -> None:
        assert self.ask(openai, GOOD, "sk-wrong")[0] == 401

    def test_a_stream_says_what_the_whole_answer_says(self, openai: OpenAISimulator) -> None:
        tool = ToolCall("weather", {"city": "Zürich"})
        openai.usually(Behaviour(text="It may rain.", tools=(tool,), pieces=(4,), write_size=5))
        whole = json.loads(self.ask(openai, GOOD)[1])["choices"][0]["message"]
        options = {"stream": True, "stream_options": {"include_usage": True}}
        chunks = list(self.events(self.ask(openai, GOOD | options)[1]))
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
        assert "".join(delta.get("content", "") for delta in deltas) == whole["content"] == "It may rain."
        calls = [call["function"] for delta in deltas for call in delta.get("tool_calls", ())]
        assert "".join(call["arguments"] for call in calls) == whole["tool_calls"][0]["function"]["arguments"]
        assert chunks[-1]["usage"]["completion_tokens"] > 0
        assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"

    @staticmethod
    def events(raw: bytes) -> Iterator[dict[str, Any]]:
        *events, done, end = raw.split(b"\n\n")
        assert (done, end) == (b"data: [DONE]", b"")
        yield from (json.loads(event.removeprefix(b"data: ")) for event in events)

    def test_faults(self, openai: OpenAISimulator) -> None:
        openai.behave(
            Behaviour(failure=throttled(retry_after=1)),
            Behaviour(malformed_json=True),
            Behaviour(stream_failure=internal_error()),
            Behaviour(cut_after=30),
        )
        assert self.ask(openai, GOOD)[0] == 429
        with pytest.raises(ValueError, match="char"):
            json.loads(self.ask(openai, GOOD)[1])
        *_, last = self.events(self.ask(openai, GOOD | {"stream": True})[1])
        assert last["error"]["type"] == "server_error"
        with pytest.raises(http.client.IncompleteRead):
            self.ask(openai, GOOD | {"stream": True})
