"""What holds of a limit wherever it is counted: the same tests against the process and a real Valkey."""

import asyncio

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from keepstone.policy.limits import Period, Unit
from tests.laws import examples
from tests.services.rates.stores import BOB, admitted, demand, opened, rule_of, run

CALL = (1, 0, 0, 0, 0, 0, 1)
STREAM = (1, 0, 0, 0, 0, 1, 1)


@pytest.fixture(params=["in process", "valkey"])
def kind(request):
    return request.param


def trial(test):
    """Run an async test against each store."""

    def run_test(kind, server):
        async def inside():
            async with opened(kind, server) as store:
                await test(store)

        run(inside())

    run_test.__name__ = test.__name__
    return run_test


@trial
async def test_a_limit_admits_so_many_and_tells_how_long_to_wait(store):
    rule = rule_of((Unit.REQUESTS, 3))
    assert [admitted(await store.take(demand([rule], CALL))) for _ in range(5)] == [True] * 3 + [False] * 2
    spent = await store.take(demand([rule], CALL))
    assert spent.decision.reason.code == "request_limit_spent"
    assert spent.decision.reason.message.startswith(
        "limit `each` of 3 requests per 60 s is spent, try again in "
    )
    assert 60 <= spent.retry_after <= 64


@trial
async def test_a_window_slides(store):
    rule = rule_of((Unit.REQUESTS, 2), window_s=0.4)
    assert [admitted(await store.take(demand([rule], CALL))) for _ in range(3)] == [True, True, False]
    await asyncio.sleep(0.45)
    assert admitted(await store.take(demand([rule], CALL)))


@trial
async def test_a_refused_call_takes_nothing_of_any_limit(store):
    loose, strict = rule_of((Unit.TOKENS, 1000), name="loose"), rule_of((Unit.REQUESTS, 1), name="strict")
    assert admitted(await store.take(demand([strict], CALL)))
    for _ in range(10):
        assert not admitted(await store.take(demand([loose, strict], (1, 500, 500, 0, 0, 0, 1))))
    assert admitted(await store.take(demand([loose], (1, 1000, 1000, 0, 0, 0, 1))))


@trial
async def test_holders_are_apart(store):
    rule = rule_of((Unit.REQUESTS, 1), scope="principal")
    assert admitted(await store.take(demand([rule], CALL)))
    assert admitted(await store.take(demand([rule], CALL, BOB)))
    assert not admitted(await store.take(demand([rule], CALL)))


@trial
async def test_settling_replaces_what_was_reserved(store):
    rule = rule_of((Unit.TOKENS, 100), (Unit.COST, 1000), currency="USD")
    taken = await store.take(demand([rule], (1, 90, 90, 0, 900, 0, 1)))
    assert not admitted(await store.take(demand([rule], (1, 20, 20, 0, 0, 0, 1))))
    store.settle(taken, (1, 30, 30, 0, 300, 0, 0))
    assert admitted(await store.take(demand([rule], (1, 70, 70, 0, 700, 0, 1))))
    assert not admitted(await store.take(demand([rule], (1, 1, 1, 0, 0, 0, 1))))


@trial
async def test_settling_for_more_than_was_reserved_counts_too(store):
    rule = rule_of((Unit.OUTPUT_TOKENS, 100))
    taken = await store.take(demand([rule], (1, 10, 0, 10, 0, 0, 1)))
    store.settle(taken, (1, 150, 0, 150, 0, 0, 0))
    assert not admitted(await store.take(demand([rule], (1, 1, 0, 1, 0, 0, 1))))


@trial
async def test_what_was_not_foreseen_counts_once_it_is_known(store):
    rule = rule_of((Unit.COST, 100), currency="USD")
    taken = await store.take(demand([rule], (1, 0, 0, 0, 0, 0, 1)))
    store.settle(taken, (1, 0, 0, 0, 101, 0, 0))
    assert not admitted(await store.take(demand([rule], (1, 0, 0, 0, 0, 0, 1))))


@trial
async def test_settling_after_the_window_gives_nothing_back(store):
    rule = rule_of((Unit.TOKENS, 100), window_s=0.2)
    taken = await store.take(demand([rule], (1, 100, 100, 0, 0, 0, 1)))
    await asyncio.sleep(0.25)
    assert admitted(await store.take(demand([rule], (1, 100, 100, 0, 0, 0, 1))))
    store.settle(taken, (1, 0, 0, 0, 0, 0, 0))
    assert not admitted(await store.take(demand([rule], (1, 1, 1, 0, 0, 0, 1))))


@trial
async def test_streams_are_held_until_they_end(store):
    rule = rule_of((Unit.STREAMS, 2))
    held = [await store.take(demand([rule], STREAM)) for _ in range(2)]
    spent = await store.take(demand([rule], STREAM))
    assert (spent.decision.reason.code, spent.retry_after) == ("concurrency_limit_spent", 1)
    assert admitted(await store.take(demand([rule], CALL)))  # not a stream
    store.settle(held[0], (*CALL[:5], 0, 0))
    assert admitted(await store.take(demand([rule], STREAM)))
    assert not admitted(await store.take(demand([rule], STREAM)))


