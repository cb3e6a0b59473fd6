"""Agents with tools, as their users have them: strands-agents on Bedrock, LangChain on OpenAI's protocol."""

from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from strands import Agent, tool
from strands.models import BedrockModel

from tests.e2e.conversation import CARD, EMAIL
from tests.e2e.gateway_process import GatewayProcess, environment
from tests.e2e.policy import BLOCKED_TEXT
from tests.e2e.test_clients_openai import CLAUDE, exported
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall

pytestmark = pytest.mark.xdist_group("e2e-clients")


@tool
def weather(city: str) -> str:
    """Tell the weather.

    Args:
        city: where
    """
    return f"rain in {city}, says {EMAIL}"


class TestStrands:
    def test_an_agent_with_a_tool(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        bedrock.behave(
            Behaviour(text="I look.", tools=(ToolCall("weather", {"city": "Oslo"}),)),
            Behaviour(text=f"It rains; write to {EMAIL}."),
        )
        with environment(gateway.environment()):
            agent = Agent(model=BedrockModel(model_id=CLAUDE), tools=[weather], callback_handler=None)
            result = agent("what is the weather in Oslo?")
        gateway.closes(agent.model.client)
        assert str(result).strip() == "It rains; write to {EMAIL}."
        assert "rain in Oslo, says {EMAIL}" in bedrock.requests[-1].body.decode()
        assert len(bedrock.requests) == 2

    def test_blocked(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        with environment(gateway.environment()):
            agent = Agent(model=BedrockModel(model_id=CLAUDE), callback_handler=None)
            result = agent(f"pay {CARD}")
        gateway.closes(agent.model.client)
        assert str(result).strip() == BLOCKED_TEXT
        assert result.stop_reason == "guardrail_intervened"
        assert bedrock.requests == []


class TestLangChainOnOpenAI:
    @pytest.mark.parametrize("responses", [False, True])
    def test_a_tool(self, gateway: GatewayProcess, bedrock: BedrockSimulator, responses: bool) -> None:
        def send_mail(to: str) -> None:
            """Send a mail."""

        with environment(exported(gateway)):
            chat: Any = ChatOpenAI(model=CLAUDE, use_responses_api=responses, max_retries=0)
            bedrock.behave(Behaviour(text="", tools=(ToolCall("send_mail", {"to": EMAIL}),)))
            asked = chat.bind_tools([send_mail]).invoke("send it")
            answer = chat.invoke("hello")
            pieces = list(chat.stream("hello"))
        gateway.closes(chat.root_client)
        assert [(call["name"], call["args"]) for call in asked.tool_calls] == [
            ("send_mail", {"to": "{EMAIL}"})
        ]
        assert answer.text == "A simulated answer."
        assert "".join(piece.text for piece in pieces) == "A simulated answer."
