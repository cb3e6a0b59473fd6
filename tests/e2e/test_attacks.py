"""What an attacker with a key, or without one, tries; each was possible once."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from keepstone.core.errors import WireError
from keepstone.gateway.wire.deltas import Kind
from keepstone.gateway.wire.family.chat import CHAT as FAMILY
from tests.e2e.conversation import CARD, EMAIL, user
from tests.e2e.families import FAMILIES
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import CHAT
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, Failure
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-attacks")

Json = dict[str, Any]
CLAUDE = FAMILIES["anthropic"].model
MISTRAL = FAMILIES["mistral-chat"].model
PATIENCE_S = 4  # what follows took minutes


def converse(gateway: GatewayProcess, model: str, body: Json) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a Converse call."""
    return gateway.post(f"/model/{model}/converse", json.dumps(body).encode())


class TestTime:
    """A body within the bounds must not keep the one event loop busy for long."""

    @pytest.mark.parametrize(
        "message",
        [
            [{"text": "a@b.co " * 40_000}],
            [{"toolUse": {"toolUseId": "1", "name": "f", "input": {f"{i}@b.co": 0 for i in range(20_000)}}}],
        ],
        ids=["many finds in one text", "many keys that are masked alike"],
    )
    def test_many_finds(self, gateway: GatewayProcess, message: list[Json]) -> None:
        started = time.monotonic()
        status, _, _ = converse(
            gateway, "keepstone.dev", {"messages": [{"role": "user", "content": message}]}
        )
        assert status == 200
        assert time.monotonic() - started < PATIENCE_S


class TestHidden:
    """Content that one reader does not see and the next one does."""

    def test_the_first_of_two_equal_keys_in_a_tool_call(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        function = {"name": "pay", "arguments": f'{{"to": "{CARD}", "to": "x"}}'}
        call = {"id": "1", "type": "function", "function": function}
        messages = [*user("hello"), {"role": "assistant", "content": "", "tool_calls": [call]}]
        body = json.dumps({"messages": messages, "max_tokens": 9}).encode()
        gateway.post(f"/model/{MISTRAL}/invoke", body)
        assert all(CARD not in request.body.decode() for request in bedrock.requests)


class TestChoices:
    """A caller that asks for several choices gets streams that interleave; each is scanned by itself."""

    @staticmethod
    def chunk(*numbers: int) -> Json:
        return {"choices": [{"index": number, "delta": {"content": "4111"}} for number in numbers]}

    def test_each_choice_is_a_flow_of_its_own(self) -> None:
        first, second = FAMILY.classify(self.chunk(0)), FAMILY.classify(self.chunk(1))
        assert (first.kind, second.kind) == (Kind.TEXT, Kind.TEXT)
        assert first.channel != second.channel

    def test_a_chunk_of_two_cannot_be_scanned(self) -> None:
        with pytest.raises(WireError):
            FAMILY.classify(self.chunk(0, 1))


COUNTING = """\
version: 1
organisation: {name: Limits}
identities: {roles: {application: {allow: [{models: ["*"]}]}}}
upstreams: {dev: {kind: dev}}
models: [{id: "*", upstreams: [dev]}]
limits: [{name: scarce, scope: model, models: ["*scarce-*"], requests: 2}]
guardrails: {default: {}}
"""


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that counts every model by itself."""
    process = GatewayProcess(tmp_path_factory.mktemp("limits"), COUNTING)
    try:
        yield process.start()
    finally:
        process.close()


class TestLimits:
    """However a caller writes a model's name, it spends the same limit."""

    ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012:inference-profile%2F"
    SPELLINGS = (
        ("keepstone.scarce-7", "arn:aws:bedrock:us-west-2::foundation-model%2Fkeepstone.scarce-7"),
        ("keepstone.scarce-8", "keepstone%2Escarce%2d8"),
        ("keepstone.scarce-9:0", "keepstone.scarce-9%3A0"),
        ("apac.anthropic.scarce-1", f"{ACCOUNT}apac.anthropic.scarce-1"),
        ("apac.anthropic.scarce-2", "arn:aws:bedrock:eu-west-1:9:inference-profile/apac.anthropic.scarce-2"),
        ("anthropic.scarce-3", "apac.anthropic.scarce-3"),
        ("global.anthropic.scarce-4", "arn:aws:bedrock:us-east-1::foundation-model%2Fanthropic.scarce-4"),
    )

    @pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda each: each[1][:40])
    def test_spellings_of_one_model_share_a_limit(
        self, counting: GatewayProcess, spellings: tuple[str, str]
    ) -> None:
        one, other = spellings
        asked = [
            converse(counting, each, {"messages": user("hello")})[0] for each in (one, other, one, other)
        ]
        assert asked == [200, 200, 429, 429]


