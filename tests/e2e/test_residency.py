"""Residency as unmodified boto3 meets it: each destination checked, articles cited, failover within."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conversation import said, user
from tests.e2e.gateway_process import GatewayProcess
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, unavailable
from tests.simulators.control import ACCOUNT, BedrockControlSimulator
from tests.simulators.openai import OpenAISimulator

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
OWN = f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:application-inference-profile/a1b2c3d4e5f6"
REGIONS = ("eu-central-1", "eu-central-2", "eu-west-2", "us-east-1", "ap-south-1")
PROFILES = {
    f"eu.{CLAUDE}": ("eu-central-1", "eu-west-1", "eu-west-3"),
    "eu.amazon.nova-wide-v1:0": ("eu-central-1", "eu-west-2", "eu-central-2"),
    f"us.{CLAUDE}": ("us-east-1", "us-west-2"),
    f"global.{CLAUDE}": ("*",),
    OWN: ("eu-central-1", "us-east-1"),
}
STAYS = "rules: {EU: {stay_in: [EEA], because: our customers were promised so}}"
DPF = """transfers:
    - {name: certified, kind: dpf, jurisdictions: [EU], upstreams: [us-east-1], countries: [US],
       importer: Example Cloud, since: 2024-01-01, until: UNTIL}"""


def policy(runtime: dict[str, str], control: str, openai: str, section: str) -> str:
    """Upstreams named by their regions, models named by the upstream that serves them."""
    upstreams = "\n".join(
        f'  {region}: {{kind: bedrock, region: {region}, endpoint_url: "{url}", attempts: 1,'
        f' control_endpoint_url: "{control}"}}'
        for region, url in runtime.items()
    )
    return f"""\
version: 1
organisation: {{name: Residency}}
identities:
  roles:
    application: {{allow: [{{models: ["*"]}}]}}
    swiss: {{allow: [{{models: ["*"]}}]}}
purposes: {{profiling: {{description: profiles of customers, legal_basis: consent}}}}
upstreams:
{upstreams}
  nowhere: {{kind: openai, base_url: "{openai}", api_key: {{env: E2E_OPENAI_KEY}}}}
models:
  - {{id: "zurich", upstreams: [eu-central-2], upstream_ids: {{eu-central-2: "{CLAUDE}"}}}}
  - {{id: "london", upstreams: [eu-west-2], upstream_ids: {{eu-west-2: "{CLAUDE}"}}}}
  - {{id: "virginia", upstreams: [us-east-1], upstream_ids: {{us-east-1: "{CLAUDE}"}}}}
  - {{id: "mumbai", upstreams: [ap-south-1], upstream_ids: {{ap-south-1: "{CLAUDE}"}}}}
  - {{id: "unplaced", upstreams: [nowhere]}}
  - {{id: "failover", upstreams: [us-east-1, eu-central-1, eu-west-2],
      upstream_ids: {{us-east-1: "{CLAUDE}", eu-central-1: "{CLAUDE}", eu-west-2: "{CLAUDE}"}}}}
  - {{id: "*", upstreams: [eu-central-1]}}
residency:
  {section}
"""


class World:
    """Simulated regions and the gateways before them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.regions = {each: stack.enter_context(BedrockSimulator(region=each)) for each in REGIONS}
        self.control = stack.enter_context(BedrockControlSimulator(PROFILES, region="eu-central-1"))
        self.openai = stack.enter_context(OpenAISimulator())
        self._gateways: dict[str, GatewayProcess] = {}

    def gateway(self, section: str, *, fresh: bool = False) -> GatewayProcess:
        """A gateway with this `residency` section, kept for the next test that wants the same."""
        if section not in self._gateways or fresh:
            urls = {name: each.url for name, each in self.regions.items()}
            text = policy(urls, self.control.url, self.openai.base_url, section)
            process = GatewayProcess(self._folder / str(len(self._gateways)), text)
            self._stack.callback(process.close)
            self._gateways[section] = process.start()
        return self._gateways[section]

    def reached(self) -> list[str]:
        """The regions that a call has reached since `reset`."""
        return [name for name, each in self.regions.items() if each.requests]

    def asked_for(self, profile: str) -> int:
        """How often AWS was asked about a profile."""
        return sum(unquote(each.path).endswith(f"/{profile}") for each in self.control.requests)

    def reset(self) -> None:
        """Forget all calls."""
        for each in self.regions.values():
            each.reset()


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path_factory.mktemp("residency"), stack)


