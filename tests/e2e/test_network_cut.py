"""The network between hosts is cut, or swallows everything, under load; by `make test-faults`.

The upstream, the store of limits or the database is another host (a network namespace). Each call is answered
within the policy's bounds, each is on record as it was answered, and all is well again without a hand.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from tests.e2e.conftest import Start
from tests.e2e.conversation import events_of, said, user
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.test_crash import until
from tests.e2e.workers import BODY, PATH, calling
from tests.services.another_host import AnotherHost, another_host
from tests.services.postgres import Postgres
from tests.services.valkey import ValkeyServer
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour
from tests.simulators.tls import server_context

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("e2e-faults")]

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
TIMEOUT = 2.0
"""`upstreams.*.timeout` of the policy: no answer comes later, but for what the machine itself takes."""
HONEST = {
    ("ServiceUnavailableException", "upstream_unavailable"),
    ("ServiceUnavailableException", "upstream_rests"),
    ("ModelTimeoutException", "upstream_timed_out"),
}


def policy(upstream: str, rest: str = "") -> str:
    """The development model, and one on another host; `fallback.` may be answered by either."""
    return f"""\
version: 1
organisation: {{name: A cut network}}
identities: {{roles: {{application: {{allow: [{{models: ["*"]}}]}}}}}}
upstreams:
  dev: {{kind: dev}}
  {upstream or "other: {kind: dev}"}
models:
  - {{id: "keepstone.*", upstreams: [dev]}}
  - {{id: "anthropic.*", upstreams: [other]}}
  - {{id: "eu.*", upstreams: [other, dev]}}
{rest}
"""


@pytest.fixture
def host() -> Iterator[AnotherHost]:
    """Another host with a link to ours."""
    with another_host() as made:
        yield made


@pytest.fixture(params=["cut", "swallow"])
def breaks(request: Any, host: AnotherHost) -> Callable[[], None]:
    """How the network fails."""
    return {"cut": host.cut, "swallow": host.swallow}[request.param]


def ask(client: Any, model: str = CLAUDE) -> tuple[str, str, str, float]:
    """Make a call: the exception's name and the reason, its id, and what it took."""
    began = time.monotonic()
    try:
        answer: Any = client.converse(modelId=model, messages=user("hello"))
        name, reason = "", ""
    except ClientError as error:
        answer = error.response
        name = str(answer["Error"]["Code"])
        reason = str(answer["ResponseMetadata"]["HTTPHeaders"]["x-keepstone-reason"])
    return name, reason, str(answer["ResponseMetadata"]["RequestId"]), time.monotonic() - began


def recorded(gateway: GatewayProcess) -> dict[str, dict[str, Any]]:
    """The last record of each call."""
    return {each["id"]: each for each in gateway.records()}


class TestUpstream:
    @pytest.fixture
    def remote(self, host: AnotherHost, tmp_path: Path) -> Iterator[BedrockSimulator]:
        """Bedrock on the other host, in TLS."""
        context, _ = server_context(tmp_path, address=host.address)
        with BedrockSimulator(tls=context).at(host.address, host.inside) as simulator:
            yield simulator

    @pytest.fixture
    def gateway(self, start: Start, remote: BedrockSimulator, tmp_path: Path) -> GatewayProcess:
        """A gateway that has to cross the link."""
        trusted = tmp_path / "simulator-ca.pem"
        where = f'region: us-east-1, endpoint_url: "{remote.url}", ca_bundle: "{trusted}"'
        patience = f"attempts: 1, connect_timeout: 1s, timeout: {TIMEOUT:.0f}s"
        return start(policy=policy(f"other: {{kind: bedrock, {where}, {patience}}}"))

    def test_calls_in_flight_are_answered_in_time_and_recorded(
        self, gateway: GatewayProcess, remote: BedrockSimulator, host: AnotherHost, breaks: Callable[[], None]
    ) -> None:
        remote.usually(Behaviour(delay=1.0))
        clients = [gateway.client() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(ask, each) for each in clients]
            until(lambda: len(remote.requests) == 8)
            breaks()
            ended = [each.result() for each in calls]
            later = [each for _ in range(3) for each in pool.map(ask, clients)]
        assert {each[:2] for each in ended} == {("ModelTimeoutException", "upstream_timed_out")}
        assert {each[:2] for each in later} <= HONEST
        assert max(took for *_, took in ended + later) < TIMEOUT + 1.5
        assert said(gateway.client().converse(modelId="eu." + CLAUDE, messages=user("hello"))).endswith(
            "You said: hello"
        ), "the next upstream answers meanwhile"
        remote.usually(Behaviour())
        host.heal()
        until(lambda: ask(clients[0])[:2] == ("", ""), seconds=15)
        assert {ask(each)[:2] for each in clients} == {("", "")}
        held = recorded(gateway)
        for name, reason, number, _ in ended + later:
            assert (held[number]["outcome"], held[number]["reasons"][0]["code"]) == ("refuse", reason), name
        assert gateway.stop() == 0
        assert gateway.verify().returncode == 0

    def test_streams_that_are_cut_half_way_say_so(
        self, gateway: GatewayProcess, remote: BedrockSimulator, host: AnotherHost, breaks: Callable[[], None]
    ) -> None:
        remote.usually(Behaviour(text="word " * 400, event_delay=0.1))
        client = gateway.client()
        streams = [client.converse_stream(modelId=CLAUDE, messages=user("hello")) for _ in range(4)]
        firsts = [next(iter(each["stream"])) for each in streams]
        assert all("messageStart" in each for each in firsts)
        breaks()
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            for each in [pool.submit(events_of, one) for one in streams]:
                with pytest.raises(EventStreamError):
                    each.result()
        assert time.monotonic() - began < TIMEOUT + 1.5
        held = gateway.records()
        for each in streams:
            number = each["ResponseMetadata"]["RequestId"]
            kinds = [(one["kind"], one["outcome"]) for one in held if one["id"] == number]
            assert kinds == [("opened", "allow"), ("closed", "refuse")]
            assert recorded(gateway)[number]["reasons"][0]["code"] == "upstream_timed_out"
        assert "keepstone_calls_in_flight 0.0" in gateway.get("/metrics")[1]
        remote.usually(Behaviour())
        host.heal()
        until(lambda: ask(client)[:2] == ("", ""), seconds=15)


