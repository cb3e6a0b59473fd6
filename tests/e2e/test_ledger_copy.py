"""A ledger's copy in S3 with Object Lock: written once, verified as it is there, made a ledger again."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepstone.aws.s3_objects import S3Objects
from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import note
from keepstone.ledger.outside.objects import UNREACHABLE
from keepstone.ledger.outside.replicate import LedgerCopy
from tests.e2e.buckets import CREDENTIALS, REGION, Bucket, served
from tests.e2e.conftest import Start
from tests.e2e.gateway_process import KEEPSTONE, GatewayProcess, clean_environment
from tests.e2e.workers import BODY, PATH, calling
from tests.unit.ledger.records import fill
from tests.unit.ledger.support import KEY

VERIFIER = note.Verifier.parse(KEY.verifier)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with served() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return Bucket(s3, f"ledger-{abs(hash(request.node.name)) % 10**12}")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    fill(tmp_path / "home" / "ledger", 600)
    return tmp_path / "home"


def copy(home: Path, bucket: Bucket, *, lock_days: int = 400) -> LedgerCopy:
    objects = S3Objects(bucket.name, "prod", region=REGION, endpoint=bucket.endpoint, lock_days=lock_days)
    return LedgerCopy(home / "ledger", VERIFIER, objects)


def keepstone(
    *arguments: str | Path, bucket: Bucket, key: str = KEY.verifier
) -> subprocess.CompletedProcess[str]:
    command = [str(KEEPSTONE), "ledger", *map(str, arguments), "--endpoint-url", bucket.endpoint]
    command += ["--region", REGION, "--key", key]
    environment = clean_environment() | CREDENTIALS
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def verified(bucket: Bucket, key: str = KEY.verifier) -> tuple[int, dict[str, object]]:
    done = keepstone("verify", "--store", f"{bucket.url}/prod", "--format", "json", bucket=bucket, key=key)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_what_was_copied_is_locked_written_once_and_verifies(home: Path, bucket: Bucket) -> None:
    copy(home, bucket).step()
    fill(home / "ledger", 300, first=600)
    copy(home, bucket).step()
    versions = bucket.versions()
    assert set(versions.values()) == {1}
    assert "prod/checkpoints/000/000/000/000/900" in versions
    in_399_days = datetime.now(UTC) + timedelta(days=399)
    for key in versions:
        until = bucket.locked_until(key)
        assert until is not None
        assert until > in_399_days
    status, said = verified(bucket)
    assert (status, said["verdict"], said["size"], said["problems"]) == (0, "PASS", 900, [])


def test_a_copy_becomes_a_ledger_that_goes_on(home: Path, bucket: Bucket, tmp_path: Path) -> None:
    copy(home, bucket).step()
    to = tmp_path / "new" / "ledger"
    done = keepstone("restore", "--from", f"{bucket.url}/prod", "--to", to, bucket=bucket)
    assert done.returncode == 0, done.stderr
    fill(to, 10, first=600)
    copy(tmp_path / "new", bucket).step()
    assert verified(bucket)[1]["size"] == 610
    again = keepstone("restore", "--from", f"{bucket.url}/prod", "--to", to, bucket=bucket)
    assert again.returncode == 2
    assert "is not empty" in again.stderr


@pytest.mark.parametrize(
    ("how", "says"), [("overwritten", "was overwritten"), ("deleted", "was hidden by a delete marker")]
)
def test_what_is_put_in_front_of_a_locked_object_is_told(
    how: str, says: str, home: Path, bucket: Bucket
) -> None:
    copy(home, bucket).step()
    key = "prod/tile/entries/001"
    if how == "overwritten":
        bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=b"nothing")
    else:
        bucket.s3.delete_object(Bucket=bucket.name, Key=key)
    status, said = verified(bucket)
    assert (status, said["verdict"]) == (1, "FAIL")
    assert says in str(said["reason"])
    assert [each["verdict"] for each in said["logs"].values()] == ["PASS"]  # type: ignore[attr-defined]
    fill(home / "ledger", 1, first=600)
    copy(home, bucket).step()


def test_a_bucket_that_holds_another_log_is_not_written_over(
    home: Path, bucket: Bucket, tmp_path: Path
) -> None:
    copy(home, bucket).step()
    fill(tmp_path / "other" / "ledger", 700, minutes=8)
    with pytest.raises(LedgerCorrupt, match="does not begin with the records of"):
        copy(tmp_path / "other", bucket).step()
    assert verified(bucket)[0] == 0


def test_a_bucket_that_is_not_there_cannot_be_told(home: Path, bucket: Bucket) -> None:
    bucket.name = "nowhere"
    with pytest.raises(LedgerError, match="NoSuchBucket") as caught:
        copy(home, bucket).step()
    assert caught.value.code == UNREACHABLE
    status, said = verified(bucket)
    assert (status, said["verdict"]) == (3, "NOT_EVALUATED")


def policy(bucket: Bucket, more: str = "") -> str:
    store = f"kind: s3, bucket: {bucket.name}, prefix: prod, region: {REGION}, interval: 100ms"
    return f"""\
