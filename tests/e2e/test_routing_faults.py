"""Upstreams in trouble: no retry storm, recovery without a hand, nobody waits for ever or is forgotten."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import GatewayProcess
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour, internal_error, throttled

pytestmark = pytest.mark.xdist_group("e2e-routing")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
BODY = json.dumps({"messages": [{"role": "user", "content": [{"text": "hello"}]}]}).encode()
POLICY = """\
version: 1
organisation: {{name: Routing}}
identities:
  roles:
    app: {{allow: [{{models: ["*"]}}]}}
upstreams:
  one: {{kind: bedrock, region: us-east-1, endpoint_url: "{one}", attempts: 3, timeout: 20s,
        connect_timeout: 1s, breaker: {{minimum: 10, rest: 300ms}}, retries: {{share: 20, minimum: 1}}}}
  plain: {{kind: bedrock, region: us-east-1, endpoint_url: "{one}", attempts: 1, timeout: 20s, breaker: off}}
  two: {{kind: bedrock, region: us-east-1, endpoint_url: "{two}", attempts: 1, timeout: 20s}}
models:
  - {{id: "anthropic.*", upstreams: [one]}}
  - {{id: "us.*", upstreams: [one, two]}}
  - {{id: "eu.*", upstreams: [plain], deadline: 700ms, stream_deadline: 1500ms}}
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
    """A gateway of the test's own: what one test has done to a breaker is no other's business."""
    policy = POLICY.format(one=sims[0].url, two=sims[1].url)
    process = GatewayProcess(tmp_path / "routed", policy, "--plain-http")
    yield process.start()
    process.close()


NONE: dict[str, str] = {}


def converse(
    gateway: GatewayProcess, model: str = CLAUDE, headers: Mapping[str, str] = NONE
) -> tuple[int, str]:
    """Status and reason of one call."""
    status, found, _ = gateway.post(f"/model/{model}/converse", BODY, headers)
    return status, found.get("x-keepstone-reason", "")


def crowd(count: int, work: Callable[[], Any]) -> list[Any]:
    """What `count` threads found, each doing the work once, all at the same time."""
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition and return how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - started


