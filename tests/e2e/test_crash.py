"""The promise under force: what a client got an answer for is in the ledger, however the gateway ends."""

import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.conversation import CARD, EMAIL, streamed, user
from tests.e2e.gateway_process import GatewayProcess, clean_environment
from tests.simulators.bedrock import BedrockSimulator

pytestmark = pytest.mark.xdist_group("e2e-crash")

BODIES = [json.dumps({"messages": user(text)}).encode() for text in ("hello", f"I am {EMAIL}", f"pay {CARD}")]
PATHS = [
    "/model/keepstone.dev/converse",
    "/model/keepstone.dev/converse-stream",
    "/model/apac.amazon.nova-lite-v1:0/invoke",
    "/model/nobody.knows/converse",
]


class Load:
    """Callers who go on until the gateway is gone; what they were answered is kept."""

    def __init__(self, gateway: GatewayProcess, callers: int = 8) -> None:
        self.answered: dict[str, int] = {}
        self.failed: list[tuple[int, str]] = []
        self.over = threading.Event()
        self._gateway = gateway
        self._address, self._token = gateway.address, gateway.first_key
        self._threads = [threading.Thread(target=self._call, args=(each,)) for each in range(callers)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        self.over.set()
        for thread in self._threads:
            thread.join()

    def _call(self, seed: int) -> None:
        dice = random.Random(seed)
        connection = http.client.HTTPConnection(*self._address, timeout=10)
        headers = {"authorization": f"Bearer {self._token}"}
        try:
            while not self.over.is_set():
                connection.request("POST", dice.choice(PATHS), dice.choice(BODIES), headers)
                answer = connection.getresponse()
                number = answer.headers["x-amzn-requestid"]
                self.answered[number] = answer.status  # whoever has read the head has an answer
                body = answer.read()
                if answer.status >= 500:
                    self.failed.append((answer.status, body.decode()))
        except (OSError, http.client.HTTPException):
            pass  # it is gone
        finally:
            connection.close()


@contextmanager
def under_load(gateway: GatewayProcess) -> Iterator[Load]:
    """A crowd that calls without pause for the block's time."""
    load = Load(gateway)
    load.start()
    try:
        yield load
    finally:
        load.join()


def until(condition: object, seconds: float = 10) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestKill:
    def test_at_random_moments_nothing_answered_is_lost(self, start: Start) -> None:
        seed = random.randrange(1 << 32)
        moment = random.Random(seed)
        gateway = start("--plain-http")
        answered: set[str] = set()
        for turn in range(4):
            if turn:
                gateway.start()
            with under_load(gateway) as load:
                until(lambda now=load: len(now.answered) > 20)
                time.sleep(moment.uniform(0, 0.4))
                gateway.kill()
            answered |= load.answered.keys()
            assert not load.failed
            verified = gateway.verify()
            assert verified.returncode == 0, (seed, turn, verified.stdout, verified.stderr)
            lost = answered - {each["id"] for each in gateway.records()}
            assert not lost, f"seed {seed}, turn {turn}: {len(lost)} of {len(answered)} lost"
        gateway.start()
        assert gateway.post(PATHS[0], BODIES[0])[0] == 200
        assert gateway.stop() == 0
        assert gateway.verify().returncode == 0


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_calls_in_flight_are_answered(self, start: Start, number: signal.Signals) -> None:
        gateway = start()
        client = gateway.client()
        with ThreadPoolExecutor(12) as crowd:
            stream = client.converse_stream(modelId="keepstone.slow", messages=user("hello"))
            calls = [
                crowd.submit(gateway.post, "/model/keepstone.slower/converse", BODIES[0]) for _ in range(10)
            ]
            until(lambda: "keepstone_calls_in_flight 11.0" in gateway.get("/metrics")[1])
            assert gateway.process is not None
            gateway.process.send_signal(number)
            answers = [call.result() for call in calls]
            assert streamed(stream).endswith("You said: hello")
        assert gateway.process.wait(20) == 0
        assert [status for status, _, _ in answers] == [200] * 10
        numbers = {headers["x-amzn-requestid"] for _, headers, _ in answers}
        records = gateway.records()
        assert numbers <= {each["id"] for each in records}
        assert records[-1]["event"] == "gateway.stopped"
        assert gateway.verify().returncode == 0

    def test_under_load_nothing_answered_is_lost(self, start: Start) -> None:
        gateway = start("--plain-http")
        with under_load(gateway) as load:
            until(lambda: len(load.answered) > 50)
            assert gateway.stop() == 0
        refused = {body for status, body in load.failed}
        assert all("shutting_down" in body for body in refused)
        assert load.answered.keys() <= {each["id"] for each in gateway.records()}


class TestReload:
    def test_a_valid_change_is_in_force_and_no_call_fails(self, start: Start) -> None:
        gateway = start("--plain-http")
        before = gateway.policy.read_text()
        with under_load(gateway) as load:
            assert gateway.post("/model/brand.new/converse", BODIES[0])[0] == 404
            changed = before.replace("models:\n", 'models:\n  - {id: "brand.*", upstreams: [dev]}\n', 1)
            gateway.policy.write_text(changed)
            until(lambda: gateway.post("/model/brand.new/converse", BODIES[0])[0] == 200, seconds=2)
            gateway.policy.write_text(before)
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGHUP)
            until(lambda: gateway.post("/model/brand.new/converse", BODIES[0])[0] == 404, seconds=0.9)
        assert not load.failed
        assert gateway.stop() == 0
        loads = [each for each in gateway.records() if each.get("event") == "policy.loaded"]
        assert len(loads) >= 2
        assert loads[0]["policy"] != loads[-1]["policy"]
        assert load.answered.keys() <= {each["id"] for each in gateway.records()}

    @pytest.mark.parametrize("broken", ["version: 1\nmodels: [", "", "version: 9\n", None])
    def test_an_invalid_change_is_refused_while_the_old_serves(
        self, gateway: GatewayProcess, broken: str | None
    ) -> None:
        before = gateway.policy.read_text()
        told = gateway.log.read_text().count("the old one stays in force")
        try:
            if broken is None:
                gateway.policy.unlink()
            else:
                gateway.policy.write_text(broken)
            until(lambda: gateway.log.read_text().count("the old one stays in force") > told, seconds=3)
            assert gateway.post(PATHS[0], BODIES[0])[0] == 200
        finally:
            gateway.policy.write_text(before)
        assert 'keepstone_policy_reloads_total{outcome="refused"}' in gateway.get("/metrics")[1]


