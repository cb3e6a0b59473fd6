"""Spreading by quota, hedging, canaries and shadows, with real upstreams and their counts."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, internal_error, throttled

pytestmark = pytest.mark.xdist_group("e2e-routing-trials")

OLD, NEW = "anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-5-haiku-20241022-v1:0"
BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": "hello"}]}]}).encode()
POLICY = """\
version: 1
organisation: {{name: Trials}}
identities:
  roles:
    app: {{allow: [{{models: ["*"]}}]}}
    cautious:
      allow: [{{models: ["*"]}}]
      deny: [{{models: ["{new}"], because: it is not validated}}]
upstreams:
  one: {{kind: bedrock, region: us-east-1, endpoint_url: "{one}", attempts: 1}}
  two: {{kind: bedrock, region: us-east-1, endpoint_url: "{two}", attempts: 1}}
  public: {{kind: bedrock, region: us-east-1, endpoint_url: "{two}", attempts: 1, max_data_class: Public}}
models:
  - {{id: "us.*", upstreams: [one, two], spread: quota,
      quotas: {{one: {{requests: 30}}, two: {{requests: 10}}}}}}
  - {{id: "eu.*", upstreams: [one, two], hedge_after: 200ms}}
  - {{id: "{old}", upstreams: [one], canary: {{upstream: two, upstream_id: "{new}", percent: 50}}}}
  - {{id: "amazon.nova-lite-v1:0", upstreams: [one],
      shadow: {{upstream: two, upstream_id: "{new}", percent: 100, max_concurrent: 2}}}}
  - {{id: "amazon.nova-pro-v1:0", upstreams: [one], shadow: {{upstream: public, percent: 100}}}}
