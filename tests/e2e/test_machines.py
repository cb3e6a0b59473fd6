"""Two machines on one PostgreSQL, one Valkey and one S3, each with its own ledger; one is killed under load.

Their ledgers verify as one, from their disks and from their copies; one that is missing or behind is named.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keepstone.ledger.view import open_view
from tests.e2e.buckets import CREDENTIALS, REGION, Bucket, served
from tests.e2e.conftest import Start
from tests.e2e.gateway_process import KEEPSTONE, GatewayProcess, clean_environment
from tests.e2e.test_crash import until
from tests.e2e.workers import Callers, calling, workers_of
from tests.services.postgres import Postgres
from tests.services.valkey import ValkeyServer, valkey

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("e2e-faults")]
LIMIT = 100_000


@dataclass
class Machines:
    """All that they share, and themselves."""

    postgres: Postgres
    bucket: Bucket
    store: ValkeyServer
    one: GatewayProcess
    two: GatewayProcess

    def keepstone(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command of an auditor, who has the database's address and may read the bucket."""
        command = [KEEPSTONE, "ledger", *arguments]
        env = clean_environment() | CREDENTIALS | {"KEEPSTONE_DATABASE": self.postgres.url}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    def reported(self) -> dict[str, int]:
        """How many records each machine says it holds."""
        rows = json.loads(self.keepstone("machines", "--format", "json").stdout)
        views = {each["ledger"]: open_view(each["note"], None) for each in rows}
        return {name: sum(at.size for at in view.logs.values()) for name, view in views.items()}

    def verify(self, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
        """Exit status and verdict on all of them."""
        more = ("--endpoint-url", self.bucket.endpoint, "--region", REGION, "--format", "json")
        done = self.keepstone("verify", "--machines", *arguments, *more)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


def policy(bucket: Bucket, prefix: str, interval: str) -> str:
    """The development model, one limit for all, a copy under a prefix of its own."""
    store = f"kind: s3, bucket: {bucket.name}, prefix: {prefix}, region: {REGION}, interval: {interval}"
    return f"""\
version: 1
organisation: {{name: Several machines}}
identities: {{roles: {{application: {{allow: [{{models: ["*"]}}]}}}}}}
upstreams: {{dev: {{kind: dev}}}}
models: [{{id: "keepstone.*", upstreams: [dev]}}]
limits: [{{name: all, scope: organisation, window: 10m, requests: {LIMIT}}}]
rates: {{timeout: 5s}}
store: {{stale_for: 30s}}
record: {{store: {{{store}, lock_days: 1, endpoint_url: "{bucket.endpoint}"}}}}
"""


@pytest.fixture
def machines(start: Start, tmp_path: Path) -> Iterator[Machines]:
    """Two gateways; the first has two workers, and copies its ledger at its start and end only."""
    server = Postgres()
    (tmp_path / "valkey").mkdir()
    try:
        server.start()
        with served() as endpoint, valkey(tmp_path / "valkey") as store:
            bucket = Bucket(endpoint)
            extra = CREDENTIALS | {"KEEPSTONE_DATABASE": server.url, "KEEPSTONE_RATES": store.url}
            text = policy(bucket, "one", "1h")
            one = start("--plain-http", "--workers", "2", policy=text, name="one", extra=extra)
            assert one.stop() == 0
            one.start()
            two = GatewayProcess(
                tmp_path / "two", policy(bucket, "two", "100ms"), "--plain-http", extra=extra
            )
            two.first_key = one.first_key  # it stands in the database: the second one makes none
            try:
                yield Machines(server, bucket, store, one, two.start())
            finally:
                two.close()
    finally:
        server.close()


def kill_all(gateway: GatewayProcess) -> None:
    """End a machine: the parent and its workers at once, so that nobody hears of another's end."""
    assert gateway.process is not None
    workers = workers_of(gateway)
    gateway.process.send_signal(signal.SIGSTOP)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    gateway.kill()


def lost(callers: Callers, gateway: GatewayProcess) -> set[str]:
    """What was answered and is not on record."""
    return callers.answered.keys() - {each["id"] for each in gateway.records()}


def test_one_view_of_two_machines_of_which_one_is_killed(machines: Machines, tmp_path: Path) -> None:
    one, two = machines.one, machines.two
    with calling(one, 4, pause=0.02) as first, calling(two, 4, pause=0.02) as second:
        until(lambda: min(len(first.answered), len(second.answered)) > 200)
        until(lambda: len(machines.reported()) == 2 and min(machines.reported().values()) > 50)
        status, said = machines.verify("--machine", one.home / "ledger", "--machine", two.home / "ledger")
        assert (status, said["verdict"]) == (0, "PASS"), ("while they are written", said)
        kill_all(one)
        reached = len(second.answered)
        until(lambda: len(second.answered) > reached + 100)
    assert not second.failures
    assert set(first.answered.values()) | set(second.answered.values()) == {200}
    assert not lost(first, one)
    assert not lost(second, two)

    status, said = machines.verify()
    named = next(each for each in said["machines"] if each["place"].endswith("/one"))
    assert (status, named["verdict"]) == (3, "NOT_EVALUATED"), "the copy of a killed machine ends early"
    assert " ends at `" in named["reason"]
    assert "by the database" in named["reason"]

    places = ("--machine", one.home / "ledger", "--machine", two.home / "ledger")
    status, said = machines.verify(*places)
    assert (status, said["verdict"]) == (0, "PASS")
    assert said["records"] >= len(first.answered) + len(second.answered)
    assert sorted(len(each["logs"]) for each in said["machines"]) == [1, 2]

    status, said = machines.verify(*places[2:])
    assert status == 3
    assert named["ledger"] in said["reason"]
    assert "is missing: it held `" in said["reason"]

    kept = tmp_path / "machines.json"
    kept.write_text(machines.keepstone("machines", "--format", "json").stdout)
    one.start()
    assert two.stop() == 0
    assert one.stop() == 0
    status, said = machines.verify("--since", kept)
    assert (status, said["verdict"]) == (0, "PASS"), said["reason"]

    forget = "DELETE FROM machines WHERE ledger = '%s'" % named["ledger"]  # noqa: UP031 - our own value
    machines.postgres.sql(forget)
    status, said = machines.verify("--since", kept, *places[2:])
    assert (status, said["verdict"]) == (3, "NOT_EVALUATED"), "whom the database forgot the list does not"

    tiles = sorted((two.home / "ledger/tile/entries").rglob("*"))
    entry = next(path for path in tiles if path.is_file())
    entry.write_bytes(entry.read_bytes().replace(b"200", b"201", 1))
    status, said = machines.verify("--since", kept, *places)
    assert (status, said["verdict"]) == (1, "FAIL")
    shutil.rmtree(two.home)
