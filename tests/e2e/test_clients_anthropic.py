"""Anthropic's own SDK for its own API, unmodified, against /v1/messages of the gateway."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.e2e.conversation import CARD, EMAIL
from tests.e2e.gateway_process import GatewayProcess, clean_environment, environment
from tests.e2e.policy import BLOCKED_TEXT, CHAT
from tests.e2e.test_clients_openai import CLAUDE, MODELS, sent
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall
from tests.simulators.converse import SIGNATURE
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-clients")

WEATHER: Any = {
    "name": "weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Iterator[anthropic.Anthropic]:
    own = {"ANTHROPIC_BASE_URL": gateway.url, "ANTHROPIC_API_KEY": gateway.first_key}
    with (
        environment(clean_environment() | own | {"SSL_CERT_FILE": gateway.ca_bundle}),
        anthropic.Anthropic(max_retries=0) as made,
    ):
        yield made


def ask(client: anthropic.Anthropic, content: Any, model: str = CLAUDE, **more: Any) -> Any:
    return client.messages.create(
        model=model, max_tokens=99, messages=[{"role": "user", "content": content}], **more
    )


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


@MODELS
def test_an_answer_masked_both_ways(
    client: anthropic.Anthropic,
    gateway: GatewayProcess,
    bedrock: BedrockSimulator,
    openai: OpenAISimulator,
    model: str,
) -> None:
    upstream = bedrock if model == CLAUDE else openai
    upstream.behave(Behaviour(text=f"write to {EMAIL}", usage=(11, 7)))
    raw = client.messages.with_raw_response.create(
        model=model, max_tokens=9, system="be brief", messages=[{"role": "user", "content": EMAIL}]
    )
    message = raw.parse()
    assert text_of(message) == "write to {EMAIL}"
    assert (message.stop_reason, message.usage.input_tokens, message.usage.output_tokens) == (
        "end_turn",
        11,
        7,
    )
    assert EMAIL not in upstream.requests[-1].body.decode()
    record = gateway.record(raw.headers["request-id"])
    assert (record["protocol"], record["operation"]) == ("anthropic.messages", "Converse")


@MODELS
def test_a_stream(
    client: anthropic.Anthropic, bedrock: BedrockSimulator, openai: OpenAISimulator, model: str
) -> None:
    upstream = bedrock if model == CLAUDE else openai
    upstream.behave(Behaviour(text=f"{'word ' * 60}{EMAIL}", pieces=(3,), usage=(5, 6)))
    with client.messages.stream(
        model=model, max_tokens=9, messages=[{"role": "user", "content": "hello"}]
    ) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == f"{'word ' * 60}{{EMAIL}}"
    assert len(pieces) > 3
    assert (final.stop_reason, final.usage.output_tokens, final.usage.input_tokens) == ("end_turn", 6, 5)


@MODELS
@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_with_a_tool(
    client: anthropic.Anthropic,
    bedrock: BedrockSimulator,
    openai: OpenAISimulator,
    model: str,
    streamed: bool,
) -> None:
    upstream = bedrock if model == CLAUDE else openai
    upstream.behave(Behaviour(text="", tools=(ToolCall("weather", {"city": EMAIL}),)))
    messages: list[Any] = [{"role": "user", "content": "what is the weather?"}]
    told: Any = {"model": model, "max_tokens": 99, "tools": [WEATHER]}
    if streamed:
        with client.messages.stream(messages=messages, **told) as stream:
            first: Any = stream.get_final_message()
    else:
        first = client.messages.create(messages=messages, **told)
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert (call.name, call.input) == ("weather", {"city": "{EMAIL}"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": f"rain, says {EMAIL}"}
    content = [block for block in first.content if block.type == "tool_use"]
    messages += [{"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(messages=messages, **told)
    assert text_of(answer) == "A simulated answer."
    assert "rain, says {EMAIL}" in upstream.requests[-1].body.decode()


@pytest.mark.parametrize("streamed", [False, True])
def test_thinking_goes_back_as_it_came(
    client: anthropic.Anthropic, bedrock: BedrockSimulator, streamed: bool
) -> None:
    bedrock.behave(Behaviour(text="four", reasoning="two and two", pieces=(4,)))
    asked: Any = {"max_tokens": 2000, "model": CLAUDE, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    question: Any = {"role": "user", "content": "2 + 2?"}
    if streamed:
        with client.messages.stream(messages=[question], **asked) as stream:
            first: Any = stream.get_final_message()
    else:
        first = client.messages.create(messages=[question], **asked)
    assert [block.type for block in first.content] == ["thinking", "text"]
    assert (first.content[0].thinking, first.content[0].signature) == ("two and two", SIGNATURE)
    assert sent(bedrock)["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 1024
    client.messages.create(
        messages=[question, {"role": "assistant", "content": first.content}, question], **asked
    )
    thought = sent(bedrock)["messages"][1]["content"][0]["reasoningContent"]["reasoningText"]
    assert thought == {"text": "two and two", "signature": SIGNATURE}


def test_documents_and_cache_points(client: anthropic.Anthropic, bedrock: BedrockSimulator) -> None:
    document = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": f"by {EMAIL}"},
        "title": "a letter",
        "cache_control": {"type": "ephemeral"},
    }
    ask(client, [document, {"type": "text", "text": "who?"}])
    content = sent(bedrock)["messages"][0]["content"]
    assert content[0]["document"]["source"] == {"text": "by {EMAIL}"}
    assert content[1] == {"cachePoint": {"type": "default"}}


def test_tokens_are_counted(
    client: anthropic.Anthropic, gateway: GatewayProcess, bedrock: BedrockSimulator
) -> None:
    bedrock.behave(Behaviour(usage=(17, 0)))
    counted = client.messages.count_tokens(model=CLAUDE, messages=[{"role": "user", "content": EMAIL}])
    assert counted.input_tokens == 17
    assert EMAIL not in bedrock.requests[-1].body.decode()
    assert gateway.records()[-1]["operation"] == "CountTokens"


def test_a_blocked_question_is_an_answer(client: anthropic.Anthropic, bedrock: BedrockSimulator) -> None:
    message = ask(client, f"pay {CARD}")
    assert (text_of(message), message.stop_reason) == (BLOCKED_TEXT, "refusal")
    with client.messages.stream(
        model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": f"pay {CARD}"}]
    ) as stream:
        final = stream.get_final_message()
    assert (text_of(final), final.stop_reason) == (BLOCKED_TEXT, "refusal")
    assert bedrock.requests == []


def test_a_stream_that_is_blocked_on_its_way(client: anthropic.Anthropic, bedrock: BedrockSimulator) -> None:
    bedrock.behave(Behaviour(text=f"{'word ' * 60}{CARD}", pieces=(7,)))
    with client.messages.stream(
        model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "hello"}]
    ) as stream:
        final = stream.get_final_message()
    assert text_of(final).endswith(BLOCKED_TEXT)
    assert "4111" not in text_of(final)
    assert final.stop_reason == "refusal"


def test_errors_are_the_sdk_s_own(
    client: anthropic.Anthropic, gateway: GatewayProcess, bedrock: BedrockSimulator
) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model_unknown"):
        ask(client, "hello", "nobody.knows")
    with pytest.raises(anthropic.AuthenticationError, match="credentials_unknown"):
        ask(client.with_options(api_key="ks_unknown"), "hello")
    with pytest.raises(anthropic.PermissionDeniedError, match="no_rule_allows"):
        ask(client.with_options(api_key=gateway.key("narrow")["token"]), "hello")
    for _ in range(2):
        ask(client, "hello", "keepstone.scarce-messages")
    with pytest.raises(anthropic.RateLimitError) as caught:
        ask(client, "hello", "keepstone.scarce-messages")
    assert int(caught.value.response.headers["retry-after"]) > 0
    bedrock.behave(Behaviour(text="word " * 60, pieces=(7,), cut_after_events=5))
    with (
        pytest.raises(anthropic.APIStatusError, match="broke off"),
        client.messages.stream(
            model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "hello"}]
        ) as stream,
    ):
        stream.get_final_message()


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, r"\$\.tools"),
        ({"extra_body": {"mcp_servers": []}}, "`mcp_servers` is not carried"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            r"\$\.tool_choice",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused(
    client: anthropic.Anthropic, bedrock: BedrockSimulator, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(anthropic.BadRequestError, match=told):
        ask(client, "hello", **more)
    assert bedrock.requests == []


def test_the_model_of_another_server_counts_no_tokens(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="operation_unsupported_by_upstream"):
        client.messages.count_tokens(model=CHAT, messages=[{"role": "user", "content": "hi"}])