@pytest.fixture
def world(_world: World) -> World:
    _world.reset()
    return _world


def ask(gateway: GatewayProcess, model: str, headers: dict[str, str] | None = None) -> Any:
    """One call by boto3 with more headers, tried again while AWS is being asked about a profile."""
    client = gateway.client()
    for name, value in (headers or {}).items():
        client.meta.events.register(
            "before-sign.bedrock-runtime.*",
            lambda request, name=name, value=value, **_: request.headers.add_header(name, value),
        )
    deadline = time.monotonic() + 10
    while True:
        try:
            return client.converse(modelId=model, messages=user("hello"))
        except ClientError as error:
            if "destination_pending" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def refusal(gateway: GatewayProcess, model: str, headers: dict[str, str] | None = None) -> tuple[str, str]:
    """The reason code and the message of a call that must be refused."""
    with pytest.raises(ClientError) as caught:
        ask(gateway, model, headers)
    response: Any = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403, response
    return response["ResponseMetadata"]["HTTPHeaders"]["x-keepstone-reason"], response["Error"]["Message"]


EU_ONLY = "jurisdictions: [EU]\n  " + STAYS
EU = "jurisdictions: [EU]"


class TestTheNameOfARegionIsNoProof:
    @pytest.mark.parametrize("model", ["zurich", "london"])
    def test_data_that_stays_in_the_eea_goes_neither_to_zurich_nor_to_london(
        self, world: World, model: str
    ) -> None:
        code, message = refusal(world.gateway(EU_ONLY), model)
        assert code == "transfer_refused"
        assert "stay_in" in message
        assert "our customers were promised so" in message
        assert world.reached() == []

    @pytest.mark.parametrize("model", ["zurich", "london"])
    def test_the_law_alone_lets_it_go_there_by_adequacy(self, world: World, model: str) -> None:
        answer = ask(world.gateway(EU), model)
        assert said(answer)
        record = world.gateway(EU).record(answer["ResponseMetadata"]["RequestId"])
        noted = [each for each in record["reasons"] if each["code"] == "transfer_allowed"]
        assert "GDPR Art. 45(3)" in noted[0]["message"]

    @pytest.mark.parametrize(
        ("model", "article"), [("virginia", "Decision (EU) 2023/1795"), ("mumbai", "GDPR Art. 44")]
    )
    def test_a_country_without_adequacy_is_refused_with_the_article(
        self, world: World, model: str, article: str
    ) -> None:
        code, message = refusal(world.gateway(EU), model)
        assert code == "transfer_refused"
        assert article in message
        assert world.reached() == []