class TestUpstreamErrors:
    """What a model's server says about an error is judged like an answer."""

    @pytest.mark.parametrize(
        "text",
        [
            f"bad value {EMAIL}",
            f"bad value {CARD}",
            'bad value {"to":"kari\\u002enordmann\\u0040example.org"}',
            "bad value kari.nordmann%40example.org",
            "project nightjar is unknown",
        ],
    )
    @pytest.mark.parametrize("path", ["/model/{}/converse", "/v1/messages"])
    def test_a_reason_with_a_find_is_not_passed_on(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, text: str, path: str
    ) -> None:
        bedrock.behave(Behaviour(failure=Failure(400, "ValidationException", text)))
        body: Json = {"messages": user("hello")}
        if "{}" not in path:
            body = {"model": CLAUDE, "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}
        status, _, answer = gateway.post(path.format(CLAUDE), json.dumps(body).encode())
        assert status == 400
        assert "so it is not passed on" in answer.decode()
        assert not [each for each in ("kari", CARD, "nightjar") if each in answer.decode()]

    def test_what_was_found_is_on_record(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(failure=Failure(400, "ValidationException", f"bad value {EMAIL}")))
        _, headers, answer = converse(gateway, CLAUDE, {"messages": user("hello")})
        assert "EMAIL (1)" in answer.decode()
        (found,) = gateway.record(headers["x-amzn-requestid"])["findings"]
        assert (found["where"], found["type"]) == ("output", "EMAIL")

    def test_a_plain_reason_goes_on(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        reason = "max_tokens: 100000 > 4096, which is the maximum"
        bedrock.behave(Behaviour(failure=Failure(400, "ValidationException", reason)))
        assert reason in converse(gateway, CLAUDE, {"messages": user("hello")})[2].decode()


class TestMetadataHeader:
    def test_escapes_hide_nothing(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        name = "x-amzn-bedrock-request-metadata"
        body = json.dumps(FAMILIES["anthropic"].ask("hello")).encode()
        for value, passes in (
            ('{"team": "blue"}', True),
            ('{"who": "kari\\u002enordmann\\u0040example.org"}', False),
            ('{"card": "\\u0034111 1111 1111 1111"}', False),
        ):
            bedrock.requests.clear()
            assert gateway.post(f"/model/{CLAUDE}/invoke", body, {name: value})[0] == 200
            (request,) = bedrock.requests
            assert (request.header(name) == value) is passes


class TestServersOfChat:
    """What is said to a chat server about the call is carried or refused, never dropped."""

    def test_carried(self, gateway: GatewayProcess, openai: OpenAISimulator) -> None:
        body = {
            "messages": user("hello"),
            "requestMetadata": {"team": "blue"},
            "serviceTier": {"type": "flex"},
            "performanceConfig": {"latency": "standard"},
        }
        assert converse(gateway, CHAT, body)[0] == 200
        (request,) = [json.loads(each.body) for each in openai.requests]
        assert (request["metadata"], request["service_tier"]) == ({"team": "blue"}, "flex")

    @pytest.mark.parametrize(
        "member",
        [
            {"performanceConfig": {"latency": "optimized"}},
            {"serviceTier": {"type": "reserved"}},
            {"promptVariables": {"a": {"text": "b"}}},
            {"additionalModelResponseFieldPaths": ["/a"]},
            {"unheard": 1},
        ],
    )
    def test_refused(self, gateway: GatewayProcess, openai: OpenAISimulator, member: Json) -> None:
        status, headers, _ = converse(gateway, CHAT, {"messages": user("hello"), **member})
        assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException")
        assert openai.requests == []

    def test_an_answer_in_json(self, gateway: GatewayProcess, openai: OpenAISimulator) -> None:
        messages = [{"role": "user", "content": "hello"}]
        body = {"model": CHAT, "messages": messages, "response_format": {"type": "json_object"}}
        assert gateway.post("/v1/chat/completions", json.dumps(body).encode())[0] == 200
        (request,) = [json.loads(each.body) for each in openai.requests]
        assert request["response_format"] == {"type": "json_object"}


class TestRecord:
    @pytest.mark.parametrize("place", ["source", "outputScope", "qualifiers"])
    def test_a_wrong_word_in_apply_guardrail_is_not_repeated(
        self, gateway: GatewayProcess, place: str
    ) -> None:
        text = {"text": "hello", "qualifiers": [EMAIL] if place == "qualifiers" else []}
        body = {"source": "INPUT", "content": [{"text": text}]}
        if place != "qualifiers":
            body[place] = EMAIL
        status, headers, answer = gateway.post(
            "/guardrail/default/version/1/apply", json.dumps(body).encode()
        )
        assert status == 400
        assert EMAIL not in answer.decode()
        assert EMAIL not in json.dumps(gateway.record(headers["x-amzn-requestid"]))
