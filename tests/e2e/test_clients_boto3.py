"""boto3 as its users have it: Converse, ConverseStream, CountTokens and ApplyGuardrail, by every upstream."""

import json
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from tests.e2e.conversation import (
    CARD,
    EMAIL,
    INJECTION,
    TOOLS,
    events_of,
    said,
    stop_reason,
    streamed,
    text_of,
    tool_input,
    user,
)
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import BEARER, BLOCKED_TEXT, CHAT, DEV, FAILOVER, SIGNED
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall, model_stream_error, throttled
from tests.simulators.openai import OpenAISimulator
from tests.simulators.server import Simulator

pytestmark = pytest.mark.xdist_group("e2e-clients")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
REMOTE = {"signed": SIGNED + CLAUDE, "bearer": BEARER + CLAUDE, "failover": FAILOVER + CLAUDE, "chat": CHAT}
EVERYWHERE = {**REMOTE, "dev": DEV + CLAUDE, "keepstone": "keepstone.dev"}


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Any:
    return gateway.client()


@pytest.fixture(params=REMOTE)
def remote(request: Any, bedrock: BedrockSimulator, openai: OpenAISimulator) -> tuple[str, Simulator]:
    """A model id, and the simulator that answers for it."""
    return REMOTE[request.param], openai if request.param == "chat" else bedrock


@pytest.fixture(params=EVERYWHERE)
def model(request: Any, bedrock: BedrockSimulator, openai: OpenAISimulator) -> str:
    return EVERYWHERE[request.param]


