"""What an attacker with a key, or without one, tries; each was possible once."""

import json
import time
from typing import Any

import pytest

from keepstone.core.errors import WireError
from keepstone.gateway.wire.deltas import Kind
from keepstone.gateway.wire.family.chat import CHAT
from tests.e2e.conversation import CARD, EMAIL, user
from tests.e2e.families import FAMILIES
from tests.e2e.gateway_process import GatewayProcess
from tests.simulators.bedrock import BedrockSimulator

pytestmark = pytest.mark.xdist_group("e2e-attacks")

Json = dict[str, Any]
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
        first, second = CHAT.classify(self.chunk(0)), CHAT.classify(self.chunk(1))
        assert (first.kind, second.kind) == (Kind.TEXT, Kind.TEXT)
        assert first.channel != second.channel

    def test_a_chunk_of_two_cannot_be_scanned(self) -> None:
        with pytest.raises(WireError):
            CHAT.classify(self.chunk(0, 1))


class TestLimits:
    def test_spellings_of_one_model_share_a_limit(self, gateway: GatewayProcess) -> None:
        spellings = ["keepstone.scarce-7"] + [
            f"arn:aws:bedrock:{region}::foundation-model%2Fkeepstone.scarce-7"
            for region in ("us-east-1", "us-west-2", "eu-west-1")
        ]
        found = [converse(gateway, each, {"messages": user("hello")})[0] for each in spellings]
        assert found == [200, 200, 429, 429]


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
