"""A view of PostgreSQL that is stopped, crashed, frozen and back: never too old, never in need of a hand."""

import signal
import threading
import time

import pytest

from keepstone.core.decision import Decision
from keepstone.core.errors import StoreError
from keepstone.core.principal import Principal
from keepstone.store.engine import open_database
from keepstone.store.keys import KeyRequest, KeyRing, KeyStore

pytestmark = pytest.mark.slow
FAR = 10**18


@pytest.fixture
def told():
    return []


@pytest.fixture
def setting(postgres_database, told):
    """A store, a ring that another process would have, and a token."""
    writer, reader = open_database(postgres_database), open_database(postgres_database)
    store = KeyStore(writer)
    key, token = store.create(KeyRequest("app", ("analyst",), FAR), 0)
    ring = KeyRing(reader, told=told.append)
    yield store, ring, key, token
    ring.close()
    writer.dispose()
    reader.dispose()


def held(ring, token):
    """What a caller gets: allowed, refused, or nobody knows."""
    try:
        return "allowed" if isinstance(ring.identify(token, 1), Principal) else "refused"
    except StoreError:
        return "unknown"


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_an_outage_is_bridged_then_refused_and_ends_by_itself(setting, told, postgres, number):
    store, ring, key, token = setting
    assert held(ring, token) == "allowed"
    postgres.stop(number)
    try:
        began = time.monotonic()
        assert held(ring, token) == "allowed"
        until(lambda: held(ring, token) == "unknown", 3)
        assert 0.8 < time.monotonic() - began < 1.6
        assert {"failed", "stale", "refused"} <= set(told)
    finally:
        postgres.start()
    until(lambda: held(ring, token) == "allowed")
    store.revoke(key.id, 5)
    until(lambda: held(ring, token) == "refused", 1)


def test_a_database_that_is_silent_is_given_up(setting, told, postgres):
    _, ring, _, token = setting
    ring.stale_for(2_000_000_000)
    postgres.freeze()
    try:
        time.sleep(1)
        assert held(ring, token) == "allowed"
        assert "stale" in told
        until(lambda: held(ring, token) == "unknown", 3)
    finally:
        postgres.thaw()
    until(lambda: held(ring, token) == "allowed", 20)


def test_a_revocation_is_never_forgotten_by_a_ring_that_lags(setting):
    store, ring, key, token = setting
    over, seen = threading.Event(), []

    def watch():
        while not over.is_set():
            seen.append(held(ring, token))

    thread = threading.Thread(target=watch)
    thread.start()
    store.revoke(key.id, 5)
    time.sleep(0.5)
    over.set()
    thread.join()
    assert seen[-1] == "refused"
    assert seen == sorted(seen), "allowed, then refused, and never back"


def test_several_may_migrate_at_once(postgres_database):
    engines = []
    threads = [
        threading.Thread(target=lambda: engines.append(open_database(postgres_database))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(engines) == 4
    for engine in engines:
        engine.dispose()


def test_a_key_of_one_gateway_is_known_to_another(setting, postgres_database):
    store, _, key, token = setting
    engine = open_database(postgres_database)
    other = KeyRing(engine)
    assert isinstance(other.identify(token, 1), Principal)
    store.revoke(key.id, 5)
    time.sleep(0.4)
    assert isinstance(other.identify(token, 1), Decision)
    other.close()
    engine.dispose()