class TestNoStorm:
    def test_a_throttling_storm_is_not_answered_with_one(
        self, routed: GatewayProcess, one: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(failure=throttled()))
        found = [each for _ in range(6) for each in crowd(20, lambda: converse(routed))]
        assert Counter(found) == {(429, "upstream_throttled"): 120}
        assert len(one.requests) <= 120 + 120 * 0.2 + 10
        assert 'keepstone_breaker_state{model="anthropic.*",upstream="one"} 0.0' in routed.get("/metrics")[1]
        one.usually(Behaviour())
        assert converse(routed) == (200, "")

    def test_an_outage_opens_the_breaker_and_ends_by_itself(
        self, routed: GatewayProcess, one: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(failure=internal_error()))
        found = [converse(routed) for _ in range(60)]
        assert found[-1] == (503, "upstream_rests")
        assert len(one.requests) < 30
        assert 'keepstone_breaker_state{model="anthropic.*",upstream="one"}' in routed.get("/metrics")[1]
        one.usually(Behaviour())
        until(lambda: converse(routed)[0] == 200, 5)
        assert [converse(routed)[0] for _ in range(20)] == [200] * 20

    def test_a_resting_upstream_says_when_to_come_back(
        self, routed: GatewayProcess, one: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(failure=internal_error()))
        for _ in range(30):
            status, headers, body = routed.post(f"/model/{CLAUDE}/converse", BODY)
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"left alone after too many failures" in body

    def test_a_refused_connection_opens_the_upstream_s_own_breaker(
        self, routed: GatewayProcess, one: BedrockSimulator
    ) -> None:
        with one.refusing():
            assert {converse(routed)[0] for _ in range(20)} == {503}
            assert 'keepstone_breaker_state{model="",upstream="one"} 1.0' in routed.get("/metrics")[1]
        until(lambda: converse(routed)[0] == 200, 5)

    def test_one_that_flaps_is_left_and_found_again(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        """Every call is answered, by the other one while the first is down."""
        for sick in (True, False, True, False):
            one.usually(Behaviour(failure=internal_error()) if sick else Behaviour())
            assert {converse(routed, "us." + CLAUDE) for _ in range(25)} == {(200, "")}
        before = len(one.requests)
        until(lambda: converse(routed, "us." + CLAUDE)[0] == 200 and len(one.requests) > before, 5)
        assert two.requests

    def test_throttling_shifts_load_at_once(
        self, routed: GatewayProcess, one: BedrockSimulator, two: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(failure=throttled(retry_after=30)))
        assert {converse(routed, "us." + CLAUDE) for _ in range(20)} == {(200, "")}
        assert (len(one.requests), len(two.requests)) == (1, 20)

    def test_a_long_wait_is_the_caller_s(self, routed: GatewayProcess, one: BedrockSimulator) -> None:
        one.usually(Behaviour(failure=throttled(retry_after=30)))
        status, headers, _ = routed.post(f"/model/{CLAUDE}/converse", BODY)
        assert (status, headers["retry-after"], len(one.requests)) == (429, "30", 1)

    def test_a_short_wait_is_kept(self, routed: GatewayProcess, one: BedrockSimulator) -> None:
        one.behave(Behaviour(failure=throttled(retry_after=1)))
        started = time.monotonic()
        assert converse(routed) == (200, "")
        assert time.monotonic() - started >= 1


class TestDeadlines:
    LATE = (408, "deadline_exceeded")

    def test_a_black_hole(self, routed: GatewayProcess, one: BedrockSimulator) -> None:
        one.usually(Behaviour(delay=8))
        started = time.monotonic()
        assert converse(routed, "eu." + CLAUDE) == self.LATE
        assert 0.6 < time.monotonic() - started < 2
        number = routed.post(f"/model/eu.{CLAUDE}/converse", BODY)[1]["x-amzn-requestid"]
        assert routed.record(number)["reasons"][0]["code"] == "deadline_exceeded"

    def test_a_caller_may_ask_for_less(self, routed: GatewayProcess, one: BedrockSimulator) -> None:
        one.usually(Behaviour(delay=8))
        started = time.monotonic()
        assert converse(routed, CLAUDE, {"x-keepstone-deadline-ms": "200"}) == self.LATE
        assert time.monotonic() - started < 1
        past = {"amz-sdk-request": "ttl=20200101T000000Z; attempt=1"}
        sent = len(one.requests)
        assert converse(routed, CLAUDE, past) == self.LATE
        assert len(one.requests) == sent
        assert converse(routed, CLAUDE, {"x-keepstone-deadline-ms": "soon"}) == (400, "request_malformed")

    def test_a_caller_s_impatience_opens_no_breaker(
        self, routed: GatewayProcess, one: BedrockSimulator
    ) -> None:
        one.usually(Behaviour(delay=0.3))
        for _ in range(3):
            crowd(10, lambda: converse(routed, CLAUDE, {"x-keepstone-deadline-ms": "30"}))
        one.usually(Behaviour())
        assert converse(routed) == (200, "")

    def test_a_stream_s_first_event(self, routed: GatewayProcess, one: BedrockSimulator) -> None:
        one.usually(Behaviour(delay=8))
        status, headers, _ = routed.post(f"/model/eu.{CLAUDE}/converse-stream", BODY)
        assert (status, headers["x-keepstone-reason"]) == self.LATE

    def test_a_slow_drip(self, routed: GatewayProcess, one: BedrockSimulator) -> None:
        """Never silent for long, never done: the stream's own deadline ends it."""
        one.usually(Behaviour(text="word " * 200, pieces=(5,), event_delay=0.1))
        started = time.monotonic()
        status, headers, body = routed.post(f"/model/eu.{CLAUDE}/converse-stream", BODY)
        assert status == 200
        assert 1 < time.monotonic() - started < 4
        assert b"deadline_exceeded" in body
        assert routed.record(headers["x-amzn-requestid"])["reasons"][0]["code"] == "deadline_exceeded"


class TestLeaving:
    @pytest.mark.parametrize(
        ("operation", "behaviour"),
        [
            ("converse", Behaviour(delay=6)),
            ("converse-stream", Behaviour(delay=6)),
            ("converse-stream", Behaviour(text="word " * 9, pieces=(5,), event_delay=4)),
        ],
        ids=["while an answer is awaited", "before the first event", "between events"],
    )
    def test_the_upstream_is_let_go_within_a_second(
        self, routed: GatewayProcess, one: BedrockSimulator, operation: str, behaviour: Behaviour
    ) -> None:
        one.usually(behaviour)
        head = (
            f"POST /model/{CLAUDE}/{operation} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n"
            f"authorization: Bearer {routed.first_key}\r\n\r\n"
        )
        with routed.socket() as caller:
            caller.sendall(head.encode() + BODY)
            until(lambda: len(one.requests) == 1, 5)
            if behaviour.event_delay:
                assert caller.recv(1024).startswith(b"HTTP/1.1 200")
        taken = until(lambda: "keepstone_calls_in_flight 0.0" in routed.get("/metrics")[1], 5)
        assert taken < 1
        record = routed.records()[-1]
        assert record["reasons"][0]["code"] == "caller_left"
        assert 'keepstone_calls_cancelled_total{reason="caller_left"} 1.0' in routed.get("/metrics")[1]
        assert upstream_connections(routed, one) == 0

    def test_a_pipelined_call_does_not_end_the_one_before(
        self, routed: GatewayProcess, one: BedrockSimulator
    ) -> None:
        request = (
            f"POST /model/{CLAUDE}/converse HTTP/1.1\r\nhost: x\r\ncontent-length: {len(BODY)}\r\n"
            f"authorization: Bearer {routed.first_key}\r\n"
        ).encode()
        one.behave(Behaviour(delay=0.3))
        with routed.socket() as caller:
            caller.sendall(request + b"\r\n" + BODY + request + b"connection: close\r\n\r\n" + BODY)
            answer = b""
            while data := caller.recv(65536):
                answer += data
        assert answer.count(b"HTTP/1.1 200 OK") == 2


def upstream_connections(gateway: GatewayProcess, simulator: BedrockSimulator) -> int:
    """How many connections the gateway's process holds to the simulator, as the kernel sees it."""
    assert gateway.process is not None
    count = 0
    links = {
        str(each.readlink())
        for each in Path(f"/proc/{gateway.process.pid}/fd").iterdir()
        if each.is_symlink()
    }
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        port = int(fields[2].rpartition(":")[2], 16)
        if port == simulator.port and f"socket:[{fields[9]}]" in links:
            count += 1
    return count
