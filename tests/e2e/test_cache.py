"""The response cache with a real gateway: what comes from memory is recorded, and never crosses a border."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.conversation import EMAIL, said, user
from tests.e2e.policy import document
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, internal_error
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-clients")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
SEMANTIC = "semantic, embedding: {upstream: signed}"


@pytest.fixture
def gateway(request: Any, start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator) -> Any:
    extra = f'cache: {{models: ["anthropic.*"], match: {request.param}}}'
    return start(policy=document(bedrock.url, openai.base_url, extra=extra))


def asked(bedrock: BedrockSimulator) -> int:
    """How often a model other than the embedding one was asked."""
    return sum("embed" not in each.path for each in bedrock.requests)


@pytest.mark.parametrize("gateway", ["words"], indirect=True)
def test_a_question_that_comes_again(gateway: Any, bedrock: BedrockSimulator) -> None:
    client, other = gateway.client(), gateway.client(gateway.key("application")["token"])
    bedrock.behave(Behaviour(text=f"Ask {EMAIL}."))
    first = client.converse(modelId=CLAUDE, messages=user("Whom do I ask?"))
    again = client.converse(modelId=CLAUDE, messages=user("whom do I  ask"))
    assert said(again) == said(first) == "Ask {EMAIL}."
    assert asked(bedrock) == 1
    assert again["usage"] == {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    headers = again["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-keepstone-cache"] == "hit"
    record = gateway.record(again["ResponseMetadata"]["RequestId"])
    (note,) = [each for each in record["reasons"] if each["code"] == "answered_from_cache"]
    assert first["ResponseMetadata"]["RequestId"] in note["message"]
    other.converse(modelId=CLAUDE, messages=user("Whom do I ask?"))
    assert asked(bedrock) == 2
    body = json.dumps({"messages": user("Whom do I ask?")}).encode()
    gateway.post(f"/model/{CLAUDE}/converse", body, {"x-keepstone-data-class": "Public"})
    assert asked(bedrock) == 3
    assert 'keepstone_cache_total{result="hit"} 1.0' in gateway.get("/metrics")[1]


@pytest.mark.parametrize("gateway", [SEMANTIC], indirect=True)
def test_a_question_of_the_same_meaning(gateway: Any, bedrock: BedrockSimulator) -> None:
    """The simulator gives texts of one length one vector."""
    client = gateway.client()
    found = []
    for text in ("How tall is K2?", "K2 is how tall?", "K3 is how tall?", "Is K2 not tall?", EMAIL):
        client.converse(modelId=CLAUDE, messages=user(text))
        found.append(asked(bedrock))
    assert found == [1, 1, 2, 3, 4]
    embedded = [each.body.decode() for each in bedrock.requests if "embed" in each.path]
    assert len(embedded) == 5
    assert EMAIL not in "".join(embedded)


@pytest.mark.parametrize("gateway", [SEMANTIC], indirect=True)
def test_an_embedding_model_that_fails_costs_no_answer(gateway: Any, bedrock: BedrockSimulator) -> None:
    client = gateway.client()
    bedrock.behave(Behaviour(failure=internal_error()), Behaviour(text="fresh"))
    assert said(client.converse(modelId=CLAUDE, messages=user("How tall is K2?"))) == "fresh"
    assert 'keepstone_cache_total{result="failed"} 1.0' in gateway.get("/metrics")[1]
