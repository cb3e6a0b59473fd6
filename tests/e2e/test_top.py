"""`keepstone top` beside a gateway at work."""

import json

from tests.e2e.conftest import Start
from tests.e2e.test_crash import until
from tests.e2e.workers import calling


def test_what_two_workers_do_is_shown(start: Start) -> None:
    gateway = start("--plain-http", "--workers", "2")
    with calling(gateway, 4) as callers:
        until(lambda: len(callers.answered) > 20)
        shown = gateway.keepstone("top", gateway.url, "--once", "--every", "1", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert found["calls_per_second"] > 10
    assert found["models_per_second"] == {"keepstone.*": found["calls_per_second"]}
    assert found["tokens_per_second"].keys() == {"input", "output"}
    assert 0 < found["latency_p50_ms"] <= found["latency_p99_ms"]
    assert found["refusals_per_second"] == {}
    assert (found["unanswered"], found["workers_missing"]) == (0, 0)
    table = gateway.keepstone("top", gateway.url, "--once", "--every", "0.2")
    assert "calls_per_second" in table.stdout
