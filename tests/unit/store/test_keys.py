"""API keys: hashed at rest, refused when they should be, seen at once by every process."""

import subprocess
import sys
import time

import pytest

from keepstone.core.decision import Decision
from keepstone.core.errors import StoreError
from keepstone.core.exchange import DataClass
from keepstone.core.principal import Principal
from keepstone.store.engine import open_database
from keepstone.store.fresh import FRESH_NS, POLL_S
from keepstone.store.keys import KeyRequest, KeyRing, KeyStore

HOUR = 3600 * 10**9


@pytest.fixture
def database(tmp_path):
    return tmp_path / "state" / "keepstone.db"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def target(request, database):
    """Where the keys are: the same tests on both back ends."""
    if request.param == "sqlite":
        return database
    return request.getfixturevalue("postgres_database")


@pytest.fixture
def engines(target):
    opened = []

    def make():
        opened.append(open_database(target))
        return opened[-1]

    yield make
    for engine in opened:
        engine.dispose()


@pytest.fixture
def ring(engines):
    ring = KeyRing(engines())
    yield ring
    ring.close()


def settle(target):
    """Give a view across a network the time that it may take."""
    if isinstance(target, str):
        time.sleep(3 * POLL_S)


def request(**changes):
    return KeyRequest(**({"name": "app", "roles": ("analyst",), "expires_ns": HOUR} | changes))


def refusal(found):
    assert isinstance(found, Decision)
    return found.reason.code.value


def test_a_key_stands_for_what_was_asked(engines, ring, target):
    wanted = request(models=("anthropic.*",), operations=("Converse",), data_class=DataClass.CONFIDENTIAL)
    key, token = KeyStore(engines()).create(wanted, 0)
    settle(target)
    found = ring.identify(token, 1)
    assert found == Principal(
        "app", "api-key", ("analyst",), ("anthropic.*",), ("Converse",), DataClass.CONFIDENTIAL, key.id
    )


def test_only_the_hash_is_on_disk(database):
    engine = open_database(database)
    _, token = KeyStore(engine).create(request(), 0)
    secret = token.split("_", 2)[2].encode()
    for path in database.parent.iterdir():
        assert secret not in path.read_bytes(), path
    assert database.stat().st_mode & 0o077 == 0
    engine.dispose()


def test_refusals(engines, ring, target):
    store = KeyStore(engines())
    key, token = store.create(request(expires_ns=HOUR), 0)
    other, _ = store.create(request(), 0)
    settle(target)
    secret = token.split("_", 2)[2]
    wrongs = ["", "ks", "ks__", "ks_x_y", f"ks_{other.id}_{secret}", token[:-1], token + "x", "x" * 10_000]
    for wrong in [*wrongs, f"KS_{key.id}_{secret}", f"ks_{key.id}_\udcff"]:
        assert refusal(ring.identify(wrong, 1)) == "credentials_unknown", wrong[:40]
    assert refusal(ring.identify(token, HOUR)) == "credentials_expired"
    store.revoke(key.id, 5)
    settle(target)
    assert refusal(ring.identify(token, FRESH_NS)) == "credentials_revoked"
    assert refusal(ring.identify(token, HOUR)) == "credentials_revoked"


def test_the_first_revocation_stays_and_an_unknown_id_is_none(engines):
    store = KeyStore(engines())
    key, _ = store.create(request(), 0)
    assert store.revoke(key.id, 5).revoked_ns == 5
    assert store.revoke(key.id, 9).revoked_ns == 5
    assert store.revoke("nobody", 9) is None


_OTHER_PROCESS = """
import sys, pathlib
from keepstone.store.engine import open_database
from keepstone.store.keys import KeyRequest, KeyStore
where = sys.argv[1] if "://" in sys.argv[1] else pathlib.Path(sys.argv[1])
store = KeyStore(open_database(where))
if len(sys.argv) > 2:
    store.revoke(sys.argv[2], 5)
else:
    print(store.create(KeyRequest("app", ("analyst",), 10**15), 0)[1])
"""


@pytest.mark.slow
def test_what_other_processes_commit_is_seen_at_the_next_look_up(engines, ring, target):
    # the database is opened twice here: closing a stray descriptor once dropped SQLite's locks
    KeyStore(engines()).all()
    now = 0
    for _ in range(2):
        command = [sys.executable, "-c", _OTHER_PROCESS, str(target)]
        token = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        now += 2 * FRESH_NS
        settle(target)
        assert isinstance(ring.identify(token, now), Principal)
        subprocess.run([*command, token.split("_")[1]], check=True)
        settle(target)
        assert refusal(ring.identify(token, now + FRESH_NS)) == "credentials_revoked"


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path):
    path = tmp_path / "keepstone.db"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreError, match="not a usable database"):
        open_database(path)
    assert path.read_bytes() == b"not a database, " * 100


def test_a_newer_schema_is_refused(engines, target):
    engine = engines()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="does not know"):
        open_database(target)


def test_an_unreadable_store_fails_closed(database):
    engine = open_database(database)
    ring = KeyRing(engine)
    _, token = KeyStore(engine).create(request(), 0)
    ring.close()
    ring._view._driver.close()
    with pytest.raises(StoreError, match="cannot be read"):
        ring.identify(token, 1)
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    ["", "mysql://u:p4ss@h/d", "postgresql:/x", "postgresql://u:p4ss@127.0.0.1:1/none", "not a url p4ss"],
)
def test_a_database_that_is_none_is_told_without_its_password(url):
    with pytest.raises(StoreError) as caught:
        open_database(url)
    told = f"{caught.value.message} {caught.value.hint} {caught.value.__cause__}"
    assert "p4ss" not in told