class TestStoreOfLimits:
    LIMIT = 600

    def test_nothing_passes_uncounted_and_the_count_goes_on(
        self, start: Start, host: AnotherHost, breaks: Callable[[], None], tmp_path: Path
    ) -> None:
        folder = tmp_path / "valkey"
        folder.mkdir()
        server = ValkeyServer(folder, host=host.address, within=host.command)
        try:
            server.start()
            few = f"{{name: few, scope: organisation, window: 10m, requests: {self.LIMIT}}}"
            text = policy("", f"limits: [{few}]")
            gateway = start(
                "--plain-http", "--workers", "2", policy=text, extra={"KEEPSTONE_RATES": server.url}
            )
            with calling(gateway, pause=0.02) as callers:
                until(lambda: len(callers.answered) > 100)
                breaks()
                until(lambda: 503 in callers.answered.values(), seconds=5)
                time.sleep(1)
                waits = [timed(gateway) for _ in range(8)]
                host.heal()
                until(lambda: 429 in callers.answered.values(), seconds=30)
            assert {status for status, _ in waits} == {503}
            assert max(took for _, took in waits) < 1
            assert not callers.failures
            assert list(callers.answered.values()).count(200) <= self.LIMIT
            assert list(callers.answered.values()).count(200) > self.LIMIT // 2
            held = recorded(gateway)
            for number, status in callers.answered.items():
                code = held[number]["reasons"][0]["code"] if status != 200 else ""
                assert code == {200: "", 429: "request_limit_spent", 503: "rates_unavailable"}[status]
            assert gateway.stop() == 0
            assert gateway.verify().returncode == 0
        finally:
            server.kill()


def timed(gateway: GatewayProcess) -> tuple[int, float]:
    """The status of a call and what it took."""
    began = time.monotonic()
    return gateway.post(PATH, BODY)[0], time.monotonic() - began


def test_the_database(start: Start, host: AnotherHost, breaks: Callable[[], None]) -> None:
    server = Postgres(host.address, host.command)
    try:
        server.start()
        gateway = start("--plain-http", "--workers", "2", extra={"KEEPSTONE_DATABASE": server.url})
        statuses = lambda: {gateway.post(PATH, BODY)[0] for _ in range(16)}  # noqa: E731
        with calling(gateway, pause=0.01) as callers:
            until(lambda: len(callers.answered) > 50)
            breaks()
            time.sleep(1.6)
            assert statuses() == {503}, "no longer than `store.stale_for` after the last word"
            host.heal()
            until(lambda: statuses() == {200}, seconds=20)
        assert not callers.failures
        assert gateway.stop() == 0
        assert callers.answered.keys() <= {each["id"] for each in gateway.records()}
        assert gateway.verify().returncode == 0
    finally:
        server.close()
