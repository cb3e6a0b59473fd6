"""The sliding windows, against an exact log of what was admitted."""

from datetime import UTC, datetime

import hypothesis.strategies as st
import pytest
from hypothesis import given

from keepstone.core.principal import Principal
from keepstone.gateway.rates.budget import MAX_WINDOWS, Budget
from keepstone.gateway.rates.lines import Reservation, Spent
from keepstone.gateway.rates.windows import SlidingWindow
from keepstone.policy.limits import LimitRule, Period, Unit
from keepstone.policy.model_ids import Glob

SECOND = 1_000_000_000
ALICE = Principal("alice", "api-key", ("analyst",), key_id="a")
BOB = Principal("bob", "api-key", ("analyst", "admin"), key_id="b")


def limit(scope="principal", requests=None, tokens=None, window_s=60):
    bounds = [(Unit.REQUESTS, requests), (Unit.TOKENS, tokens)]
    return LimitRule(
        "each",
        scope,
        window_s * SECOND,
        tuple(each for each in bounds if each[1]),
        frozenset({"*"}),
        (Glob("*"),),
        "limits[0]",
    )


def of(tokens):
    """What a call takes that uses so many tokens, all of them input."""
    return (1, tokens, tokens, 0, 0, 0, 1)


@given(
    st.lists(st.tuples(st.integers(0, 20 * SECOND), st.integers(0, 40)), max_size=60),
    st.integers(1, 10),
    st.integers(1, 100),
)
def test_no_span_of_the_windows_length_admits_more_than_the_limit(steps, requests, tokens):
    budget, now, admitted = Budget(), 0, []
    rule = limit(requests=requests, tokens=tokens, window_s=30)
    for pause, amount in steps:
        now += pause
        if isinstance(budget.take((rule,), ALICE, "m", of(amount), now), Reservation):
            admitted.append((now, amount))
    for end, _ in admitted:
        inside = [amount for at, amount in admitted if end - 30 * SECOND < at <= end]
        assert len(inside) <= requests
        assert sum(inside) <= tokens


@given(st.lists(st.integers(0, 5 * SECOND), min_size=1, max_size=40), st.integers(1, 5))
def test_retry_after_is_long_enough_and_at_most_a_slice_too_long(pauses, requests):
    budget, now = Budget(), 0
    rule = limit(requests=requests, window_s=20)
    for pause in pauses:
        now += pause
        taken = budget.take((rule,), ALICE, "m", of(0), now)
        if isinstance(taken, Spent):
            later = now + taken.retry_after * SECOND
            assert isinstance(budget.take((rule,), ALICE, "m", of(0), later), Reservation)
            assert taken.retry_after <= 20 + 2
            return


def test_scopes_share_or_keep_apart():
    for scope, shared in (("principal", False), ("role", True), ("model", True), ("organisation", True)):
        budget = Budget()
        rule = limit(scope, requests=1)
        assert isinstance(budget.take((rule,), ALICE, "m", of(0), 0), Reservation)
        assert isinstance(budget.take((rule,), BOB, "m", of(0), 0), Spent) is shared, scope
    budget, rule = Budget(), limit("model", requests=1)
    assert isinstance(budget.take((rule,), ALICE, "m", of(0), 0), Reservation)
    assert isinstance(budget.take((rule,), ALICE, "n", of(0), 0), Reservation)


def test_a_refused_call_takes_nothing():
    budget = Budget()
    loose, strict = limit(requests=10), limit("organisation", requests=1)
    assert isinstance(budget.take((strict,), BOB, "m", of(0), 0), Reservation)
    for _ in range(20):
        assert isinstance(budget.take((loose, strict), ALICE, "m", of(0), 0), Spent)
    for _ in range(10):
        assert isinstance(budget.take((loose,), ALICE, "m", of(0), 0), Reservation)


def test_settling_gives_back_what_was_not_used_where_it_was_taken():
    budget = Budget()
    rule = limit(tokens=100)
    taken = budget.take((rule,), ALICE, "m", of(90), 0)
    assert isinstance(taken, Reservation)
    assert isinstance(budget.take((rule,), ALICE, "m", of(20), SECOND), Spent)
    budget.settle(taken, of(10), 40 * SECOND)
    assert isinstance(budget.take((rule,), ALICE, "m", of(90), 41 * SECOND), Reservation)
    # the reservation has left the window: settling late must not make room that never was taken
    assert isinstance(budget.take((rule,), ALICE, "m", of(20), 70 * SECOND), Spent)


def test_settling_after_the_window_changes_nothing():
    window = SlidingWindow(SECOND)
    window.add(0, 5)
    window.expire(10 * SECOND)
    window.correct(0, -5)
    assert window.total == 0


def test_the_refusal_names_the_limit_and_the_wait():
    budget = Budget()
    rule = limit(requests=1)
    budget.take((rule,), ALICE, "m", of(0), 0)
    spent = budget.take((rule,), ALICE, "m", of(0), 0)
    assert isinstance(spent, Spent)
    assert spent.decision.reason.code == "request_limit_spent"
    assert "limit `each` of 1 requests per 60 s" in spent.decision.reason.message
    assert spent.decision.reason.path == "limits[0]"


