"""Several workers behind one address: one record, one scrape, and no failed call while they are replaced."""

import os
import re
import shutil
import signal
import time

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.test_crash import until
from tests.e2e.workers import BODY, PATH, alive, calling, workers_of

pytestmark = pytest.mark.xdist_group("e2e-workers")
TWO = ("--plain-http", "--workers", "2")


def counted(gateway: GatewayProcess, name: str = "keepstone_calls_total") -> float:
    """Sum of a metric over its labels."""
    text = gateway.get("/metrics")[1]
    return sum(float(each) for each in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


class TestOneView:
    def test_metrics_are_of_all_and_the_record_is_whole(self, start: Start) -> None:
        gateway = start(*TWO)
        before = set(workers_of(gateway))
        assert len(before) == 2
        with calling(gateway) as callers:
            until(lambda: len(callers.answered) > 100)
        assert not callers.failures
        assert {counted(gateway) for _ in range(6)} == {len(callers.answered)}, "whoever is asked"
        assert gateway.verify().returncode == 0, "while it runs"
        shards = [gateway.home / "ledger", *(gateway.home / "ledger/shards").glob("w*")]
        assert len(shards) == 2
        assert gateway.stop() == 0
        assert callers.answered.keys() <= {each["id"] for each in gateway.records()}
        stopped = [each for each in gateway.records() if each.get("event") == "gateway.stopped"]
        assert len(stopped) == 2
        verified = gateway.verify()
        assert verified.returncode == 0, verified.stdout
        assert "in 2 logs" in verified.stdout

    def test_a_log_that_has_gone_is_noticed(self, start: Start) -> None:
        gateway = start(*TWO)
        with calling(gateway) as callers:
            until(lambda: len(callers.answered) > 20)
        assert gateway.stop() == 0
        away = gateway.folder / "away"
        (gateway.home / "ledger/shards/w1").rename(away)
        verified = gateway.verify()
        assert verified.returncode == 1
        assert "log `w1` is missing" in verified.stdout
        refused = gateway.keepstone(*gateway.command("--port", "0")[1:])
        assert refused.returncode == 3
        assert "shard `w1` of the ledger is missing" in refused.stderr
        shutil.move(away, gateway.home / "ledger/shards/w1")
        assert gateway.verify().returncode == 0
        (gateway.home / "ledger/view").unlink()
        assert gateway.verify().returncode == 1

    def test_a_lone_gateway_goes_on_in_the_first_log(self, start: Start) -> None:
        gateway = start("--plain-http")
        status, head, _ = gateway.post(PATH, BODY)
        assert status == 200
        assert gateway.stop() == 0
        gateway._arguments = TWO
        gateway.start()
        with calling(gateway) as callers:
            until(lambda: len(callers.answered) > 20)
        assert gateway.stop() == 0
        gateway._arguments = ("--plain-http",)
        gateway.start()
        assert gateway.post(PATH, BODY)[0] == 200
        assert gateway.stop() == 0
        assert {head["x-amzn-requestid"], *callers.answered} <= {each["id"] for each in gateway.records()}
        shown = gateway.keepstone(
            "ledger", "show", head["x-amzn-requestid"], "--ledger", gateway.home / "ledger"
        )
        assert shown.returncode == 0
        verified = gateway.verify()
        assert verified.returncode == 0, verified.stdout
        assert "in 2 logs" in verified.stdout


class TestReplacing:
    def test_a_rolling_restart_fails_no_call(self, start: Start) -> None:
        gateway = start(*TWO)
        assert gateway.process is not None
        before = set(workers_of(gateway))
        with calling(gateway) as callers, calling(gateway, 3, pause=0.4) as unhurried:
            until(lambda: len(callers.answered) > 50)
            gateway.process.send_signal(signal.SIGUSR2)
            until(lambda: gateway.log.read_text().count("is replaced") == 2, seconds=60)
            assert not before & set(workers_of(gateway))
            reached = len(callers.answered)
            until(lambda: len(callers.answered) > reached + 50)
            time.sleep(1)
        assert not callers.failures + unhurried.failures
        answered = callers.answered | unhurried.answered
        assert set(answered.values()) == {200}
        assert counted(gateway) == len(answered), "counts outlive the workers"
        assert gateway.stop() == 0
        assert answered.keys() <= {each["id"] for each in gateway.records()}
        assert gateway.verify().returncode == 0

    def test_a_drain_lets_callers_go_elsewhere(self, start: Start) -> None:
        gateway = start("--plain-http", "--drain", "2")
        assert gateway.process is not None
        with calling(gateway, 4) as callers:
            until(lambda: len(callers.answered) > 20)
            gateway.process.send_signal(signal.SIGTERM)
            until(lambda: gateway.get("/health/ready")[0] == 503)
            status, head, _ = gateway.post(PATH, BODY)
            assert (status, head["connection"]) == (200, "close")
            callers.join()
        assert not callers.failures
        assert gateway.process.wait(20) == 0

    def test_a_killed_worker_is_replaced_and_nothing_answered_is_lost(self, start: Start) -> None:
        gateway = start(*TWO)
        victim = workers_of(gateway)[0]
        with calling(gateway) as callers:
            until(lambda: len(callers.answered) > 50)
            os.kill(victim, signal.SIGKILL)
            until(lambda: len(set(workers_of(gateway)) - {victim}) == 2)
            until(lambda: counted(gateway, "keepstone_worker_up") == 2, seconds=20)
        assert counted(gateway, "keepstone_worker_restarts_total") == 1
        assert gateway.stop() == 0
        assert callers.answered.keys() <= {each["id"] for each in gateway.records()}
        assert gateway.verify().returncode == 0

    def test_workers_do_not_outlive_their_parent(self, start: Start) -> None:
        gateway = start(*TWO)
        orphans = workers_of(gateway)
        gateway.kill()
        until(lambda: not any(alive(pid) for pid in orphans), seconds=15)
        gateway.start()
        assert gateway.post(PATH, BODY)[0] == 200
        assert gateway.stop() == 0
        assert gateway.verify().returncode == 0


STARTS_ANYWAY = "starts with the one in force: the policy is not valid"


def test_a_successor_obeys_the_policy_in_force_while_the_one_on_disk_is_invalid(start: Start) -> None:
    gateway = start(*TWO)
    victims = workers_of(gateway)
    valid = gateway.policy.read_text()
    narrow = valid.replace('allow: [{models: ["*"]}]', 'allow: [{models: ["us.*"]}]')
    gateway.policy.write_text(narrow)
    until(lambda: gateway.log.read_text().count('is in force"}') == 2)
    gateway.policy.write_text(narrow + "nonsense: true\n")
    until(lambda: gateway.log.read_text().count("the changed policy is refused") == 2)
    for number, victim in enumerate(victims, 1):  # at last nobody is left who has ever read a valid one
        os.kill(victim, signal.SIGKILL)
        until(lambda: gateway.log.read_text().count(STARTS_ANYWAY) == number, seconds=30)  # noqa: B023
    until(lambda: counted(gateway, "keepstone_worker_up") == 2, seconds=30)
    statuses = lambda: {gateway.post(PATH, BODY)[0] for _ in range(24)}  # noqa: E731
    assert statuses() == {403}
    gateway.policy.write_text(valid)
    until(lambda: statuses() == {200})
    assert gateway.stop() == 0
    assert gateway.verify().returncode == 0


def test_a_rolling_restart_ends_before_an_invalid_policy(start: Start) -> None:
    gateway = start(*TWO)
    assert gateway.process is not None
    before = workers_of(gateway)
    gateway.policy.write_text(gateway.policy.read_text() + "nonsense: true\n")
    gateway.process.send_signal(signal.SIGUSR2)
    until(lambda: "is not replaced: the policy is not valid" in gateway.log.read_text(), seconds=20)
    until(lambda: workers_of(gateway) == before)
    assert gateway.post(PATH, BODY)[0] == 200
    assert gateway.stop() == 0


class TestWithinASecond:
    def test_a_revocation_and_a_policy_reach_every_worker(self, start: Start) -> None:
        gateway = start(*TWO)
        statuses = lambda: {gateway.post(PATH, BODY)[0] for _ in range(24)}  # noqa: E731
        assert statuses() == {200}
        changed = gateway.policy.read_text().replace(
            'allow: [{models: ["*"]}]', 'allow: [{models: ["us.*"]}]'
        )
        gateway.policy.write_text(changed)
        time.sleep(1)
        assert statuses() == {403}
        gateway.policy.write_text(changed.replace("us.*", "*"))
        time.sleep(1)
        assert statuses() == {200}
        gateway.revoke(gateway.first_key.split("_")[1])
        time.sleep(1)
        assert statuses() == {403}
