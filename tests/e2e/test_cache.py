"""The response cache with a real gateway: what comes from memory is recorded, and never crosses a border."""

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.conversation import EMAIL, said, user
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import document
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, internal_error
from tests.simulators.issuer import Issuer
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


APART = """\
cache: {{models: ["anthropic.*"], match: words, per: {per}, max_data_class: Restricted}}
purposes: {{support: {{description: a}}, research: {{description: b}}}}
transforms:
  - {{name: told, roles: [viewer], response: [{{change: append, text: "NOTICE: written by a machine"}}]}}
"""
OIDC = """\
identities:
  oidc:
    corp:
      issuer: "{issuer}"
      audiences: [keepstone]
      roles: {{all: [application]}}
      tenant_claim: tid
      principal_claim: preferred_username
"""


class TestApart:
    """One caller's answer is never another's, whatever the two have in common; each was, once."""

    def policy(
        self, bedrock: BedrockSimulator, openai: OpenAISimulator, issuer: Issuer, per: str = "organisation"
    ) -> str:
        text = document(bedrock.url, openai.base_url, extra=APART.format(per=per))
        return text.replace("identities:\n", OIDC.format(issuer=issuer.url), 1)

    @pytest.fixture
    def issuer(self) -> Iterator[Issuer]:
        with Issuer() as running:
            yield running

    def ask(self, gateway: GatewayProcess, token: str = "", **headers: str) -> tuple[str, bool]:
        """What one caller is told, and whether it came from memory."""
        body = json.dumps({"messages": user("What is our balance?")}).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, found, answer = gateway.post(f"/model/{CLAUDE}/converse", body, named, token=token or None)
        assert status == 200, answer
        return said(json.loads(answer)), found.get("x-keepstone-cache") == "hit"

    @pytest.mark.parametrize("per", ["organisation", "principal"])
    def test_tenants(
        self, start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator, issuer: Issuer, per: str
    ) -> None:
        gateway = start(policy=self.policy(bedrock, openai, issuer, per))
        ada = {"preferred_username": "ada", "sub": "1"}
        bedrock.behave(Behaviour(text="a secret of blue"))
        blue, red = (issuer.token(tid=tenant, **ada) for tenant in ("blue", "red"))
        assert self.ask(gateway, blue) == ("a secret of blue", False)
        assert self.ask(gateway, blue) == ("a secret of blue", True)
        assert self.ask(gateway, red) == ("A simulated answer.", False)
        assert self.ask(gateway) == ("A simulated answer.", False)
        bob = issuer.token(tid="blue", preferred_username="bob", sub="2")
        assert self.ask(gateway, bob)[1] is (per == "organisation")

    def test_two_keys_of_one_name(
        self, start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator, issuer: Issuer
    ) -> None:
        gateway = start(policy=self.policy(bedrock, openai, issuer, "principal"))
        one, two = gateway.key("application"), gateway.key("application")
        assert one["id"] != two["id"]
        assert [self.ask(gateway, each["token"])[1] for each in (one, one, two)] == [False, True, False]

    def test_roles_and_what_is_changed_for_them(
        self, start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator, issuer: Issuer
    ) -> None:
        gateway = start(policy=self.policy(bedrock, openai, issuer))
        viewer = gateway.key("viewer")["token"]
        assert self.ask(gateway) == ("A simulated answer.", False)
        told, cached = self.ask(gateway, viewer)
        assert (told, cached) == ("A simulated answer.NOTICE: written by a machine", False)
        assert self.ask(gateway, viewer) == (told, True)

    def test_purposes(
        self, start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator, issuer: Issuer
    ) -> None:
        gateway = start(policy=self.policy(bedrock, openai, issuer))
        asked = [
            self.ask(gateway, x_keepstone_purpose=each)[1] for each in ("support", "support", "research")
        ]
        assert asked == [False, True, False]

    def test_a_changed_policy(
        self, start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator, issuer: Issuer
    ) -> None:
        gateway = start(policy=self.policy(bedrock, openai, issuer))
        assert [self.ask(gateway)[1] for _ in range(2)] == [False, True]
        changed = gateway.policy.read_text().replace(
            "words: [project nightjar]", "words: [project swallow]", 1
        )
        gateway.policy.write_text(changed)
        assert gateway.process is not None
        gateway.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while 'policy_reloads_total{outcome="loaded"} 1.0' not in gateway.get("/metrics")[1]:
            assert time.monotonic() < deadline, gateway.log.read_text()
            time.sleep(0.05)
        assert self.ask(gateway) == ("A simulated answer.", False)
