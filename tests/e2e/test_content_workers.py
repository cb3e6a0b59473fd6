"""Kept content with two workers: what a command does holds for both within a second and is recorded once."""

import json
import signal
import time
from collections import Counter
from typing import Any

import pytest

from keepstone.ledger.whole import WholeReader
from tests.e2e.conftest import Start
from tests.e2e.conversation import user
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.policy import document
from tests.e2e.test_content import CLAUDE, METADATA, events, ledger, refused
from tests.e2e.test_crash import until
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.openai import OpenAISimulator

pytestmark = pytest.mark.xdist_group("e2e-workers")
SUBJECT = ("--subject", "customer-4711")


@pytest.fixture
def two(start: Start, bedrock: BedrockSimulator, openai: OpenAISimulator) -> GatewayProcess:
    policy = document(bedrock.url, openai.base_url, extra=METADATA)
    return start("--plain-http", "--workers", "2", policy=policy)


def call(gateway: GatewayProcess, text: str) -> str:
    """Call on a connection of its own; the request's id."""
    body = json.dumps({"messages": user(text), "requestMetadata": {"customer": "customer-4711"}}).encode()
    status, headers, answer = gateway.post(f"/model/{CLAUDE}/converse", body)
    assert status == 200, answer
    return headers["x-amzn-requestid"]


def logs(gateway: GatewayProcess) -> dict[str, str]:
    """The log, and so the worker, that has recorded each call."""
    entries = WholeReader(gateway.home / "ledger").entries()
    return {json.loads(data)["id"]: str(address).rpartition("/")[0] for address, data in entries}


def one_of_each(gateway: GatewayProcess, text: str) -> list[str]:
    """Calls that both workers have served, one each."""
    for _ in range(10):
        asked = [call(gateway, text) for _ in range(8)]
        served = {logs(gateway)[each]: each for each in asked}
        if len(served) == 2:
            return list(served.values())
    raise AssertionError("one worker has served all")


def counted(gateway: GatewayProcess) -> Counter[str]:
    """How often each event of a command is on record."""
    ours = ("gateway.", "key.")
    return Counter(each["event"] for each in events(gateway) if not each["event"].startswith(ours))


def test_an_erasure_holds_for_both_at_once_and_is_recorded_once(two: GatewayProcess) -> None:
    before = one_of_each(two, "earlier words")
    for each in before:
        assert "earlier words" in ledger(two, "show", each, "--content")["request"]
    erased = ledger(two, "erase", *SUBJECT, "--reason", "asked")
    assert erased["erased"] is True
    after = one_of_each(two, "later words")
    time.sleep(1)
    after += one_of_each(two, "later words")
    for each in before:
        assert "erased" in refused(two, "show", each, "--content")
    for each in after:
        assert "later words" in ledger(two, "show", each, "--content")["request"]
    assert counted(two) == {"content.read": 2 + len(after), "content.erased": 1}
    assert len(list((two.home / "keys/content").iterdir())) == 1
    assert two.verify().returncode == 0
    assert two.stop() == 0
    assert counted(two)["content.erased"] == 1
    assert two.verify().returncode == 0


def test_holds_and_pruning_are_for_the_content_of_both(two: GatewayProcess) -> None:
    calls = one_of_each(two, "evidence")
    held = ledger(two, "hold", "add", *SUBJECT, "--reason", "case 17")
    assert ledger(two, "erase", *SUBJECT, "--reason", "asked")["erased"] is False
    for segment in (two.home / "ledger/content").iterdir():
        segment.rename(segment.with_name("2026-01-01" + segment.name[10:]))
    old = (
        "prune",
        "--content-days",
        "1",
        "--policy",
        str(two.policy),
        "--below-policy",
        "--reason",
        "case 18",
    )
    kept = ledger(two, *old)
    assert kept["parts"] == "0"
    assert int(kept["held_parts"]) >= 4
    release = ("hold", "release", held["id"], "--reason", "closed", "--ledger", str(two.home / "ledger"))
    assert two.keepstone("ledger", *release).returncode == 0
    assert ledger(two, *old) == {"records": "0", "parts": kept["held_parts"]}
    for each in calls:
        assert "gone" in refused(two, "show", each, "--content")
    assert counted(two) == {
        "hold.added": 1,
        "content.erasure_refused": 1,
        "hold.released": 1,
        "ledger.prune_ordered": 2,
        "ledger.pruned": 1,
    }
    assert two.verify().returncode == 0


def test_what_commands_do_while_workers_are_replaced_is_recorded_once(two: GatewayProcess) -> None:
    call(two, "hello")
    assert two.process is not None
    two.process.send_signal(signal.SIGUSR2)
    made: list[Any] = []
    deadline = time.monotonic() + 60
    while two.log.read_text().count("is replaced") < 2:
        assert time.monotonic() < deadline, two.log.read_text()
        made.append(ledger(two, "hold", "add", *SUBJECT, "--reason", "case 17")["id"])
    made.append(ledger(two, "hold", "add", *SUBJECT, "--reason", "case 17")["id"])
    until(lambda: not list((two.home / "ledger/notices").glob("*.json")))
    recorded = [each["detail"]["hold"] for each in events(two) if each["event"] == "hold.added"]
    assert sorted(recorded) == sorted(made)
    assert one_of_each(two, "hello")
    assert two.verify().returncode == 0
