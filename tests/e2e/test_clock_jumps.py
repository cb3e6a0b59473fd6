"""The host's clock jumps under load, by days and years, both ways; by `make test-faults`."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.test_budgets import policy
from tests.e2e.test_crash import until
from tests.e2e.workers import BODY, calling

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("e2e-faults")]

CLOCK = Path(__file__).parents[1] / "services/jumping_clock"
DAY = 86_400


def dear(gateway: GatewayProcess) -> int:
    """The status of a call that the limit is on."""
    return gateway.post("/model/keepstone.dear/converse", BODY)[0]


def test_no_call_fails_no_limit_opens_and_the_record_holds(start: Start, tmp_path: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    limit = '{name: few, models: ["keepstone.dear"], requests: 3, per: day, zone: UTC}'
    extra = {"PYTHONPATH": str(CLOCK), "CLOCK_OFFSET": str(offset)}
    gateway = start("--plain-http", policy=policy(limit), extra=extra)
    assert [dear(gateway) for _ in range(4)] == [200, 200, 200, 429]
    with calling(gateway, 4) as callers:
        for jump in (-DAY, DAY, -400 * DAY, 30 * DAY, 0):
            reached = len(callers.answered)
            (tmp_path / "next").write_text(str(jump))
            (tmp_path / "next").replace(offset)
            until(lambda now=reached: len(callers.answered) > now + 50)
            assert dear(gateway) == 429, jump
    assert not callers.failures
    assert set(callers.answered.values()) == {200}
    records = {each["id"]: each for each in gateway.records()}
    assert callers.answered.keys() <= records.keys()
    years = {records[number]["time"][:4] for number in callers.answered}
    assert len(years) > 1, "the clock did jump"
    assert max(records[number]["latency_us"]["total"] for number in callers.answered) < 60_000_000
    assert gateway.stop() == 0
    assert gateway.verify().returncode == 0