def test_windows_do_not_grow_without_bound(monkeypatch):
    monkeypatch.setattr("keepstone.gateway.rates.budget.MAX_WINDOWS", 10)
    budget = Budget()
    rule = limit("model", requests=5)
    for number in range(50):
        budget.take((rule,), ALICE, f"m{number}", of(0), 0)
    assert len(budget._windows) <= 10 < MAX_WINDOWS


# --- money, calendars, what is held


def rule_of(*bounds, **fields):
    given_ = {"scope": "organisation", "window_ns": 60 * SECOND} | fields
    return LimitRule(
        "each",
        given_.pop("scope"),
        given_.pop("window_ns"),
        bounds,
        frozenset({"*"}),
        (Glob("*"),),
        "limits[0]",
        **given_,
    )


NIGHT = int(datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC).timestamp()) * SECOND


def test_a_calendar_month_ends_at_midnight_where_it_is_counted():
    budget = Budget(NIGHT)  # so that 0 is the last second of November in Oslo
    rule = rule_of((Unit.COST, 100), period=Period("month", "Europe/Oslo"), currency="USD")
    taken = budget.take((rule,), ALICE, "m", (1, 0, 0, 0, 60, 0, 1), 0)
    spent = budget.take((rule,), BOB, "m", (1, 0, 0, 0, 60, 0, 1), 0)
    assert spent.decision.reason.code == "cost_limit_spent"
    assert spent.decision.reason.message.startswith(
        "limit `each` of 1e-07 USD per month in Europe/Oslo is spent"
    )
    assert spent.retry_after == 1
    assert isinstance(budget.take((rule,), BOB, "m", (1, 0, 0, 0, 60, 0, 1), SECOND), Reservation)
    budget.settle(taken, (1, 0, 0, 0, 0, 0, 0), SECOND)  # November's: December gets nothing back
    assert isinstance(budget.take((rule,), BOB, "m", (1, 0, 0, 0, 60, 0, 1), SECOND), Spent)


@pytest.mark.parametrize(
    ("unit", "code"),
    [(Unit.STREAMS, "concurrency_limit_spent"), (Unit.CONCURRENT, "concurrency_limit_spent")],
)
def test_what_is_held_comes_back_when_the_call_ends(unit, code):
    budget, rule = Budget(), rule_of((unit, 2))
    held = [budget.take((rule,), ALICE, "m", (1, 0, 0, 0, 0, 1, 1), 0) for _ in range(2)]
    refused = budget.take((rule,), ALICE, "m", (1, 0, 0, 0, 0, 1, 1), 500 * SECOND)
    assert (refused.decision.reason.code, refused.retry_after) == (code, 1)
    budget.settle(held[0], (1, 0, 0, 0, 0, 0, 0), 500 * SECOND)
    assert isinstance(budget.take((rule,), ALICE, "m", (1, 0, 0, 0, 0, 1, 1), 500 * SECOND), Reservation)


def test_a_whole_answer_holds_no_stream():
    budget, rule = Budget(), rule_of((Unit.STREAMS, 1))
    for _ in range(3):
        assert isinstance(budget.take((rule,), ALICE, "m", (1, 0, 0, 0, 0, 0, 1), 0), Reservation)


def test_what_settled_calls_used_is_over_by_no_more_than_calls_in_flight_did_not_reserve():
    budget, rule = Budget(), rule_of((Unit.OUTPUT_TOKENS, 100))
    in_flight = [budget.take((rule,), ALICE, "m", (1, 0, 0, 50, 0, 0, 1), 0) for _ in range(2)]
    assert isinstance(budget.take((rule,), ALICE, "m", (1, 0, 0, 1, 0, 0, 1), 0), Spent)
    for taken in in_flight:
        budget.settle(taken, (1, 0, 0, 70, 0, 0, 0), 0)
    over = budget.take((rule,), ALICE, "m", (1, 0, 0, 1, 0, 0, 1), 0)
    assert isinstance(over, Spent)  # 140 used: 2 x 20 above what was reserved, and nothing after


def test_an_alert_is_raised_once_a_window_and_again_in_the_next():
    budget, rule = Budget(), rule_of((Unit.REQUESTS, 4), alert_at=(50, 100))
    told = [
        [each.percent for each in budget.take((rule,), ALICE, "m", of(0), number * SECOND).alerts]
        for number in range(6)
    ]
    assert told == [[], [50], [], [100], [], []]
    later = [budget.take((rule,), ALICE, "m", of(0), 200 * SECOND).alerts for _ in range(2)]
    assert [[each.percent for each in alerts] for alerts in later] == [[], [50]]


def test_a_refusal_reaches_every_threshold():
    budget, rule = Budget(), rule_of((Unit.TOKENS, 100), alert_at=(90,))
    refused = budget.take((rule,), ALICE, "m", of(101), 0)
    assert [(each.percent, each.total) for each in refused.alerts] == [(90, 0)]


def test_a_clock_that_jumps_neither_opens_a_period_nor_closes_one():
    """The monotonic clock does not jump, and the way from it to wall time is fixed at start."""
    budget = Budget(NIGHT)
    rule = rule_of((Unit.COST, 100), period=Period("month", "UTC"), currency="USD")
    assert isinstance(budget.take((rule,), ALICE, "m", (1, 0, 0, 0, 100, 0, 1), 0), Reservation)
    assert isinstance(budget.take((rule,), ALICE, "m", (1, 0, 0, 0, 1, 0, 1), 60 * SECOND), Spent)