"""


@pytest.fixture(scope="module")
def sims() -> Iterator[tuple[BedrockSimulator, BedrockSimulator]]:
    with BedrockSimulator() as one, BedrockSimulator() as two:
        yield one, two


@pytest.fixture
def one(sims: tuple[BedrockSimulator, BedrockSimulator]) -> BedrockSimulator:
    for each in sims:
        each.reset()
    return sims[0]


@pytest.fixture
def two(one: BedrockSimulator, sims: tuple[BedrockSimulator, BedrockSimulator]) -> BedrockSimulator:
    return sims[1]


@pytest.fixture
def routed(
    tmp_path: Path, one: BedrockSimulator, sims: tuple[BedrockSimulator, BedrockSimulator]
) -> Iterator[GatewayProcess]:
    policy = POLICY.format(one=sims[0].url, two=sims[1].url, old=OLD, new=NEW)
    process = GatewayProcess(tmp_path / "routed", policy, "--plain-http")
    yield process.start()
    process.close()


def ask(
    gateway: GatewayProcess, model: str, action: str = "converse", token: str | None = None
) -> dict[str, Any]:
    """The record of a call that was answered."""
    status, headers, body = gateway.post(f"/model/{model}/{action}", BODY, token=token)
    assert status == 200, body
    return gateway.record(headers["x-amzn-requestid"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


class TestSpread:
    def test_calls_go_where_most_of_the_quota_is_left(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        for _ in range(40):
            ask(routed, "us." + OLD)
        assert (len(one.requests), len(two.requests)) == (30, 10)

    def test_a_throttled_region_gets_none_for_a_while(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(failure=throttled(retry_after=20)))
        for _ in range(10):
            ask(routed, "us." + OLD)
        assert (len(one.requests), len(two.requests)) == (1, 10)


class TestHedge:
    @pytest.mark.parametrize("action", ["converse", "converse-stream"])
    def test_the_second_answers_and_the_first_is_let_go(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator, action: str
    ) -> None:
        one.usually(Behaviour(delay=1.5))
        started = time.monotonic()
        record = ask(routed, "eu." + OLD, action)
        assert time.monotonic() - started < 1.4
        upstream = record["upstream"]
        assert (upstream["name"], upstream["hedged"], upstream["attempts"]) == ("two", "one", 2)
        assert upstream["hedged_tokens"] > 0
        assert (len(one.requests), len(two.requests)) == (1, 1)
        assert 'keepstone_hedges_total{winner="second"} 1.0' in routed.get("/metrics")[1]
        before = one.disconnects
        until(lambda: one.disconnects > before or not one._open)

    def test_a_quick_answer_costs_nothing_more(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        record = ask(routed, "eu." + OLD)
        assert record["upstream"] == {"name": "one", "model": "eu." + OLD, "attempts": 1}
        assert two.requests == []

    def test_the_first_may_still_win(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(delay=0.4))
        two.usually(Behaviour(delay=2))
        record = ask(routed, "eu." + OLD)
        assert (record["upstream"]["name"], record["upstream"]["hedged"]) == ("one", "two")

    def test_a_failing_first_is_no_reason_to_wait(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(failure=internal_error()))
        started = time.monotonic()
        assert ask(routed, "eu." + OLD)["upstream"]["name"] == "two"
        assert time.monotonic() - started < 1

    def test_hedges_stay_within_the_retry_budget(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(delay=0.25))
        for _ in range(16):
            ask(routed, "eu." + OLD)
        assert len(two.requests) <= 13
        assert 'keepstone_retries_withheld_total{upstream="two"}' in routed.get("/metrics")[1]


class TestCanary:
    def test_each_principal_has_one_arm(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        arms: Counter[str] = Counter()
        for number in range(6):
            token = routed.key("app", "--name", f"app-{number}")["token"]
            seen = {
                (each["arm"], each["model"])
                for each in (ask(routed, OLD, token=token)["upstream"] for _ in range(3))
            }
            (found,) = seen
            assert found in {("canary", NEW), ("stable", OLD)}
            arms[found[0]] += 1
        assert set(arms) == {"canary", "stable"}
        metrics = routed.get("/metrics")[1]
        calls = f'keepstone_trial_calls_total{{arm="canary",model="{OLD}",outcome="allow"}}'
        assert f"{calls} {3.0 * arms['canary']}" in metrics
        assert f'keepstone_trial_tokens_total{{arm="stable",direction="input",model="{OLD}"}}' in metrics
        assert len(two.requests) == 3 * arms["canary"]

    def test_a_failing_canary_is_answered_by_the_model_in_use(
        self, routed: GatewayProcess, two: BedrockSimulator
    ) -> None:
        two.usually(Behaviour(failure=internal_error()))
        for number in range(4):
            token = routed.key("app", "--name", f"app-{number}")["token"]
            upstream = ask(routed, OLD, token=token)["upstream"]
            assert (upstream["arm"], upstream["model"]) == ("stable", OLD)
        assert two.requests

    def test_whom_a_rule_denies_the_new_version_never_gets_it(
        self, routed: GatewayProcess, two: BedrockSimulator
    ) -> None:
        for number in range(4):
            token = routed.key("cautious", "--name", f"app-{number}")["token"]
            assert ask(routed, OLD, token=token)["upstream"]["arm"] == "stable"
        assert two.requests == []


class TestShadow:
    MODEL = "amazon.nova-lite-v1:0"

    def shadows(self, gateway: GatewayProcess) -> list[dict[str, Any]]:
        return [each for each in gateway.records() if each.get("event") == "shadow.answered"]

    @pytest.mark.parametrize("action", ["converse", "converse-stream"])
    def test_a_copy_goes_out_and_only_how_it_did_is_kept(
        self, routed: GatewayProcess, two: BedrockSimulator, action: str
    ) -> None:
        two.usually(Behaviour(text="the shadow's own words", usage=(7, 5), delay=0.5))
        started = time.monotonic()
        record = ask(routed, self.MODEL, action)
        assert time.monotonic() - started < 0.5
        until(lambda: len(self.shadows(routed)) == 1)
        (shadow,) = self.shadows(routed)
        detail = shadow["detail"]
        assert int(detail.pop("milliseconds")) >= 500
        assert detail == {
            "call": record["id"],
            "model": self.MODEL,
            "upstream": "two",
            "upstream_model": NEW,
            "status": "200",
            "input_tokens": "7",
            "output_tokens": "5",
            "stop_reason": "end_turn",
        }
        assert json.loads(two.requests[-1].body) == json.loads(BODY)
        assert two.requests[-1].path.endswith("/converse")
        assert "own words" not in json.dumps(routed.records())

    def test_what_is_masked_for_the_model_is_masked_for_its_shadow(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        ask(routed, self.MODEL)
        until(lambda: len(two.requests) == 1)
        assert two.requests[0].body == one.requests[-1].body

    def test_a_shadow_in_trouble_is_nobody_s_trouble(
        self, routed: GatewayProcess, two: BedrockSimulator
    ) -> None:
        two.usually(Behaviour(dead=True))
        ask(routed, self.MODEL)
        until(lambda: len(self.shadows(routed)) == 1)
        assert self.shadows(routed)[0]["detail"]["status"] == "upstream_unavailable"

    def test_no_more_copies_than_stated_are_under_way(
        self, routed: GatewayProcess, two: BedrockSimulator
    ) -> None:
        two.usually(Behaviour(delay=1))
        for _ in range(6):
            ask(routed, self.MODEL)
        until(lambda: len(self.shadows(routed)) == 2)
        assert len(two.requests) == 2
        left = f'keepstone_trial_calls_total{{arm="shadow",model="{self.MODEL}",outcome="left_out"}} 4.0'
        assert left in routed.get("/metrics")[1]

    def test_data_goes_to_no_shadow_that_is_not_cleared_for_it(
        self, routed: GatewayProcess, two: BedrockSimulator
    ) -> None:
        model = "amazon.nova-pro-v1:0"
        ask(routed, model)
        refused = f'keepstone_trial_calls_total{{arm="shadow",model="{model}",outcome="not_permitted"}} 1.0'
        assert refused in routed.get("/metrics")[1]
        assert two.requests == []
