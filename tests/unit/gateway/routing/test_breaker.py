from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from keepstone.gateway.routing.breaker import LONGEST_REST_NS, Breaker, State
from keepstone.gateway.routing.retries import WINDOW_S, RetryBudget
from keepstone.policy.routing import NEVER_OPENS, BreakerRules, RetryRules

S = 1_000_000_000
RULES = BreakerRules(share=50, window_ns=10 * S, minimum=4, rest_ns=5 * S)
EVENTS = st.lists(
    st.tuples(st.integers(0, 3 * S), st.sampled_from(["ok", "bad", "left"])), min_size=1, max_size=80
)


def opened(at=100 * S):
    breaker = Breaker(RULES)
    for _ in range(RULES.minimum):
        breaker.begin(at)
        breaker.failed(at)
    return breaker


def test_too_few_calls_open_nothing():
    breaker = Breaker(RULES)
    for _ in range(RULES.minimum - 1):
        breaker.failed(S)
    assert breaker.state is State.CLOSED


def test_failures_below_the_share_open_nothing_and_at_it_they_do():
    breaker = Breaker(RULES)
    for _ in range(6):
        breaker.succeeded(S)
    for _ in range(5):
        breaker.failed(S)
    assert breaker.state is State.CLOSED
    breaker.failed(S)
    assert breaker.state is State.OPEN


def test_what_is_older_than_the_window_does_not_count():
    breaker = Breaker(RULES)
    for second in range(0, 200, 11):
        breaker.failed(second * S)
    assert breaker.state is State.CLOSED


def test_after_its_rest_one_call_passes_and_closes_it():
    breaker = opened()
    assert breaker.wait_ns(102 * S) == 3 * S
    assert breaker.wait_ns(105 * S) == 0
    breaker.begin(105 * S)
    assert (breaker.state, breaker.wait_ns(105 * S)) == (State.HALF_OPEN, 5 * S)
    breaker.succeeded(106 * S)
    assert (breaker.state, breaker.wait_ns(106 * S)) == (State.CLOSED, 0)
    breaker.failed(106 * S)
    assert breaker.state is State.CLOSED


def test_a_vain_try_doubles_the_rest_up_to_a_bound():
    breaker, now, rests = opened(), 100 * S, []
    for _ in range(6):
        rests.append(breaker.wait_ns(now) // S)
        now += breaker.wait_ns(now)
        breaker.begin(now)
        breaker.failed(now)
    assert rests == [5, 10, 20, 40, 60, 60]
    assert breaker.wait_ns(now) == LONGEST_REST_NS


def test_a_try_that_never_ends_blocks_nobody_for_longer_than_a_rest():
    breaker = opened()
    breaker.begin(105 * S)
    assert breaker.wait_ns(110 * S) == 0


def test_one_that_is_off_never_opens():
    breaker = Breaker(NEVER_OPENS)
    for _ in range(1000):
        breaker.failed(S)
    assert breaker.state is State.CLOSED


@given(EVENTS)
def test_it_never_stays_shut(events):
    """Whatever happened: within the longest rest one call passes, and if it succeeds, all do."""
    breaker, now = Breaker(RULES), 100 * S
    for pause, event in events:
        now += pause
        if breaker.wait_ns(now):
            assert breaker.state is not State.CLOSED
            continue
        breaker.begin(now)
        if event == "ok":
            breaker.succeeded(now)
            assert breaker.state is State.CLOSED
        elif event == "bad":
            breaker.failed(now)
    assert breaker.wait_ns(now) <= LONGEST_REST_NS
    now += LONGEST_REST_NS
    assert breaker.wait_ns(now) == 0
    breaker.begin(now)
    breaker.succeeded(now)
    assert breaker.state is State.CLOSED


@given(EVENTS)
def test_while_it_rests_at_most_one_call_passes(events):
    breaker, now = opened(), 100 * S
    passed = []
    for pause, _ in events:
        now += pause
        if not breaker.wait_ns(now):
            breaker.begin(now)
            passed.append(now)
    assert all(later - earlier >= RULES.rest_ns for earlier, later in pairwise(passed))


@given(st.lists(st.tuples(st.integers(0, S), st.booleans()), max_size=200), st.integers(0, 100))
def test_retries_stay_within_their_share_and_minimum(steps, share):
    rules = RetryRules(share=share, minimum=1)
    budget, now, calls, retries = RetryBudget(rules), 50 * S, [], []
    for pause, again in steps:
        now += pause
        if again:
            if budget.take(now):
                retries.append(now)
        else:
            budget.called(now)
            calls.append(now)
        window = now - WINDOW_S * S
        allowed = sum(at > window for at in calls) * share / 100 + rules.minimum * WINDOW_S
        recent = sum(at > window + WINDOW_S * S // 10 for at in retries)
        assert recent <= allowed


def test_no_share_and_no_minimum_is_no_retry():
    budget = RetryBudget(RetryRules(share=0, minimum=0))
    budget.called(S)
    assert not budget.take(S)
