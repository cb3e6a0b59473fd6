"""How much of the machine was in use, and by whom."""

import pytest
from bench.machine import Ticks, ticks


def test_how_busy_the_machine_was() -> None:
    before = ticks("cpu  100 0 50 800 50 0 0 0 7 7\ncpu0 1 2 3")
    after = ticks("cpu  160 0 70 880 70 2 8 10 7 7\n")
    assert before == Ticks(1000, 850, 0)
    assert after == Ticks(1200, 950, 10)
    assert after.busy_since(before) == pytest.approx(0.5)
    assert after.others_since(before, own=70) == pytest.approx(0.1)
    assert after.others_since(before, own=800) == 0  # two clocks never agree to the tick
    assert before.busy_since(before) == 0