@trial
async def test_a_calendar_period_counts_from_its_start(store):
    rule = rule_of((Unit.COST, 100), period=Period("month", "Europe/Oslo"), currency="EUR")
    taken = await store.take(demand([rule], (1, 0, 0, 0, 100, 0, 1)))
    spent = await store.take(demand([rule], (1, 0, 0, 0, 1, 0, 1)))
    assert spent.decision.reason.code == "cost_limit_spent"
    assert 0 < spent.retry_after <= 31 * 86_400 + 3_600
    store.settle(taken, (1, 0, 0, 0, 99, 0, 0))
    assert admitted(await store.take(demand([rule], (1, 0, 0, 0, 1, 0, 1))))


@trial
async def test_alerts_are_raised_once_a_window(store):
    rule = rule_of((Unit.REQUESTS, 4), window_s=0.5, alert_at=(50, 100))
    told = [[each.percent for each in (await store.take(demand([rule], CALL))).alerts] for _ in range(6)]
    assert told == [[], [50], [], [100], [], []]
    await asyncio.sleep(0.6)
    again = [[each.percent for each in (await store.take(demand([rule], CALL))).alerts] for _ in range(2)]
    assert again == [[], [50]]


@trial
async def test_alerts_of_what_is_held_are_raised_again_once_it_was_free(store):
    rule = rule_of((Unit.CONCURRENT, 2), alert_at=(100,))
    for _ in range(2):
        first = await store.take(demand([rule], CALL))
        second = await store.take(demand([rule], CALL))
        third = await store.take(demand([rule], CALL))
        assert [len(each.alerts) for each in (first, second, third)] == [0, 1, 0]
        store.settle(first, (1, 0, 0, 0, 0, 0, 0))
        store.settle(second, (1, 0, 0, 0, 0, 0, 0))


@trial
async def test_a_call_larger_than_the_limit_is_refused_and_told(store):
    rule = rule_of((Unit.TOKENS, 10), alert_at=(80,))
    spent = await store.take(demand([rule], (1, 11, 11, 0, 0, 0, 1)))
    assert [each.percent for each in spent.alerts] == [80]


@trial
async def test_many_at_once_never_go_over(store):
    rule = rule_of((Unit.REQUESTS, 100), (Unit.TOKENS, 900))
    calls = [store.take(demand([rule], (1, 10, 10, 0, 0, 0, 1))) for _ in range(300)]
    assert sum(map(admitted, await asyncio.gather(*calls))) == 90


class Model:
    """Ten lines that say what a limit means, without slices: what was taken is a list of numbers."""

    def __init__(self, tokens, streams):
        self.limits, self.tokens, self.held = (tokens, streams), [], 0

    def take(self, amount, stream):
        fits = sum(self.tokens) + amount <= self.limits[0] and self.held + stream <= self.limits[1]
        if fits:
            self.tokens.append(amount)
            self.held += stream
        return fits


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 60), st.integers(0, 1)),
        st.tuples(st.just("settle"), st.integers(0, 9), st.integers(0, 80)),
    ),
    max_size=30,
)


@given(STEPS, st.integers(1, 150), st.integers(1, 3))
@settings(
    max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_both_stores_do_what_the_model_does(kind, server, steps, tokens, streams):
    async def inside():
        rule, model, running = (
            rule_of((Unit.TOKENS, tokens), (Unit.STREAMS, streams)),
            Model(tokens, streams),
            [],
        )
        async with opened(kind, server) as store:
            for step, first, second in steps:
                if step == "take":
                    taken = await store.take(demand([rule], (1, first, first, 0, 0, second, 1)))
                    assert admitted(taken) is model.take(first, second)
                    if admitted(taken):
                        running.append((taken, len(model.tokens) - 1, second))
                elif running:
                    taken, place, stream = running.pop(first % len(running))
                    store.settle(taken, (1, second, second, 0, 0, 0, 0))
                    model.tokens[place] = second
                    model.held -= stream

    run(inside())


def test_a_take_is_one_round_trip(server):
    async def inside():
        async with opened("valkey", server) as store:
            rules = [rule_of((Unit.REQUESTS, 10**6), (Unit.TOKENS, 10**9), name=f"r{n}") for n in range(4)]
            before = _commands(server)
            for _ in range(10):
                await store.take(demand(rules, (1, 5, 5, 0, 0, 0, 1)))
            return _commands(server) - before

    assert run(inside()) == 10


def _commands(server):
    """How many scripts the server was asked to run."""
    stats = server.command("INFO", "commandstats").decode()
    line = next(each for each in stats.splitlines() if each.startswith("cmdstat_evalsha:"))
    return int(line.partition("calls=")[2].partition(",")[0])
