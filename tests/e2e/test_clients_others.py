"""Other clients as their users have them: the AWS CLI, langchain-aws, Anthropic's SDK on Bedrock."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from botocore.exceptions import ClientError
from langchain_aws import ChatBedrockConverse

from tests.e2e.conversation import CARD, EMAIL, user
from tests.e2e.gateway_process import AWS, GatewayProcess, environment
from tests.e2e.policy import BLOCKED_TEXT
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall

pytestmark = pytest.mark.xdist_group("e2e-clients")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"


class TestAwsCli:
    def run(
        self, gateway: GatewayProcess, operation: str, *arguments: str, token: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [str(AWS), "bedrock-runtime", operation, "--output", "json", *arguments]
        env = gateway.environment(token) | {"AWS_MAX_ATTEMPTS": "1"}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    def test_converse(self, gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=f"write to {EMAIL}"))
        messages = json.dumps(user(f"I am {EMAIL}"))
        done = self.run(gateway, "converse", "--model-id", CLAUDE, "--messages", messages)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["output"]["message"]["content"] == [{"text": "write to {EMAIL}"}]
        assert EMAIL not in bedrock.requests[-1].body.decode()

    def test_invoke_model(self, gateway: GatewayProcess, bedrock: BedrockSimulator, tmp_path: Path) -> None:
        body, out = tmp_path / "body.json", tmp_path / "answer.json"
        body.write_text(json.dumps({"prompt": f"who is {EMAIL}?"}))
        model = "meta.llama3-8b-instruct-v1:0"
        done = self.run(gateway, "invoke-model", "--model-id", model, "--body", f"fileb://{body}", str(out))
        assert done.returncode == 0, done.stderr
        assert json.loads(out.read_text())["generation"] == "A simulated answer."
        assert json.loads(bedrock.requests[-1].body) == {"prompt": "who is {EMAIL}?"}

    def test_apply_guardrail(self, gateway: GatewayProcess) -> None:
        done = self.run(
            gateway,
            "apply-guardrail",
            *("--guardrail-identifier", "default", "--guardrail-version", "DRAFT", "--source", "INPUT"),
            *("--content", json.dumps([{"text": {"text": f"I am {EMAIL}"}}])),
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["outputs"] == [{"text": "I am {EMAIL}"}]

    def test_a_refusal(self, gateway: GatewayProcess) -> None:
        messages = json.dumps(user("hello"))
        done = self.run(gateway, "converse", "--model-id", "nobody.knows", "--messages", messages)
        assert done.returncode == 255
        assert "(ResourceNotFoundException)" in done.stderr
        assert "model_unknown" in done.stderr


@pytest.fixture(scope="module")
def langchain(gateway: GatewayProcess) -> Iterator[ChatBedrockConverse]:
    with environment(gateway.environment()):
        chat = ChatBedrockConverse(model=CLAUDE)
    yield chat
    chat.client.close()
    chat.bedrock_client.close()


class TestLangChain:
    def test_invoke(self, langchain: ChatBedrockConverse, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=f"write to {EMAIL}", usage=(11, 7)))
        answer = langchain.invoke([("system", "be brief"), ("human", f"I am {EMAIL}")])
        assert answer.content == "write to {EMAIL}"
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["total_tokens"] == 18
        assert "I am {EMAIL}" in bedrock.requests[-1].body.decode()

    def test_stream(self, langchain: ChatBedrockConverse, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=f"{'word ' * 80}{EMAIL}", pieces=(3,)))
        pieces = list(langchain.stream("hello"))
        assert len(pieces) > 4
        assert "".join(text_of(piece) for piece in pieces) == f"{'word ' * 80}{{EMAIL}}"

    def test_tool_calls(self, langchain: ChatBedrockConverse, bedrock: BedrockSimulator) -> None:
        def send_mail(to: str) -> None:
            """Send a mail."""

        bound = langchain.bind_tools([send_mail])
        bedrock.behave(*[Behaviour(text="", tools=(ToolCall("send_mail", {"to": EMAIL}),), pieces=(2,))] * 2)
        whole: Any = bound.invoke("send it")
        assert [(call["name"], call["args"]) for call in whole.tool_calls] == [
            ("send_mail", {"to": "{EMAIL}"})
        ]
        first, *rest = bound.stream("send it")
        summed: Any = first
        for piece in rest:
            summed += piece
        assert [call["args"] for call in summed.tool_calls] == [{"to": "{EMAIL}"}]

    def test_blocked(self, langchain: ChatBedrockConverse, bedrock: BedrockSimulator) -> None:
        answer = langchain.invoke(f"pay {CARD}")
        assert answer.content == BLOCKED_TEXT
        assert answer.response_metadata["stopReason"] == "guardrail_intervened"
        assert bedrock.requests == []

    def test_refused(self, gateway: GatewayProcess) -> None:
        with environment(gateway.environment()):
            chat = ChatBedrockConverse(model="nobody.knows", provider="anthropic")
        with pytest.raises(ClientError, match="model_unknown"):
            chat.invoke("hello")
        chat.client.close()
        chat.bedrock_client.close()


def text_of(piece: Any) -> str:
    """The text of a LangChain message, whose content is a string or a list of blocks."""
    if isinstance(piece.content, str):
        return piece.content
    return "".join(block.get("text", "") for block in piece.content if isinstance(block, dict))


@pytest.fixture(scope="module")
def claude(gateway: GatewayProcess) -> Iterator[anthropic.AnthropicBedrock]:
    """Anthropic's own client, which has environment variables of its own for the address and the CA."""
    own = {"ANTHROPIC_BEDROCK_BASE_URL": gateway.url, "SSL_CERT_FILE": gateway.ca_bundle}
    with environment(gateway.environment() | own), anthropic.AnthropicBedrock(max_retries=0) as client:
        yield client


