"""OpenAI's own SDK, unmodified, against the gateway: chat completions, whole and streamed."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai as sdk
import pytest

from tests.e2e.conversation import CARD, EMAIL
from tests.e2e.gateway_process import GatewayProcess, clean_environment, environment
from tests.e2e.policy import BLOCKED_TEXT, CHAT
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall, unavailable
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-clients")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
MODELS = pytest.mark.parametrize("model", [CLAUDE, CHAT])
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[sdk.OpenAI]:
    with environment(exported(gateway)), sdk.OpenAI(max_retries=0) as made:
        yield made


def exported(gateway: GatewayProcess) -> dict[str, str]:
    """What a user of OpenAI's SDK exports."""
    own = {"OPENAI_BASE_URL": f"{gateway.url}/v1", "OPENAI_API_KEY": gateway.first_key}
    return clean_environment() | own | {"SSL_CERT_FILE": gateway.ca_bundle}


def ask(client: sdk.OpenAI, text: str, model: str = CLAUDE, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


def sent(simulator: BedrockSimulator | OpenAISimulator) -> dict[str, Any]:
    return dict(json.loads(simulator.requests[-1].body))


class TestChat:
    @MODELS
    def test_an_answer_masked_both_ways(
        self,
        client: sdk.OpenAI,
        gateway: GatewayProcess,
        bedrock: BedrockSimulator,
        openai: OpenAISimulator,
        model: str,
    ) -> None:
        upstream = bedrock if model == CLAUDE else openai
        upstream.behave(Behaviour(text=f"write to {EMAIL}", usage=(11, 7)))
        raw = client.chat.completions.with_raw_response.create(
            model=model,
            messages=[{"role": "system", "content": "be brief"}, {"role": "user", "content": EMAIL}],
        )
        answer = raw.parse()
        assert answer.choices[0].message.content == "write to {EMAIL}"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 7)
        assert EMAIL not in upstream.requests[-1].body.decode()
        record = gateway.record(raw.headers["x-request-id"])
        assert record["protocol"] == "openai.chat"
        assert (record["operation"], record["model"], record["outcome"]) == ("Converse", model, "transform")

    @MODELS
    def test_a_stream(
        self,
        client: sdk.OpenAI,
        gateway: GatewayProcess,
        bedrock: BedrockSimulator,
        openai: OpenAISimulator,
        model: str,
    ) -> None:
        upstream = bedrock if model == CLAUDE else openai
        upstream.behave(Behaviour(text=f"{'word ' * 60}{EMAIL}", pieces=(3,), usage=(5, 6)))
        chunks = list(ask(client, "hello", model, stream=True, stream_options={"include_usage": True}))
        pieces = [each.choices[0].delta.content or "" for each in chunks if each.choices]
        assert "".join(pieces) == f"{'word ' * 60}{{EMAIL}}"
        assert len(pieces) > 4
        assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
        assert chunks[-1].usage.total_tokens == 11
        kinds = [each["kind"] for each in gateway.records()[-2:]]
        assert kinds == ["opened", "closed"]

    @MODELS
    def test_a_conversation_with_a_tool(
        self, client: sdk.OpenAI, bedrock: BedrockSimulator, openai: OpenAISimulator, model: str
    ) -> None:
        upstream = bedrock if model == CLAUDE else openai
        upstream.behave(Behaviour(text="", tools=(ToolCall("weather", {"city": "Oslo"}),)))
        messages: list[Any] = [{"role": "user", "content": "what is the weather?"}]
        first = client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
        assert first.choices[0].finish_reason == "tool_calls"
        said = first.choices[0].message
        assert said.tool_calls is not None
        call: Any = said.tool_calls[0]
        assert json.loads(call.function.arguments) == {"city": "Oslo"}
        messages += [said, {"role": "tool", "tool_call_id": call.id, "content": f"rain, says {EMAIL}"}]
        answer = client.chat.completions.create(
            model=model, messages=messages, tools=[WEATHER], tool_choice="auto"
        )
        assert answer.choices[0].message.content == "A simulated answer."
        assert "rain, says {EMAIL}" in upstream.requests[-1].body.decode()

    @MODELS
    def test_a_streamed_tool_call(
        self, client: sdk.OpenAI, bedrock: BedrockSimulator, openai: OpenAISimulator, model: str
    ) -> None:
        upstream = bedrock if model == CLAUDE else openai
        upstream.behave(Behaviour(text="", tools=(ToolCall("weather", {"city": EMAIL}),), pieces=(2,)))
        with client.chat.completions.stream(
            model=model, messages=[{"role": "user", "content": "hi"}], tools=[WEATHER]
        ) as stream:
            final = stream.get_final_completion()
        calls: Any = final.choices[0].message.tool_calls
        assert [(each.function.name, json.loads(each.function.arguments)) for each in calls] == [
            ("weather", {"city": "{EMAIL}"})
        ]

    def test_settings_reach_the_model(self, client: sdk.OpenAI, bedrock: BedrockSimulator) -> None:
        ask(client, "hello", max_completion_tokens=9, temperature=0.5, top_p=0.25, stop=["\n\n"], seed=3)
        document = sent(bedrock)
        assert document["inferenceConfig"] == {
            "maxTokens": 9,
            "temperature": 0.5,
            "topP": 0.25,
            "stopSequences": ["\n\n"],
        }
        assert document["additionalModelRequestFields"] == {"seed": 3}

    @MODELS
    def test_a_structured_answer(
        self, client: sdk.OpenAI, bedrock: BedrockSimulator, openai: OpenAISimulator, model: str
    ) -> None:
        upstream = bedrock if model == CLAUDE else openai
        schema = {"type": "object", "properties": {"city": {"type": "string"}}}
        wanted: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
        ask(client, "where?", model, response_format=wanted)
        document = sent(upstream)
        if model == CLAUDE:
            form = document["outputConfig"]["textFormat"]
            assert json.loads(form["structure"]["jsonSchema"]["schema"]) == schema
        else:
            assert document["response_format"]["json_schema"] == wanted["json_schema"]

    def test_an_image_is_content_that_cannot_be_inspected(
        self, client: sdk.OpenAI, bedrock: BedrockSimulator
    ) -> None:
        content: Any = [
            {"type": "text", "text": "what is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ]
        with pytest.raises(sdk.BadRequestError, match="content_not_inspectable"):
            client.chat.completions.create(model=CLAUDE, messages=[{"role": "user", "content": content}])
        seeing: Any = client.chat.completions.create(
            model="keepstone.seeing", messages=[{"role": "user", "content": content}]
        )
        assert seeing.choices[0].message.content.endswith("what is this?")

    def test_asynchronously(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        async def run() -> list[str | None]:
            async with sdk.AsyncOpenAI() as client:
                asked = [
                    client.chat.completions.create(
                        model=CLAUDE, messages=[{"role": "user", "content": f"hello {number}"}]
                    )
                    for number in range(4)
                ]
                return [each.choices[0].message.content for each in await asyncio.gather(*asked)]

        with environment(exported(gateway)):
            answers = asyncio.run(run())
        assert answers == ["A simulated answer."] * 4


class TestRefusals:
    def test_a_blocked_question_is_an_answer(self, client: sdk.OpenAI, bedrock: BedrockSimulator) -> None:
        answer = ask(client, f"pay {CARD}")
        assert answer.choices[0].message.content == BLOCKED_TEXT
        assert answer.choices[0].finish_reason == "content_filter"
        chunks = list(ask(client, f"pay {CARD}", stream=True))
        assert "".join(each.choices[0].delta.content or "" for each in chunks) == BLOCKED_TEXT
        assert chunks[-1].choices[0].finish_reason == "content_filter"
        assert bedrock.requests == []

    def test_a_stream_that_is_blocked_on_its_way(self, client: sdk.OpenAI, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=f"{'word ' * 60}{CARD}", pieces=(7,)))
        chunks = list(ask(client, "hello", stream=True))
        text = "".join(each.choices[0].delta.content or "" for each in chunks)
        assert text.endswith(BLOCKED_TEXT)
        assert "4111" not in text
        assert chunks[-1].choices[0].finish_reason == "content_filter"

    def test_errors_are_the_sdk_s_own(
        self, client: sdk.OpenAI, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        with pytest.raises(sdk.NotFoundError, match="model_unknown"):
            ask(client, "hello", "nobody.knows")
        with pytest.raises(sdk.AuthenticationError, match="credentials_unknown"):
            ask(client.with_options(api_key="ks_unknown"), "hello")
        narrow = client.with_options(api_key=gateway.key("narrow")["token"])
        with pytest.raises(sdk.PermissionDeniedError, match="no_rule_allows"):
            ask(narrow, "hello")
        bedrock.behave(Behaviour(failure=unavailable()))
        with pytest.raises(sdk.InternalServerError, match="upstream_unavailable"):
            ask(client, "hello")
        for _ in range(2):
            ask(client, "hello", "keepstone.scarce-chat")
        with pytest.raises(sdk.RateLimitError) as caught:
            ask(client, "hello", "keepstone.scarce-chat")
        assert int(caught.value.response.headers["retry-after"]) > 0

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"n": 2}, r"\$\.n"),
            ({"logprobs": True}, r"\$\.logprobs"),
            ({"functions": []}, "`functions` is not carried"),
            ({"extra_body": {"jane_doe": 1}}, "a member that this gateway does not know"),
            ({"store": True}, r"\$\.store"),
        ],
    )
    def test_what_cannot_be_carried_is_refused(
        self, client: sdk.OpenAI, bedrock: BedrockSimulator, more: dict[str, Any], told: str
    ) -> None:
        with pytest.raises(sdk.BadRequestError, match=told) as caught:
            ask(client, "hello", **more)
        assert "jane_doe" not in str(caught.value)
        assert bedrock.requests == []

    def test_a_stream_that_breaks(self, client: sdk.OpenAI, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text="word " * 60, pieces=(7,), cut_after_events=5))
        with pytest.raises(sdk.APIError, match="broke off"):
            list(ask(client, "hello", stream=True))
