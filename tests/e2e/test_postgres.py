"""Two workers on a real PostgreSQL, which is crashed, cut off and started again under load."""

import signal
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.test_crash import until
from tests.e2e.workers import BODY, PATH, calling
from tests.services.postgres import Postgres

pytestmark = pytest.mark.xdist_group("e2e-postgres")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A running server."""
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def gateway(start: Start, postgres: Postgres) -> GatewayProcess:
    """Two workers whose keys are in PostgreSQL."""
    return start("--plain-http", "--workers", "2", extra={"KEEPSTONE_DATABASE": postgres.url})


def statuses(gateway: GatewayProcess) -> set[int]:
    """What every worker answers."""
    return {gateway.post(PATH, BODY)[0] for _ in range(24)}


def test_state_is_shared_and_an_outage_ends_by_itself(gateway: GatewayProcess, postgres: Postgres) -> None:
    assert not (gateway.home / "keepstone.db").exists()
    for number in (signal.SIGINT, signal.SIGQUIT):
        with calling(gateway, pause=0.005) as callers:
            until(lambda now=callers: len(now.answered) > 50)
            postgres.stop(number)
            until(lambda: 503 in statuses(gateway), seconds=5)
            time.sleep(0.5)
            postgres.start()
            until(lambda: statuses(gateway) == {200}, seconds=10)
        assert not callers.failures
        assert set(callers.answered.values()) == {200, 503}
        assert callers.answered.keys() <= {each["id"] for each in gateway.records()}
    text = gateway.get("/metrics")[1]
    assert 'keepstone_store_outages_total{effect="refused"}' in text
    assert 'keepstone_store_outages_total{effect="stale"}' in text

    postgres.freeze()
    try:
        until(lambda: statuses(gateway) == {503}, seconds=5)
    finally:
        postgres.thaw()
    until(lambda: statuses(gateway) == {200}, seconds=10)

    key_id = gateway.first_key.split("_")[1]
    revoked = gateway.keepstone("keys", "revoke", key_id, "--home", gateway.home)
    assert revoked.returncode == 0, revoked.stderr
    time.sleep(1)
    assert statuses(gateway) == {403}, "within a second, in both workers"
    assert gateway.stop() == 0
    verified = gateway.verify()
    assert verified.returncode == 0, verified.stdout
