"""The sliding windows, against an exact log of what was admitted."""

import hypothesis.strategies as st
from hypothesis import given

from keepstone.core.principal import Principal
from keepstone.gateway.budget import MAX_WINDOWS, Budget, Reservation, SlidingWindow, Spent
from keepstone.policy.compile import LimitRule
from keepstone.policy.model_ids import Glob

SECOND = 1_000_000_000
ALICE = Principal("alice", "api-key", ("analyst",), key_id="a")
BOB = Principal("bob", "api-key", ("analyst", "admin"), key_id="b")


def limit(scope="principal", requests=None, tokens=None, window_s=60):
    return LimitRule(
        "each", scope, window_s * SECOND, requests, tokens, frozenset({"*"}), (Glob("*"),), "limits[0]"
    )


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
        if isinstance(budget.take((rule,), ALICE, "m", amount, now), Reservation):
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
        taken = budget.take((rule,), ALICE, "m", 0, now)
        if isinstance(taken, Spent):
            later = now + taken.retry_after * SECOND
            assert isinstance(budget.take((rule,), ALICE, "m", 0, later), Reservation)
            assert taken.retry_after <= 20 + 2
            return


def test_scopes_share_or_keep_apart():
    for scope, shared in (("principal", False), ("role", True), ("model", True), ("organisation", True)):
        budget = Budget()
        rule = limit(scope, requests=1)
        assert isinstance(budget.take((rule,), ALICE, "m", 0, 0), Reservation)
        assert isinstance(budget.take((rule,), BOB, "m", 0, 0), Spent) is shared, scope
    budget, rule = Budget(), limit("model", requests=1)
    assert isinstance(budget.take((rule,), ALICE, "m", 0, 0), Reservation)
    assert isinstance(budget.take((rule,), ALICE, "n", 0, 0), Reservation)


def test_a_refused_call_takes_nothing():
    budget = Budget()
    loose, strict = limit(requests=10), limit("organisation", requests=1)
    assert isinstance(budget.take((strict,), BOB, "m", 0, 0), Reservation)
    for _ in range(20):
        assert isinstance(budget.take((loose, strict), ALICE, "m", 0, 0), Spent)
    for _ in range(10):
        assert isinstance(budget.take((loose,), ALICE, "m", 0, 0), Reservation)


def test_settling_gives_back_what_was_not_used_where_it_was_taken():
    budget = Budget()
    rule = limit(tokens=100)
    taken = budget.take((rule,), ALICE, "m", 90, 0)
    assert isinstance(taken, Reservation)
    assert isinstance(budget.take((rule,), ALICE, "m", 20, SECOND), Spent)
    budget.settle(taken, 10, 40 * SECOND)
    assert isinstance(budget.take((rule,), ALICE, "m", 90, 41 * SECOND), Reservation)
    # the reservation has left the window: settling late must not make room that never was taken
    assert isinstance(budget.take((rule,), ALICE, "m", 20, 70 * SECOND), Spent)


def test_settling_after_the_window_changes_nothing():
    window = SlidingWindow(SECOND)
    window.add(0, 5)
    window.expire(10 * SECOND)
    window.correct(0, -5)
    assert window.total == 0


def test_the_refusal_names_the_limit_and_the_wait():
    budget = Budget()
    rule = limit(requests=1)
    budget.take((rule,), ALICE, "m", 0, 0)
    spent = budget.take((rule,), ALICE, "m", 0, 0)
    assert isinstance(spent, Spent)
    assert spent.decision.reason.code == "request_limit_spent"
    assert "limit `each` of 1 requests per 60 s" in spent.decision.reason.message
    assert spent.decision.reason.path == "limits[0]"


def test_windows_do_not_grow_without_bound(monkeypatch):
    monkeypatch.setattr("keepstone.gateway.budget.MAX_WINDOWS", 10)
    budget = Budget()
    rule = limit("model", requests=5)
    for number in range(50):
        budget.take((rule,), ALICE, f"m{number}", 0, 0)
    assert len(budget._windows) <= 10 < MAX_WINDOWS