version: 1
organisation: {{name: End to end}}
identities:
  roles:
    application: {{allow: [{{models: ["*"]}}]}}
upstreams:
  dev: {{kind: dev}}
models:
  - {{id: "keepstone.*", upstreams: [dev]}}
record:
  store: {{{store}, endpoint_url: "{bucket.endpoint}"{more}}}
"""


def key_of(gateway: GatewayProcess) -> str:
    return (gateway.home / "keys" / "ledger.vkey").read_text().strip()


def call(gateway: GatewayProcess) -> int:
    return gateway.post(PATH, BODY)[0]


def metric(gateway: GatewayProcess, name: str) -> float:
    lines = gateway.get("/metrics")[1].splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"keepstone_{name}"))


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come to hold"
        time.sleep(0.05)


def test_a_gateway_copies_what_it_publishes_and_the_rest_when_it_ends(bucket: Bucket, start: Start) -> None:
    gateway = start(policy=policy(bucket))
    assert [call(gateway) for _ in range(5)] == [200] * 5
    assert gateway.stop() == 0
    status, said = verified(bucket, key_of(gateway))
    assert (status, said["verdict"]) == (0, "PASS")
    assert said["size"] == len(gateway.records())


def test_a_bucket_that_is_gone_stops_nobody_and_is_caught_up(bucket: Bucket, start: Start, s3: str) -> None:
    bucket.name = "not-yet"
    gateway = start(policy=policy(bucket))
    assert call(gateway) == 200
    gateway.stop()
    assert "the copy of the ledger is" in gateway.log.read_text()
    assert "NoSuchBucket" in gateway.log.read_text()
    Bucket(s3, "not-yet")
    gateway.start()
    assert call(gateway) == 200
    gateway.stop()
    assert verified(bucket, key_of(gateway))[1]["size"] == len(gateway.records())


def test_calls_are_refused_while_the_copy_is_too_far_behind(bucket: Bucket, start: Start, s3: str) -> None:
    bucket.name = "later"
    gateway = start(policy=policy(bucket, ", when_behind: refuse, most_behind: 5"))
    until(lambda: call(gateway) == 503)
    assert gateway.records()[-1]["reasons"][0]["code"] == "ledger_uncopied"
    assert gateway.get("/health/ready")[0] == 503
    Bucket(s3, "later")
    gateway.stop()
    gateway.start()
    assert call(gateway) == 200


@pytest.mark.faults
def test_killed_between_uploads_the_copy_always_verifies(bucket: Bucket, start: Start) -> None:
    gateway = start(policy=policy(bucket))
    gateway.stop()
    gateway.start()
    for number in range(4):
        with calling(gateway, 4):
            time.sleep(0.5)
        gateway.kill()
        gateway.start()  # which publishes what it finds, and is cut while it copies that
        time.sleep(0.1 * number)
        gateway.kill()
        status, said = verified(bucket, key_of(gateway))
        assert (status, said["verdict"]) == (0, "PASS"), said
        gateway.start()
    call(gateway)
    gateway.stop()
    status, said = verified(bucket, key_of(gateway))
    assert (status, said["verdict"], said["size"]) == (0, "PASS", len(gateway.records())), said
    assert set(bucket.versions().values()) == {1}


@pytest.mark.faults
def test_two_workers_are_copied_to_their_very_end(bucket: Bucket, start: Start) -> None:
    gateway = start("--workers", "2", policy=policy(bucket))
    with calling(gateway, 4):
        time.sleep(1)
    gateway.stop()
    status, said = verified(bucket, key_of(gateway))
    assert (status, said["verdict"], said["size"]) == (0, "PASS", len(gateway.records())), said
    assert sorted(said["logs"]) == ["main", "w1"]  # type: ignore[call-overload]
