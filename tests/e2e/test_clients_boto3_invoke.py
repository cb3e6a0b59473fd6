"""boto3's InvokeModel and InvokeModelWithResponseStream, in the bodies of every family, by every upstream."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conversation import CARD, EMAIL
from tests.e2e.families import EMBEDDINGS, FAMILIES, Family, streamed
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import BEARER, BLOCKED_TEXT, CHAT, DEV, FAILOVER, SIGNED
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, ToolCall

pytestmark = pytest.mark.xdist_group("e2e-clients")

Json = dict[str, Any]
Invoke = Callable[[str, Json], Json]
PREFIXES = {"signed": SIGNED, "bearer": BEARER, "failover": FAILOVER, "dev": DEV}
PII = f"ask {EMAIL} about it"
MASKED = "ask {EMAIL} about it"


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess) -> Any:
    return gateway.client()


@pytest.fixture(params=FAMILIES)
def family(request: Any, bedrock: BedrockSimulator) -> Family:
    return FAMILIES[request.param]


@pytest.fixture(params=PREFIXES)
def prefix(request: Any) -> str:
    return PREFIXES[request.param]


@pytest.fixture
def invoke(client: Any) -> Invoke:
    def call(model: str, body: Json) -> Json:
        answer = client.invoke_model(modelId=model, body=json.dumps(body))
        return dict(json.loads(answer["body"].read()))

    return call


class TestWhole:
    def test_answers_in_the_family_s_words(self, invoke: Invoke, family: Family, prefix: str) -> None:
        answer = invoke(prefix + family.model, family.ask("hello"))
        assert family.said(answer) == "A simulated answer." or family.said(answer).endswith("You said: hello")

    def test_masks_both_ways(self, invoke: Invoke, family: Family, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=PII))
        answer = invoke(family.model, family.ask(PII))
        assert family.said(answer) == MASKED
        sent = bedrock.requests[-1].body.decode()
        assert EMAIL not in sent
        assert MASKED in sent
        assert EMAIL not in json.dumps(answer)

    def test_blocks_the_input(self, invoke: Invoke, family: Family, bedrock: BedrockSimulator) -> None:
        answer = invoke(family.model, family.ask(f"pay {CARD}"))
        assert family.said(answer) == BLOCKED_TEXT
        assert answer["amazon-bedrock-guardrailAction"] == "INTERVENED"
        assert bedrock.requests == []

    def test_blocks_the_output(self, invoke: Invoke, family: Family, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=f"it is {CARD}"))
        answer = invoke(family.model, family.ask("which?"))
        assert family.said(answer) == BLOCKED_TEXT
        assert "4111" not in json.dumps(answer)

    def test_token_counts_come_through(self, client: Any, family: Family, prefix: str) -> None:
        body = json.dumps(family.ask("hello"))
        headers = client.invoke_model(modelId=prefix + family.model, body=body)["ResponseMetadata"][
            "HTTPHeaders"
        ]
        assert int(headers["x-amzn-bedrock-input-token-count"]) > 0
        assert int(headers["x-amzn-bedrock-output-token-count"]) > 0


class TestStreamed:
    def call(self, client: Any, model: str, family: Family, text: str) -> tuple[str, list[Json]]:
        body = json.dumps(family.ask(text))
        answer = client.invoke_model_with_response_stream(modelId=model, body=body)
        return streamed(answer, family)

    def test_answers_in_the_family_s_words(self, client: Any, family: Family, prefix: str) -> None:
        text, chunks = self.call(client, prefix + family.model, family, "hello")
        assert text == "A simulated answer." or text.endswith("You said: hello")
        assert chunks[-1]["amazon-bedrock-invocationMetrics"]["inputTokenCount"] > 0

    @pytest.mark.parametrize("pieces", [(1,), (5,), (300,)])
    def test_masks_whatever_the_cut(
        self, client: Any, family: Family, bedrock: BedrockSimulator, pieces: tuple[int, ...]
    ) -> None:
        bedrock.behave(Behaviour(text=f"{PII}, {PII}.", pieces=pieces))
        text, chunks = self.call(client, family.model, family, PII)
        assert text == f"{MASKED}, {MASKED}."
        assert EMAIL not in json.dumps(chunks)
        assert EMAIL not in bedrock.requests[-1].body.decode()

    def test_blocks_the_input(self, client: Any, family: Family, bedrock: BedrockSimulator) -> None:
        text, _ = self.call(client, family.model, family, f"pay {CARD}")
        assert text == BLOCKED_TEXT
        assert bedrock.requests == []

    def test_blocks_the_output(self, client: Any, family: Family, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text=f"{'word ' * 40}{CARD} and more", pieces=(4,)))
        text, chunks = self.call(client, family.model, family, "which?")
        assert text.endswith(BLOCKED_TEXT)
        assert "4111" not in json.dumps(chunks)

    def test_a_named_guardrail_gives_its_trace(
        self, client: Any, family: Family, bedrock: BedrockSimulator
    ) -> None:
        answer = client.invoke_model_with_response_stream(
            modelId=family.model,
            body=json.dumps(family.ask(PII)),
            guardrailIdentifier="default",
            guardrailVersion="1",
            trace="ENABLED",
        )
        _, chunks = streamed(answer, family)
        (found,) = [chunk["amazon-bedrock-trace"] for chunk in chunks if "amazon-bedrock-trace" in chunk]
        assert "default" in found["guardrail"]["inputAssessment"]
        assert bedrock.requests[-1].header("x-amzn-bedrock-guardrailidentifier") is None

    def test_a_tool_call_is_inspected(self, client: Any, bedrock: BedrockSimulator) -> None:
        bedrock.behave(Behaviour(text="", tools=(ToolCall("send_mail", {"to": EMAIL}),), pieces=(3,)))
        _, chunks = self.call(client, FAMILIES["anthropic"].model, FAMILIES["anthropic"], "send")
        given = "".join(chunk.get("delta", {}).get("partial_json", "") for chunk in chunks)
        assert json.loads(given) == {"to": "{EMAIL}"}


class TestEmbeddings:
    @pytest.mark.parametrize("name", EMBEDDINGS)
    @pytest.mark.parametrize("where", PREFIXES)
    def test_gives_a_vector(self, invoke: Invoke, bedrock: BedrockSimulator, name: str, where: str) -> None:
        model, ask, vector = EMBEDDINGS[name]
        found = vector(invoke(PREFIXES[where] + model, ask("hello")))
        assert len(found) >= 256
        assert all(isinstance(each, float) for each in found)

    @pytest.mark.parametrize("name", EMBEDDINGS)
    def test_masks_what_goes_in(self, invoke: Invoke, bedrock: BedrockSimulator, name: str) -> None:
        model, ask, _ = EMBEDDINGS[name]
        invoke(model, ask(PII))
        assert MASKED in bedrock.requests[-1].body.decode()

    @pytest.mark.parametrize("name", EMBEDDINGS)
    def test_a_blocked_text_is_an_exception(self, client: Any, bedrock: BedrockSimulator, name: str) -> None:
        model, ask, _ = EMBEDDINGS[name]
        with pytest.raises(client.exceptions.ValidationException, match="input_blocked"):
            client.invoke_model(modelId=model, body=json.dumps(ask(f"pay {CARD}")))
        assert bedrock.requests == []


def test_a_server_of_chat_completions_has_no_invoke(client: Any) -> None:
    body = json.dumps({"prompt": "hello"})
    with pytest.raises(client.exceptions.ValidationException, match="operation_unsupported_by_upstream"):
        client.invoke_model(modelId=CHAT, body=body)
