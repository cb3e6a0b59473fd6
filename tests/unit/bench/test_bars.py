"""A bar is judged by its own figure, and what was not measured is never a success."""

import pytest
from bench.bars import Met, bars
from bench.results import Delay, Soak

from tests.unit.bench.runs import results

FLAT = Soak("2026-01-01", [(50_000.0 * number, 110.0) for number in range(1, 21)])


def met(found, soak=FLAT):
    return {bar.promise: bar.met for bar in bars(found, soak)}


def only(verdicts, part):
    [verdict] = [value for promise, value in verdicts.items() if part in promise]
    return verdict


def test_all_bars_can_be_met() -> None:
    verdicts = met(results())
    assert set(verdicts.values()) == {Met.YES}
    assert len(verdicts) == 11


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("150 µs CPU", {"strict": 150.1}),
        ("LiteLLM", {"litellm": 55 * 140 - 1}),
        ("Portkey", {"portkey": 9 * 140 - 1}),
        ("the Go peer", {"ferrogw": 2 * 140 - 1}),
        ("bare ASGI floor", {"passthrough": 100.1}),
        ("two workers", {"workers": 156}),
    ],
)
def test_a_bar_is_missed_just_beyond_its_number(part, changed) -> None:
    assert only(met(results(**changed)), part) is Met.NO


@pytest.mark.parametrize(
    ("part", "absent"),
    [
        ("150 µs CPU", "strict"),
        ("LiteLLM", "litellm"),
        ("LiteLLM", "strict"),
        ("Portkey", "portkey"),
        ("the Go peer", "ferrogw"),
        ("p50, one caller", "nginx"),
        ("p99, one caller", "strict"),
        ("bare ASGI floor", "floor"),
        ("bare ASGI floor", "passthrough"),
        ("two workers", "workers"),
    ],
)
def test_what_did_not_take_part_cannot_be_told(part, absent) -> None:
    found = results(without=(absent,))
    [bar] = [bar for bar in bars(found, FLAT) if part in bar.promise]
    assert bar.met is Met.UNKNOWN
    assert absent in bar.figure


def test_streams_are_judged_by_the_slower_kind() -> None:
    quick, slow = Delay("a", 100, 5, 100, 0.4, 1.0), Delay("b", 100, 1, 120, 1.2, 3.0)
    assert only(met(results(streams={"strict": quick, "full": slow})), "stream") is Met.NO
    assert only(met(results(streams={"strict": quick, "full": quick})), "stream") is Met.YES
    assert only(met(results(streams={"strict": quick})), "stream") is Met.UNKNOWN


def test_memory_needs_a_million_calls() -> None:
    growing = Soak("2026-01-01", [(50_000.0 * n, 100.0 + n) for n in range(1, 21)])
    short = Soak("2026-01-01", [(1_000.0 * n, 110.0) for n in range(1, 21)])
    assert only(met(results(), growing), "memory") is Met.NO
    assert only(met(results(), short), "memory") is Met.UNKNOWN
    assert only(met(results(), None), "memory") is Met.UNKNOWN


def test_quarters_of_a_soak() -> None:
    soak = Soak("2026-01-01", [(float(n), float(n)) for n in range(1, 9)])
    assert (soak.calls, soak.early_mb(), soak.late_mb()) == (8.0, 3.5, 7.5)
