"""Checkpoints outside: a gateway anchors them, and a log that was cut or rewritten does not pass any more."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from keepstone.ledger.key import LedgerKey
from keepstone.ledger.writer import Ledger
from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.workers import BODY, PATH, workers_of
from tests.simulators.witness import WitnessSimulator


def policy(folder: Path, witness: WitnessSimulator | None = None) -> str:
    places = f'{{kind: folder, path: "{folder}"}}'
    if witness is not None:
        places += f', {{kind: witness, url: "{witness.url}", key: "{witness.vkey}"}}'
    return f"""\
version: 1
organisation: {{name: End to end}}
identities:
  roles:
    application: {{allow: [{{models: ["*"]}}]}}
upstreams:
  dev: {{kind: dev}}
models:
  - {{id: "keepstone.*", upstreams: [dev]}}
record:
  anchors: [{places}]
  anchor_every: 200ms
"""


def call(gateway: GatewayProcess, count: int) -> None:
    for _ in range(count):
        assert gateway.post(PATH, BODY)[0] == 200


def key_of(gateway: GatewayProcess) -> LedgerKey:
    return LedgerKey.load(gateway.home / "keys")


def verified(gateway: GatewayProcess) -> tuple[int, dict[str, object]]:
    """`keepstone ledger verify --anchors`, with a key that was kept elsewhere."""
    known = ("--key", key_of(gateway).verifier, "--policy", gateway.policy, "--format", "json")
    done = gateway.keepstone("ledger", "verify", "--anchors", "--ledger", gateway.home / "ledger", *known)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.05)


def test_a_gateway_anchors_and_whoever_puts_its_log_back_is_found(start: Start, tmp_path: Path) -> None:
    with WitnessSimulator({}) as witness:
        (tmp_path / "anchors").mkdir()
        gateway = start(policy=policy(tmp_path / "anchors", witness))
        witness.logs[key_of(gateway).name] = key_of(gateway).verifier
        call(gateway, 3)
        gateway.stop()
        shutil.copytree(gateway.home / "ledger", tmp_path / "early")
        gateway.start()
        call(gateway, 3)
        gateway.stop()
        status, said = verified(gateway)
        assert (status, said["verdict"]) == (0, "PASS"), said
        assert witness.state[key_of(gateway).name][0] == said["size"]

        later = gateway.home / "ledger"
        shutil.rmtree(later)
        shutil.copytree(tmp_path / "early", later)
        status, said = verified(gateway)
        assert (status, said["verdict"]) == (1, "FAIL")
        whats = [each["what"] for each in said["problems"]]  # type: ignore[attr-defined]
        assert any("has cosigned" in what for what in whats), whats
        assert any("shorter than" in what for what in whats), whats

        ledger = Ledger.open(later, key_of(gateway), notify=lambda _waiters, _error: None)
        for number in range(20):  # with the real key: what only an anchor can tell
            ledger.append(b"another history %d" % number)
        ledger.close()
        status, said = verified(gateway)
        assert (status, said["verdict"]) == (1, "FAIL")
        whats = [each["what"] for each in said["problems"]]  # type: ignore[attr-defined]
        assert any("does not continue" in what for what in whats), whats
        assert any("it was rewritten" in what for what in whats), whats


def test_an_anchor_that_cannot_be_reached_cannot_tell(start: Start, tmp_path: Path) -> None:
    with WitnessSimulator({}) as witness:
        (tmp_path / "anchors").mkdir()
        gateway = start(policy=policy(tmp_path / "anchors", witness))
        call(gateway, 1)
        gateway.stop()
        assert "does not know this log" in gateway.log.read_text()
        assert verified(gateway)[0] == 3
        witness.logs[key_of(gateway).name] = key_of(gateway).verifier
        anchor = gateway.keepstone(
            "ledger", "anchor", "--ledger", gateway.home / "ledger", "--policy", gateway.policy
        )
        assert anchor.returncode == 0, anchor.stdout
        assert verified(gateway)[0] == 0
        with witness.refusing():
            assert verified(gateway)[0] == 3
        (tmp_path / "anchors").rename(tmp_path / "unmounted")
        status, said = verified(gateway)
        assert (status, said["verdict"]) == (3, "NOT_EVALUATED")
        assert "is it mounted" in str(said) or "there is no folder" in str(said)


@pytest.mark.faults
def test_shards_are_anchored_and_a_lost_one_is_missed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "anchors").mkdir()
    gateway = start("--workers", "2", policy=policy(tmp_path / "anchors"))
    call(gateway, 10)
    for pid in workers_of(gateway):
        os.kill(pid, signal.SIGKILL)
    until(lambda: gateway.get("/health/ready")[0] == 200)
    call(gateway, 10)
    gateway.stop()
    gateway.start()  # the view of the end is anchored now
    gateway.stop()
    assert verified(gateway)[0] == 0
    shutil.rmtree(gateway.home / "ledger" / "shards")
    (gateway.home / "ledger" / "view").unlink()
    status, said = verified(gateway)
    assert (status, said["verdict"]) == (1, "FAIL")
    assert "log `w1` is missing" in str(said["reason"])
