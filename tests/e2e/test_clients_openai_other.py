"""OpenAI's SDK against the gateway's other paths: responses and embeddings."""

import json
from typing import Any

import openai as sdk
import pytest

from tests.e2e.conversation import CARD, EMAIL
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import BLOCKED_TEXT
from tests.e2e.test_clients_openai import CLAUDE, MODELS, client, sent  # noqa: F401 - a fixture
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-clients")

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-english-v3"
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


class TestResponses:
    @MODELS
    def test_an_answer_masked_both_ways(
        self,
        client: sdk.OpenAI,  # noqa: F811
        gateway: GatewayProcess,
        bedrock: BedrockSimulator,
        openai: OpenAISimulator,
        model: str,
    ) -> None:
        upstream = bedrock if model == CLAUDE else openai
        upstream.behave(Behaviour(text=f"write to {EMAIL}", usage=(11, 7)))
        answer = client.responses.create(model=model, instructions="be brief", input=EMAIL, store=False)
        assert answer.output_text == "write to {EMAIL}"
        assert (answer.status, answer.store) == ("completed", False)
        assert answer.usage is not None
        assert answer.usage.total_tokens == 18
        assert EMAIL not in upstream.requests[-1].body.decode()
        assert gateway.records()[-1]["protocol"] == "openai.responses"

    @MODELS
    def test_a_stream(
        self,
        client: sdk.OpenAI,  # noqa: F811
        bedrock: BedrockSimulator,
        openai: OpenAISimulator,
        model: str,
    ) -> None:
        upstream = bedrock if model == CLAUDE else openai
        upstream.behave(Behaviour(text=f"{'word ' * 60}{EMAIL}", pieces=(3,)))
        with client.responses.stream(model=model, input="hello", store=False) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_response()
        assert final.output_text == f"{'word ' * 60}{{EMAIL}}"
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
        assert kinds.count("response.output_text.delta") > 3

    @pytest.mark.parametrize("streamed", [False, True])
    def test_a_tool_with_reasoning_whose_items_go_back_as_they_came(
        self,
        client: sdk.OpenAI,  # noqa: F811
        bedrock: BedrockSimulator,
        streamed: bool,
    ) -> None:
        bedrock.behave(
            Behaviour(text="so", reasoning="I must look", tools=(ToolCall("weather", {"city": "Oslo"}),))
        )
        items: list[Any] = [{"role": "user", "content": "what is the weather?"}]
        told: Any = {"model": CLAUDE, "store": False, "tools": [WEATHER]}
        if streamed:
            with client.responses.stream(input=items, **told) as stream:
                first: Any = stream.get_final_response()
        else:
            first = client.responses.create(input=items, **told)
        assert [item.type for item in first.output] == ["reasoning", "message", "function_call"]
        call = first.output[-1]
        assert json.loads(call.arguments) == {"city": "Oslo"}
        items += [item.model_dump(exclude={"parsed_arguments"}, exclude_none=True) for item in first.output]
        for item in items:
            for part in item.get("content") or () if isinstance(item.get("content"), list) else ():
                part.pop("parsed", None)
        items.append({"type": "function_call_output", "call_id": call.call_id, "output": f"rain, {EMAIL}"})
        answer = client.responses.create(input=items, **told)
        assert answer.output_text == "A simulated answer."
        messages = sent(bedrock)["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant", "user"]
        assert messages[1]["content"][0]["reasoningContent"]["reasoningText"]["signature"]
        assert messages[2]["content"][0]["toolResult"]["content"] == [{"text": "rain, {EMAIL}"}]

    def test_blocked(self, client: sdk.OpenAI, bedrock: BedrockSimulator) -> None:  # noqa: F811
        answer = client.responses.create(model=CLAUDE, input=f"pay {CARD}")
        assert (answer.output_text, answer.status) == (BLOCKED_TEXT, "incomplete")
        assert answer.incomplete_details is not None
        assert answer.incomplete_details.reason == "content_filter"
        assert bedrock.requests == []

    @pytest.mark.parametrize(
        "more", [{"store": True}, {"previous_response_id": "resp_1"}, {"background": True}]
    )
    def test_no_conversation_is_kept(self, client: sdk.OpenAI, more: dict[str, Any]) -> None:  # noqa: F811
        with pytest.raises(sdk.BadRequestError, match="keeps no conversation"):
            client.responses.create(model=CLAUDE, input="hello", **more)


class TestEmbeddings:
    @pytest.mark.parametrize("model", [TITAN, COHERE])
    @pytest.mark.parametrize("form", ["float", "base64"])
    def test_a_vector(
        self,
        client: sdk.OpenAI,  # noqa: F811
        gateway: GatewayProcess,
        bedrock: BedrockSimulator,
        model: str,
        form: Any,
    ) -> None:
        told = {} if form == "base64" else {"encoding_format": form}
        found = client.embeddings.create(model=model, input=f"I am {EMAIL}", **told)
        assert len(found.data[0].embedding) > 1
        assert all(isinstance(each, float) for each in found.data[0].embedding)
        assert "I am {EMAIL}" in bedrock.requests[-1].body.decode()
        record = gateway.records()[-1]
        assert (record["protocol"], record["operation"]) == ("openai.embeddings", "InvokeModel")

    def test_many_texts(self, client: sdk.OpenAI, bedrock: BedrockSimulator) -> None:  # noqa: F811
        found = client.embeddings.create(model=COHERE, input=["one", "two"])
        assert [each.index for each in found.data] == [0, 1]
        with pytest.raises(sdk.BadRequestError, match="one text a call"):
            client.embeddings.create(model=TITAN, input=["one", "two"])

    def test_refused(self, client: sdk.OpenAI, bedrock: BedrockSimulator) -> None:  # noqa: F811
        with pytest.raises(sdk.BadRequestError, match="input_blocked"):
            client.embeddings.create(model=TITAN, input=f"pay {CARD}")
        with pytest.raises(sdk.BadRequestError, match="expected texts"):
            client.embeddings.create(model=TITAN, input=[1, 2, 3])
        with pytest.raises(sdk.BadRequestError, match="an embedding model"):
            client.embeddings.create(model=CLAUDE, input="hello")
        assert bedrock.requests == []