class TestDestinationsOfProfiles:
    def test_an_sdk_tries_again_by_itself_while_aws_is_asked(self, world: World) -> None:
        world.control.profiles["eu.anthropic.claude-asked-once-v1:0"] = ("eu-west-1",)
        client = world.gateway(EU_ONLY).client(attempts=9)
        assert said(client.converse(modelId="eu.anthropic.claude-asked-once-v1:0", messages=user("hello")))

    def test_a_profile_within_the_eea_is_allowed(self, world: World) -> None:
        assert said(ask(world.gateway(EU_ONLY), f"eu.{CLAUDE}"))
        assert world.reached() == ["eu-central-1"]

    def test_one_destination_outside_is_enough(self, world: World) -> None:
        code, message = refusal(world.gateway(EU_ONLY), "eu.amazon.nova-wide-v1:0")
        assert code == "transfer_refused"
        assert "eu-west-2 (GB), eu-central-2 (CH)" in message
        assert "eu-central-1 (DE)" not in message
        assert world.reached() == []

    @pytest.mark.parametrize("section", [EU_ONLY, EU])
    def test_a_global_profile_is_refused(self, world: World, section: str) -> None:
        code, message = refusal(world.gateway(section), f"global.{CLAUDE}")
        assert code == "transfer_refused"
        assert "any region there is or will be" in message
        assert world.reached() == []

    def test_an_application_profile_is_looked_up(self, world: World) -> None:
        code, message = refusal(world.gateway(EU_ONLY), OWN)
        assert code == "transfer_refused"
        assert "us-east-1 (US)" in message

    def test_a_profile_that_aws_does_not_know_cannot_be_told(self, world: World) -> None:
        code, message = refusal(world.gateway(EU_ONLY), "apac.anthropic.claude-unheard-of-v1:0")
        assert code == "destination_unknown"
        assert "ResourceNotFoundException" in message

    def test_a_prompt_router_cannot_be_told(self, world: World) -> None:
        arn = f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:default-prompt-router/anthropic.claude:1"
        assert refusal(world.gateway(EU_ONLY), arn)[0] == "destination_unknown"

    def test_a_server_in_no_stated_country_cannot_be_told(self, world: World) -> None:
        assert refusal(world.gateway(EU_ONLY), "unplaced")[0] == "destination_unknown"
        assert not world.openai.requests

    def test_the_shipped_table_stands_in_only_by_its_setting_and_says_so(self, world: World) -> None:
        table = "\n  destinations: {when_unknown: shipped-table}"
        unheard = "eu.anthropic.claude-that-aws-does-not-tell-of"
        assert refusal(world.gateway(EU), unheard)[0] == "destination_unknown"
        gateway = world.gateway(EU + table)
        answer = ask(gateway, unheard)
        record = gateway.record(answer["ResponseMetadata"]["RequestId"])
        assert any("shipped table of" in each["message"] for each in record["reasons"])
        assert "keepstone_assumed_destinations_total 1.0" in gateway.get("/metrics")[1]
        assert refusal(world.gateway(EU_ONLY + table), unheard)[0] == "transfer_refused"

    def test_what_aws_said_outlives_the_process(self, world: World) -> None:
        gateway = world.gateway(EU_ONLY)
        ask(gateway, f"eu.{CLAUDE}")
        snapshot = json.loads((gateway.home / "inference-profiles.json").read_text())
        found = {each["profile"]: each["regions"] for each in snapshot["answers"] if each["regions"]}
        assert found[f"eu.{CLAUDE}"] == list(PROFILES[f"eu.{CLAUDE}"])
        asked = world.asked_for(f"eu.{CLAUDE}")
        gateway.stop()
        gateway.start()
        assert said(ask(gateway, f"eu.{CLAUDE}"))
        assert world.asked_for(f"eu.{CLAUDE}") == asked


class TestFailover:
    def test_it_never_leaves_what_was_allowed(self, world: World) -> None:
        world.regions["eu-central-1"].usually(Behaviour(failure=unavailable()))
        gateway = world.gateway(EU_ONLY)
        with pytest.raises(ClientError, match="upstream_unavailable"):
            gateway.client().converse(modelId="failover", messages=user("hello"))
        assert world.reached() == ["eu-central-1"]

    def test_it_goes_on_within(self, world: World) -> None:
        world.regions["eu-central-1"].usually(Behaviour(failure=unavailable()))
        assert said(world.gateway(EU).client().converse(modelId="failover", messages=user("hello")))
        assert world.reached() == ["eu-central-1", "eu-west-2"]