class TestConverse:
    def test_answers_and_is_in_the_ledger(self, client: Any, gateway: GatewayProcess, model: str) -> None:
        answer = client.converse(modelId=model, messages=user("hello"))
        assert said(answer) in ("A simulated answer.", DEV_ECHO.format("hello"))
        assert answer["stopReason"] == "end_turn"
        assert answer["usage"]["totalTokens"] == sum(
            answer["usage"][name] for name in ("inputTokens", "outputTokens")
        )
        record = gateway.record(answer["ResponseMetadata"]["RequestId"])
        assert (record["operation"], record["model"], record["outcome"]) == ("Converse", model, "allow")
        assert record["tokens"]["output"] == answer["usage"]["outputTokens"]
        assert record["client"]["address"] == "127.0.0.1"
        assert record["client"]["agent"].startswith("Boto3/")

    def test_what_goes_in_is_masked(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        client.converse(
            modelId=model,
            system=[{"text": f"answer {EMAIL}"}],
            messages=[
                *user(f"I am {EMAIL}"),
                {"role": "assistant", "content": [{"text": EMAIL}]},
                *user("so?"),
            ],
        )
        sent = upstream.requests[-1].body.decode()
        assert EMAIL not in sent
        assert sent.count("{EMAIL}") == 3

    def test_what_comes_out_is_masked(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        upstream.behave(Behaviour(text=f"write to {EMAIL} today"))
        answer = client.converse(modelId=model, messages=user("whom?"))
        assert said(answer) == "write to {EMAIL} today"

    @pytest.mark.parametrize("text", [f"pay with {CARD}", INJECTION, "tell me of Project Nightjar"])
    def test_a_blocked_input_goes_nowhere(
        self, client: Any, remote: tuple[str, Simulator], text: str, gateway: GatewayProcess
    ) -> None:
        model, upstream = remote
        answer = client.converse(modelId=model, messages=user(text))
        assert (said(answer), answer["stopReason"]) == (BLOCKED_TEXT, "guardrail_intervened")
        assert upstream.requests == []
        record = gateway.record(answer["ResponseMetadata"]["RequestId"])
        assert (record["outcome"], record["reasons"][0]["code"]) == ("refuse", "input_blocked")

    def test_a_blocked_output_is_not_seen(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        upstream.behave(Behaviour(text=f"the card is {CARD}"))
        answer = client.converse(modelId=model, messages=user("which?"))
        assert (said(answer), answer["stopReason"]) == (BLOCKED_TEXT, "guardrail_intervened")

    def test_a_tool_call_is_inspected(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        upstream.behave(Behaviour(text="", tools=(ToolCall("send_mail", {"to": EMAIL}),)))
        answer = client.converse(modelId=model, messages=user("send it"), toolConfig=TOOLS)
        (call,) = [b["toolUse"] for b in answer["output"]["message"]["content"] if "toolUse" in b]
        assert (call["name"], call["input"]) == ("send_mail", {"to": "{EMAIL}"})
        assert answer["stopReason"] == "tool_use"

    def test_a_named_guardrail_gives_its_trace(self, client: Any, model: str) -> None:
        config = {"guardrailIdentifier": "default", "guardrailVersion": "1", "trace": "enabled"}
        answer = client.converse(modelId=model, messages=user(f"I am {EMAIL}"), guardrailConfig=config)
        found = answer["trace"]["guardrail"]["inputAssessment"]["default"]
        (entity,) = found["sensitiveInformationPolicy"]["piiEntities"]
        assert (entity["type"], entity["action"]) == ("EMAIL", "ANONYMIZED")


DEV_ECHO = "[keepstone.dev, a development model without intelligence] You said: {}"


class TestConverseStream:
    def test_streams_and_is_in_the_ledger(self, client: Any, gateway: GatewayProcess, model: str) -> None:
        answer = client.converse_stream(modelId=model, messages=user("hello"))
        events = events_of(answer)
        assert text_of(events) in ("A simulated answer.", DEV_ECHO.format("hello"))
        assert next(iter(events[0])) == "messageStart"
        assert next(iter(events[-1])) == "metadata"
        assert stop_reason(events) == "end_turn"
        number = answer["ResponseMetadata"]["RequestId"]
        kinds = [each["kind"] for each in gateway.records() if each["id"] == number]
        assert kinds == ["opened", "closed"]

    @pytest.mark.parametrize("pieces", [(1,), (7,), (500,)])
    def test_any_cut_gives_the_same_masks(
        self, client: Any, remote: tuple[str, Simulator], pieces: tuple[int, ...]
    ) -> None:
        model, upstream = remote
        text = f"first {EMAIL}, then {EMAIL}; that was all"
        upstream.behave(Behaviour(text=text, pieces=pieces))
        answer = client.converse_stream(modelId=model, messages=user("whom?"))
        assert streamed(answer) == text.replace(EMAIL, "{EMAIL}")

    def test_a_blocked_input_is_a_stream_too(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        events = events_of(client.converse_stream(modelId=model, messages=user(f"pay {CARD}")))
        assert (text_of(events), stop_reason(events)) == (BLOCKED_TEXT, "guardrail_intervened")
        assert upstream.requests == []

    def test_a_blocked_output_ends_the_stream(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        upstream.behave(Behaviour(text=f"{'word ' * 50} {CARD} and more", pieces=(3,)))
        events = events_of(client.converse_stream(modelId=model, messages=user("which?")))
        text = text_of(events)
        assert text.endswith(BLOCKED_TEXT)
        assert "4111" not in text
        assert stop_reason(events) == "guardrail_intervened"

    def test_a_tool_call_is_inspected(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        tool = ToolCall("send_mail", {"to": EMAIL, "body": 'a "quoted" word'})
        upstream.behave(Behaviour(text="", tools=(tool,), pieces=(2,)))
        events = events_of(client.converse_stream(modelId=model, messages=user("send it"), toolConfig=TOOLS))
        assert json.loads(tool_input(events)) == {"to": "{EMAIL}", "body": 'a "quoted" word'}
        starts = [event["contentBlockStart"] for event in events if "contentBlockStart" in event]
        assert [start["start"]["toolUse"]["name"] for start in starts] == ["send_mail"]
        assert stop_reason(events) == "tool_use"

    def test_a_tool_call_can_be_blocked(self, client: Any, remote: tuple[str, Simulator]) -> None:
        model, upstream = remote
        upstream.behave(Behaviour(text="", tools=(ToolCall("send_mail", {"to": CARD}),), pieces=(3,)))
        events = events_of(client.converse_stream(modelId=model, messages=user("go"), toolConfig=TOOLS))
        assert "4111" not in json.dumps(events)
        assert stop_reason(events) == "guardrail_intervened"

    def test_reasoning_is_inspected(self, client: Any, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(reasoning=f"they are {EMAIL}", pieces=(4,)))
        events = events_of(client.converse_stream(modelId=CLAUDE, messages=user("who?")))
        deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
        reasoning = "".join(d.get("reasoningContent", {}).get("text", "") for d in deltas)
        assert reasoning == "they are {EMAIL}"

    def test_an_upstream_that_breaks_inside_is_an_event(
        self, client: Any, bedrock: BedrockSimulator, gateway: GatewayProcess
    ) -> None:
        bedrock.behave(Behaviour(stream_failure=model_stream_error(), stream_failure_after=3))
        answer = client.converse_stream(modelId=CLAUDE, messages=user("hello"))
        with pytest.raises(EventStreamError):
            events_of(answer)
        record = gateway.record(answer["ResponseMetadata"]["RequestId"])
        assert (record["kind"], record["outcome"]) == ("closed", "refuse")


class TestFailover:
    def test_is_seen_in_the_record(self, client: Any, gateway: GatewayProcess, bedrock: Any) -> None:
        answer = client.converse(modelId=FAILOVER + CLAUDE, messages=user("hello"))
        record = gateway.record(answer["ResponseMetadata"]["RequestId"])
        assert record["upstream"] == {"name": "signed", "model": FAILOVER + CLAUDE, "attempts": 2}

    def test_a_retry_at_the_same_upstream(self, client: Any, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(dead=True), Behaviour(failure=throttled()))
        answer = client.converse(modelId="jp." + CLAUDE, messages=user("hello"))
        assert said(answer) == "A simulated answer."
        assert len(bedrock.requests) == 3


class TestCountTokens:
    @pytest.mark.parametrize("prefix", [SIGNED, BEARER, DEV])
    def test_counts_what_would_be_sent(self, client: Any, bedrock: BedrockSimulator, prefix: str) -> None:
        counted = {"converse": {"messages": user(f"how long is {EMAIL}")}}
        answer = client.count_tokens(modelId=prefix + CLAUDE, input=counted)
        assert answer["inputTokens"] > 0
        assert all(EMAIL not in each.body.decode() for each in bedrock.requests)

    def test_counts_an_invoke_body(self, client: Any, bedrock: BedrockSimulator) -> None:
        body = json.dumps(
            {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": user("hello")}
        )
        answer = client.count_tokens(modelId=CLAUDE, input={"invokeModel": {"body": body}})
        assert answer["inputTokens"] > 0

    def test_a_blocked_text_is_not_counted(self, client: Any, bedrock: BedrockSimulator) -> None:
        with pytest.raises(client.exceptions.ValidationException, match="input_blocked"):
            client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": user(f"pay {CARD}")}})
        assert bedrock.requests == []


class TestApplyGuardrail:
    @pytest.mark.parametrize(
        ("source", "text", "action", "output"),
        [
            ("INPUT", "nothing to see", "NONE", None),
            ("INPUT", f"I am {EMAIL}", "GUARDRAIL_INTERVENED", "I am {EMAIL}"),
            ("OUTPUT", f"I am {EMAIL}", "GUARDRAIL_INTERVENED", "I am {EMAIL}"),
            ("INPUT", f"pay {CARD}", "GUARDRAIL_INTERVENED", BLOCKED_TEXT),
            ("INPUT", INJECTION, "GUARDRAIL_INTERVENED", BLOCKED_TEXT),
        ],
    )
    def test_answers_as_bedrock(
        self, client: Any, source: str, text: str, action: str, output: str | None
    ) -> None:
        answer = client.apply_guardrail(
            guardrailIdentifier="default",
            guardrailVersion="1",
            source=source,
            content=[{"text": {"text": text}}],
        )
        assert answer["action"] == action
        assert [each["text"] for each in answer["outputs"]] == ([] if output is None else [output])

    def test_an_unknown_guardrail(self, client: Any) -> None:
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="guardrail_unknown"):
            client.apply_guardrail(
                guardrailIdentifier="nobody",
                guardrailVersion="1",
                source="INPUT",
                content=[{"text": {"text": "x"}}],
            )
