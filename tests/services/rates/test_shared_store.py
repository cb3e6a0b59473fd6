"""The shared store when things go wrong: gateways die, the store goes, comes back, loses all or is slow."""

import asyncio
import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from keepstone.core.errors import UsageError
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.rates import encoding, shared
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.rates.resp import Address
from keepstone.policy.limits import Period, Unit
from tests.laws import examples
from tests.services.rates.stores import SECOND, admitted, bounds, connected, demand, opened, rule_of, run
from tests.services.valkey import valkey

CALL = (1, 0, 0, 0, 0, 0, 1)
STREAM = (1, 0, 0, 0, 0, 1, 1)
GRACE_S = 1.2


@pytest.fixture
def own(tmp_path):
    """A server of the test's own, which it may kill."""
    with valkey(tmp_path) as running:
        yield running


async def until(condition, within=10.0):
    """Wait for something to become true."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def live(*stores):
    return lambda: all(each.budget._live is not None for each in stores)


def gone(metrics, outcome):
    return metrics.registry.get_sample_value("keepstone_rates_unavailable_total", {"outcome": outcome}) or 0


# --- many gateways


@pytest.mark.slow
def test_eight_gateways_with_a_thousand_takes_each_never_go_over(server):
    async def inside():
        stores = [await connected(server, "eight") for _ in range(8)]
        rule = rule_of((Unit.REQUESTS, 5000), (Unit.TOKENS, 30_000), (Unit.CONCURRENT, 8000), window_s=600)

        async def client(store):
            passed = 0
            for _ in range(100):
                wanted = demand([rule], (1, 7, 7, 0, 0, 0, 1))
                taken = await asyncio.gather(*[store.take(wanted) for _ in range(10)])
                passed += sum(map(admitted, taken))
            return passed

        passed = sum(await asyncio.gather(*map(client, stores)))
        for store in stores:
            await store.close()
        return passed

    assert run(inside()) == 30_000 // 7


def test_gateways_share_a_limit_and_an_alert(server):
    async def inside():
        one, other = await connected(server, "shared"), await connected(server, "shared")
        rule = rule_of((Unit.REQUESTS, 10), alert_at=(50,))
        taken = [await store.take(demand([rule], CALL)) for _ in range(8) for store in (one, other)]
        await one.close()
        await other.close()
        return sum(map(admitted, taken)), sum(len(each.alerts) for each in taken)

    assert run(inside()) == (10, 1)


def test_a_gateway_that_dies_gives_its_streams_back_and_one_that_lives_keeps_them(server, monkeypatch):
    monkeypatch.setattr(encoding, "LEASE_US", 400_000)
    monkeypatch.setattr(shared, "LEASE_US", 400_000)
    monkeypatch.setattr(shared, "LEASE_S", 0.4)

    async def inside():
        dead, alive, third = [await connected(server, "streams") for _ in range(3)]
        rule = rule_of((Unit.STREAMS, 2))
        assert admitted(await dead.take(demand([rule], STREAM)))
        assert admitted(await alive.take(demand([rule], STREAM)))
        assert not admitted(await third.take(demand([rule], STREAM)))
        for task in dead.budget._tasks:  # as a killed process: nothing is given back
            task.cancel()
        await asyncio.sleep(0.9)
        assert admitted(await third.take(demand([rule], STREAM)))
        assert not admitted(await third.take(demand([rule], STREAM)))  # the living one's is still held
        for store in (dead, alive, third):
            await store.close()

    run(inside())


# --- the store goes


@pytest.mark.parametrize(
    ("setting", "passes"),
    [("refuse", 0), ("local", 3), ("allow", 20)],
)
def test_what_happens_while_the_store_is_gone_is_named_and_counted(own, setting, passes):
    async def inside():
        metrics = Metrics()
        store = await connected(own, metrics=metrics)
        rule = rule_of((Unit.REQUESTS, 12))
        own.kill()
        await until(lambda: store.budget._live is None)
        taken = [await store.take(demand([rule], CALL), bounds(setting, share=25)) for _ in range(20)]
        assert sum(map(admitted, taken)) == passes
        assert gone(metrics, setting) == 20
        if setting == "refuse":
            assert taken[0].decision.reason.code == "rates_unavailable"
        own.start()
        await until(live(store))
        # what passed meanwhile counts now, whatever let it pass
        after = [await store.take(demand([rule], CALL)) for _ in range(20)]
        assert sum(map(admitted, after)) == max(0, 12 - passes)
        await store.close()

    run(inside())


def test_a_gateway_that_starts_without_the_store_finds_it_later(own, monkeypatch):
    monkeypatch.setattr(shared, "START_S", 0.2)

    async def inside():
        own.kill()
        store = await connected(own)
        rule = rule_of((Unit.REQUESTS, 1))
        assert not admitted(await store.take(demand([rule], CALL)))
        own.start()
        await until(live(store))
        assert admitted(await store.take(demand([rule], CALL)))
        await store.close()

    run(inside())


@pytest.mark.slow
def test_killed_under_load_and_back_without_its_data_no_call_too_many_is_admitted(own):
    """Three gateways, a store that keeps nothing on disk, killed twice in mid-flight."""

    async def inside():
        stores = [await connected(own, "load", grace_s=GRACE_S) for _ in range(3)]
        rule = rule_of((Unit.REQUESTS, 700), (Unit.STREAMS, 40), window_s=600)
        passed, held, over, stop = [0], [0], [0], asyncio.Event()

        async def client(store):
            while not stop.is_set():
                taken = await store.take(demand([rule], STREAM), bounds(timeout_s=0.5))
                if admitted(taken):
                    passed[0] += 1
                    held[0] += 1
                    over[0] = max(over[0], held[0])
                    await asyncio.sleep(0.02)
                    held[0] -= 1
                    store.settle(taken, (1, 0, 0, 0, 0, 0, 0))
                else:
                    await asyncio.sleep(0.01)

        clients = [asyncio.create_task(client(store)) for store in stores for _ in range(20)]
        for share in (200, 400):
            await until(lambda share=share: passed[0] >= share)
            own.kill()
            await asyncio.sleep(0.3)
            own.start()
            await until(live(*stores))
        await asyncio.sleep(1.5)
        stop.set()
        await asyncio.gather(*clients)
        for store in stores:
            await store.close()
        return passed[0], over[0]

    passed, most_at_once = run(inside())
    assert 600 < passed <= 700  # below 700 by the calls whose answer went down with the store
    assert most_at_once <= 40


def test_a_store_that_keeps_its_data_forgets_nothing(tmp_path):
    async def inside(server):
        store = await connected(server)
        rule = rule_of((Unit.REQUESTS, 10), window_s=600)
        for _ in range(6):
            await store.take(demand([rule], CALL))
        await store.close()
        server.kill()
        server.start()
        fresh = await connected(server, store.name)
        taken = [await fresh.take(demand([rule], CALL)) for _ in range(10)]
        await fresh.close()
        return sum(map(admitted, taken))

    with valkey(tmp_path, ("--appendonly", "yes", "--appendfsync", "always")) as server:
        assert run(inside(server)) == 4


def test_a_store_that_is_emptied_gets_back_what_gateways_know(own):
    async def inside():
        one, other = [await connected(own, "emptied", grace_s=0.5) for _ in range(2)]
        rule = rule_of((Unit.REQUESTS, 10), window_s=600)
        for store in (one, other):
            for _ in range(4):
                await store.take(demand([rule], CALL))
        own.command("FLUSHALL")
        assert not admitted(await one.take(demand([rule], CALL)))
        assert not admitted(await other.take(demand([rule], CALL)))
        await until(live(one, other))
        taken = [await store.take(demand([rule], CALL)) for _ in range(4) for store in (one, other)]
        for store in (one, other):
            await store.close()
        return sum(map(admitted, taken))

    assert run(inside()) == 2


def test_forgotten_scripts_are_loaded_again(own):
    async def inside():
        store = await connected(own)
        rule = rule_of((Unit.REQUESTS, 10))
        own.command("SCRIPT", "FLUSH")
        assert not admitted(await store.take(demand([rule], CALL)))
        await until(lambda: store.budget._live is None)
        await until(live(store))
        assert admitted(await store.take(demand([rule], CALL)))
        await store.close()

    run(inside())


def test_a_store_that_is_too_slow_is_gone_and_comes_back(own):
    async def inside():
        store = await connected(own)
        rule = rule_of((Unit.REQUESTS, 10))
        own.pause()
        started = asyncio.get_running_loop().time()
        refused = await store.take(demand([rule], CALL), bounds(timeout_s=0.1))
        assert refused.decision.reason.code == "rates_unavailable"
        assert asyncio.get_running_loop().time() - started < 0.5
        own.resume()
        async with asyncio.timeout(5):
            while not admitted(await store.take(demand([rule], CALL))):  # noqa: ASYNC110 - it is asked for
                await asyncio.sleep(0.05)
        await store.close()

    try:
        run(inside())
    finally:
        with contextlib.suppress(ProcessLookupError):
            own.resume()


# --- clocks


@pytest.fixture
def steered(server, monkeypatch):
    """The real scripts on the real server, with a clock that the test sets."""
    original = shared.script_text
    monkeypatch.setattr(
        shared,
        "script_text",
        lambda name: original(name).replace("redis.call('TIME')", "{redis.call('GET', 'clock'), 0}"),
    )

    def set_clock(seconds):
        server.command("SET", "clock", str(seconds))

    set_clock(1_000_000)
    return set_clock


def test_a_clock_that_goes_back_neither_frees_a_window_nor_blocks_it_for_ever(server, steered):
    async def inside():
        async with opened("valkey", server) as store:
            rule = rule_of((Unit.REQUESTS, 2))
            assert [admitted(await store.take(demand([rule], CALL))) for _ in range(2)] == [True, True]
            steered(1_000_000 - 3600)
            assert not admitted(await store.take(demand([rule], CALL)))
            steered(1_000_000 - 3600 + 70)
            assert admitted(await store.take(demand([rule], CALL)))

    run(inside())


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 40), st.integers(0, 60)), min_size=1, max_size=30),
    st.integers(1, 6),
    st.integers(1, 100),
)
@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_at_equal_times_both_stores_decide_alike(server, steered, steps, requests, tokens):
    """A pause, an estimate and a use for each call, settled one call later."""

    async def inside():
        rule = rule_of((Unit.REQUESTS, requests), (Unit.TOKENS, tokens), window_s=30, alert_at=(50, 100))
        here, now, before = Budget(), 1_000_000, []
        steered(now)
        async with opened("valkey", server) as there:
            for pause, amount, used in steps:
                now += pause
                steered(now)
                wanted = demand([rule], (1, amount, amount, 0, 0, 0, 1))
                one = here.take_lines(wanted.lines, wanted.amounts, now * SECOND)
                other = await there.take(wanted)
                assert admitted(one) is admitted(other)
                assert [(each.line.unit, each.percent) for each in one.alerts] == [
                    (each.line.unit, each.percent) for each in other.alerts
                ]
                if not admitted(one):
                    assert abs(one.retry_after - other.retry_after) <= 1
                    continue
                for at_home, away, settled in before:
                    here.settle(at_home, settled, now * SECOND)
                    there.settle(away, settled)
                before = [(one, other, (1, used, used, 0, 0, 0, 0))]

    run(inside())


def test_leases_do_not_outlive_a_clock_that_goes_back(server, steered):
    async def inside():
        async with opened("valkey", server) as store:
            rule = rule_of((Unit.STREAMS, 1))
            assert admitted(await store.take(demand([rule], STREAM)))
            store.budget._leases.clear()  # its gateway has died
            steered(1_000_000 - 3600)
            assert not admitted(await store.take(demand([rule], STREAM)))
            steered(1_000_000 - 3600 + 16)
            assert admitted(await store.take(demand([rule], STREAM)))

    run(inside())


def test_a_gateway_whose_own_clock_jumps_counts_as_before(server, steered):
    async def inside():
        async with opened("valkey", server) as store:
            rule = rule_of((Unit.COST, 2), period=Period("day", "UTC"), currency="USD")
            cost = (1, 0, 0, 0, 1, 0, 1)
            assert admitted(await store.take(demand([rule], cost)))
            store.budget._offset_ns += 3 * 86_400 * 10**9  # it takes the period of another day, and is told
            assert admitted(await store.take(demand([rule], cost)))
            store.budget._offset_ns -= 9 * 86_400 * 10**9
            assert not admitted(await store.take(demand([rule], cost)))

    run(inside())


# --- where it is


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("valkey://h", Address("h", 6379, False, "", "", 0)),
        ("rediss://me:s%40cret@h:7000/3", Address("h", 7000, True, "me", "s@cret", 3)),
        ("unix:///run/valkey.sock", Address("", 6379, False, "", "", 0, "/run/valkey.sock")),
    ],
)
def test_an_address_is_read_from_a_url(url, expected):
    assert Address.parse(url) == expected


@pytest.mark.parametrize(
    "url", ["http://secret@h", "valkey://", "valkey://h/x", "valkey://h:secret", "secret"]
)
def test_a_bad_url_is_told_without_quoting_it(url):
    with pytest.raises(UsageError) as raised:
        Address.parse(url)
    assert "secret" not in raised.value.message + raised.value.hint


def test_a_password_is_asked_for_and_given(tmp_path):
    async def inside(server, url):
        server.url = url
        store = await connected(server)
        taken = await store.take(demand([rule_of((Unit.REQUESTS, 1))], CALL))
        await store.close()
        return admitted(taken)

    with valkey(tmp_path) as server:
        server.command("CONFIG", "SET", "requirepass", "s@cret")
        assert run(inside(server, server.url.replace("//", "//:s%40cret@")))