class TestInstruments:
    def test_a_certified_importer_is_allowed(self, world: World) -> None:
        section = f"{EU}\n  " + DPF.replace("UNTIL", "2099-12-31")
        assert said(ask(world.gateway(section), "virginia"))

    def test_a_lapsed_certification_is_not(self, world: World) -> None:
        section = f"{EU}\n  " + DPF.replace("UNTIL", "2025-12-31")
        code, message = refusal(world.gateway(section), "virginia")
        assert code == "transfer_refused"
        assert "the certification of Example Cloud ended on 2025-12-31 (GDPR Art. 45(3))" in message

    def test_the_certification_of_one_importer_is_not_that_of_another(self, world: World) -> None:
        section = f"{EU}\n  " + DPF.replace("UNTIL", "2099-12-31").replace("[us-east-1]", "[eu-west-2]")
        assert refusal(world.gateway(section), "virginia")[0] == "transfer_refused"


class TestWhoseData:
    def test_a_role_has_data_of_its_own(self, world: World) -> None:
        section = f"{EU_ONLY}\n  roles: {{swiss: [CH]}}"
        gateway = world.gateway(section)
        swiss = gateway.client(gateway.key("swiss")["token"])
        assert said(swiss.converse(modelId="zurich", messages=user("hello")))
        assert refusal(gateway, "zurich")[0] == "transfer_refused"

    def test_the_header_adds_a_jurisdiction_and_takes_none_away(self, world: World) -> None:
        gateway = world.gateway(EU_ONLY)
        assert refusal(gateway, "zurich", {"X-Keepstone-Jurisdiction": "CH"})[0] == "transfer_refused"
        also = {"X-Keepstone-Jurisdiction": "US-CA"}
        assert said(ask(gateway, f"eu.{CLAUDE}", also))
        code, message = refusal(gateway, f"eu.{CLAUDE}", {"X-Keepstone-Jurisdiction": "IN"})
        assert code == "destination_unknown"
        assert "no law of IN" in message

    def test_a_header_that_names_nothing_is_refused(self, world: World) -> None:
        gateway = world.gateway(EU_ONLY)
        with pytest.raises(ClientError, match="request_malformed"):
            ask(gateway, f"eu.{CLAUDE}", {"X-Keepstone-Jurisdiction": "europe"})


class TestConsent:
    def test_it_counts_until_it_is_withdrawn(self, world: World, tmp_path: Path) -> None:
        register = tmp_path / "consents.jsonl"
        given = {
            "receipt": "r-1",
            "event": "given",
            "time": "2026-01-01T00:00:00Z",
            "purposes": ["profiling"],
            "explicit": True,
        }
        register.write_text(json.dumps(given) + "\n")
        gateway = world.gateway(f"{EU_ONLY}\n  consent: {{register: {register}, explicit_for: [profiling]}}")
        profiling = {"X-Keepstone-Purpose": "profiling"}
        receipt = profiling | {"X-Keepstone-Consent": "r-1"}
        assert said(ask(gateway, f"eu.{CLAUDE}"))
        code, message = refusal(gateway, f"eu.{CLAUDE}", profiling)
        assert (code, "GDPR Art. 9(2)(a)" in message) == ("consent_missing", True)
        assert refusal(gateway, f"eu.{CLAUDE}", profiling | {"X-Keepstone-Consent": "r-2"})[0] == code
        assert said(ask(gateway, f"eu.{CLAUDE}", receipt))
        with register.open("a") as file:
            withdrawn = {"receipt": "r-1", "event": "withdrawn", "time": "2026-02-01T00:00:00Z"}
            file.write(json.dumps(withdrawn) + "\n")
        time.sleep(1)
        code, message = refusal(gateway, f"eu.{CLAUDE}", receipt)
        assert (code, "GDPR Art. 7(3)" in message) == ("consent_missing", True)
        register.write_text("not an event\n")
        time.sleep(1)
        assert "cannot be read" in refusal(gateway, f"eu.{CLAUDE}", receipt)[1]