class TestAnthropic:
    def ask(self, claude: anthropic.AnthropicBedrock, text: str, model: str = CLAUDE) -> str:
        message = claude.messages.create(
            model=model, max_tokens=99, messages=[{"role": "user", "content": text}]
        )
        return "".join(block.text for block in message.content if block.type == "text")

    def test_create(self, claude: anthropic.AnthropicBedrock, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=f"write to {EMAIL}"))
        assert self.ask(claude, f"I am {EMAIL}") == "write to {EMAIL}"
        assert EMAIL not in bedrock.requests[-1].body.decode()

    def test_stream(self, claude: anthropic.AnthropicBedrock, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=f"{'word ' * 40}{EMAIL}", pieces=(5,)))
        with claude.messages.create(
            model=CLAUDE, max_tokens=99, messages=[{"role": "user", "content": "hello"}], stream=True
        ) as events:
            found = list(events)
        text = "".join(
            event.delta.text
            for event in found
            if event.type == "content_block_delta" and event.delta.type == "text_delta"
        )
        assert text == f"{'word ' * 40}{{EMAIL}}"
        assert (found[0].type, found[-1].type) == ("message_start", "message_stop")

    def test_blocked(self, claude: anthropic.AnthropicBedrock, bedrock: BedrockSimulator) -> None:
        assert self.ask(claude, f"pay {CARD}") == BLOCKED_TEXT
        assert bedrock.requests == []

    def test_the_development_model(self, claude: anthropic.AnthropicBedrock) -> None:
        assert self.ask(claude, "hello", "apac." + CLAUDE).endswith("You said: hello")

    def test_refused(self, claude: anthropic.AnthropicBedrock) -> None:
        with pytest.raises(anthropic.NotFoundError, match="model_unknown"):
            self.ask(claude, "hello", "nobody.knows")

    def test_throttled(self, claude: anthropic.AnthropicBedrock) -> None:
        for _ in range(2):
            self.ask(claude, "hello", "apac.anthropic.scarce-1")
        with pytest.raises(anthropic.RateLimitError) as caught:
            self.ask(claude, "hello", "apac.anthropic.scarce-1")
        assert int(caught.value.response.headers["retry-after"]) > 0