class TestTwo:
    def test_a_second_gateway_on_the_same_home_is_refused(self, gateway: GatewayProcess) -> None:
        second = subprocess.run(
            gateway.command("--port", "0"),
            env=clean_environment() | {"E2E_BEDROCK_TOKEN": "x", "E2E_OPENAI_KEY": "x"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode in (1, 2, 3)
        assert "Traceback" not in second.stderr
        assert "ledger" in second.stderr
        assert second.stdout == ""
        assert gateway.post(PATHS[0], BODIES[0])[0] == 200

    def test_a_taken_port_is_told(self, gateway: GatewayProcess, tmp_path: Path) -> None:
        command = gateway.command("--port", str(gateway.address[1]), "--home", str(tmp_path / "other"))
        done = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 2
        assert "cannot listen" in done.stderr


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, in memory."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    folder.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_answers_503_and_recovers(
    tmp_path: Path, bedrock: BedrockSimulator, start: Start
) -> None:
    with small_disk(tmp_path / "own" / "home" / "ledger", "2m") as disk:
        gateway = start("--plain-http")
        assert gateway.post(PATHS[0], BODIES[0])[0] == 200
        filler = disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        answers = [gateway.post(PATHS[0], BODIES[0]) for _ in range(40)]
        assert answers[-1][0] == 503
        assert answers[-1][1]["x-keepstone-reason"] == "ledger_unavailable"
        assert b"You said" not in answers[-1][2]
        assert gateway.get("/health/live")[0] == 200
        assert "keepstone_ledger_failures_total" in gateway.get("/metrics")[1]
        filler.unlink()
        until(lambda: gateway.post(PATHS[0], BODIES[0])[0] == 200, seconds=5)
        acknowledged = {each[1]["x-amzn-requestid"] for each in answers if each[0] == 200}
        assert acknowledged <= {each["id"] for each in gateway.records()}
        assert gateway.stop() == 0
        assert gateway.verify().returncode == 0
