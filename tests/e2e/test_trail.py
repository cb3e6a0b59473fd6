"""The unmodified AWS CLI judges an exported trail, from a folder and from S3 with Object Lock."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from tests.e2e.buckets import CREDENTIALS, REGION
from tests.e2e.gateway_process import KEEPSTONE, clean_environment
from tests.unit.ledger.records import START, fill

BIN = Path(sys.executable).parent
ACCOUNT = "123456789012"
ARN = f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/keepstone"
UNTIL = START + timedelta(hours=6)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    fill(tmp_path / "home" / "ledger", 40)
    return tmp_path / "home"


def keepstone(*arguments: str | Path, home: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    command = [str(KEEPSTONE), "ledger", *map(str, arguments), "--ledger", str(home / "ledger")]
    environment = clean_environment() | CREDENTIALS | extra
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def export(home: Path, to: str, *options: str, until: datetime = UNTIL, **extra: str) -> str:
    where = ("--to", to, "--account", ACCOUNT, "--region", REGION, "--until", until.isoformat())
    done = keepstone("export", "--format", "cloudtrail", *where, *options, home=home, **extra)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def served(home: Path, tmp_path: Path) -> Iterator[str]:
    """A trail in a folder, behind `keepstone ledger serve-trail`; its address."""
    export(home, str(tmp_path / "trail"))
    command = [KEEPSTONE, "ledger", "serve-trail", tmp_path / "trail", "--port", "0"]
    command += ["--ledger", home / "ledger"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("export AWS_ENDPOINT_URL=")
        try:
            yield line.strip().partition("=")[2]
        finally:
            server.terminate()


def validate(endpoints: dict[str, str], bucket: str, *options: str) -> tuple[int, str]:
    """`aws cloudtrail validate-logs`, as an auditor runs it."""
    start = (START - timedelta(hours=2)).isoformat()
    end = (UNTIL + timedelta(hours=2)).isoformat()
    command = [BIN / "aws", "cloudtrail", "validate-logs", "--trail-arn", ARN, "--s3-bucket", bucket]
    command += ["--start-time", start, "--end-time", end, "--region", REGION, "--verbose", *options]
    environment = clean_environment() | CREDENTIALS | endpoints | {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def logs_of(trail: Path) -> list[Path]:
    return sorted(trail.rglob("*_CloudTrail_*.json.gz"))


def test_an_untouched_trail_is_valid(served: str) -> None:
    status, said = validate({"AWS_ENDPOINT_URL": served}, "trail")
    assert status == 0, said
    assert "7/7 digest files valid" in said
    assert "6/6 log files valid" in said


def test_an_edited_record_is_found(served: str, tmp_path: Path) -> None:
    path = logs_of(tmp_path / "trail")[2]
    document = json.loads(gzip.decompress(path.read_bytes()))
    document["Records"][0]["userIdentity"]["userName"] = "mallory"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    status, said = validate({"AWS_ENDPOINT_URL": served}, "trail")
    assert status == 1
    assert "hash value doesn't match" in said


def test_a_deleted_log_and_a_deleted_digest_are_found(served: str, tmp_path: Path) -> None:
    logs_of(tmp_path / "trail")[1].unlink()
    digests = sorted((tmp_path / "trail").rglob("*_CloudTrail-Digest_*.json.gz"))
    digests[3].unlink()
    status, said = validate({"AWS_ENDPOINT_URL": served}, "trail")
    assert status == 1
    assert "not found" in said


def test_only_its_own_files_are_served(served: str, tmp_path: Path, home: Path) -> None:
    s3 = boto3.client(
        "s3", endpoint_url=served, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )
    assert (home / "keys" / "cloudtrail.key").exists()
    for key in ("../home/keys/cloudtrail.key", "AWSLogs/../../home/keys/cloudtrail.key", "/etc/passwd"):
        with pytest.raises(ClientError, match=r"NoSuchKey|NoSuchBucket"):
            s3.get_object(Bucket="trail", Key=key)


@pytest.fixture
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.mark.parametrize("prefix", ["", "prod/gateway-1"])
def test_a_trail_in_a_locked_bucket(moto: str, served: str, home: Path, prefix: str) -> None:
    s3 = boto3.client(
        "s3", endpoint_url=moto, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x"
    )
    bucket = f"audit-{len(prefix)}"  # moto remembers for the whole process
    s3.create_bucket(
        Bucket=bucket,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    options = ("--lock-days", "400", "--endpoint-url", moto)
    target = f"s3://{bucket}/{prefix}"
    export(home, target, *options, until=START + timedelta(hours=3))
    said = export(home, target, *options)
    assert "40" in said
    endpoints = {"AWS_ENDPOINT_URL_S3": moto, "AWS_ENDPOINT_URL_CLOUDTRAIL": served}
    status, said = validate(endpoints, bucket, *(("--s3-prefix", prefix) if prefix else ()))
    assert status == 0, said
    assert "8/8 digest files valid" in said
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert all(each["Key"].startswith(prefix) for each in listed)
    state = s3.head_object(Bucket=bucket, Key=f"{prefix}/keepstone-trail.json".lstrip("/"))
    assert "ObjectLockMode" not in state
    for key in (each["Key"] for each in listed if each["Key"].endswith(".gz")):
        found = s3.head_object(Bucket=bucket, Key=key)
        assert found["ObjectLockMode"] == "COMPLIANCE"
        assert found["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=399)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("export", "--format", "cloudtrail"), 2, "a trail needs `--to`"),
        (("export", "--format", "jsonl", "--since", "soon"), 2, "is no time"),
        (("export", "--format", "cloudtrail", "--to", "s3://"), 2, "expected `s3://BUCKET/PREFIX`"),
        (("export", "--format", "cloudtrail", "--to", "/proc/x"), 3, "cannot write `/proc/x"),
        (("export", "--format", "jsonl", "--to", "/proc/x"), 2, "`/proc/x` cannot be written: no such file"),
        (("export", "--format", "ocsf", "--to", "/proc"), 2, "`/proc` cannot be written: is a directory"),
        (("export", "--format", "parquet", "--to", "/proc/x"), 2, "`/proc/x` cannot be written"),
        (("query", "SELECT nothing FROM records"), 2, "the query failed"),
    ],
)
def test_what_cannot_be_done_is_told(arguments: tuple[str, ...], status: int, says: str, home: Path) -> None:
    done = keepstone(*arguments, home=home)
    assert done.returncode == status
    assert says in done.stderr


def test_lines_parquet_and_queries_agree(home: Path, tmp_path: Path) -> None:
    for form in ("jsonl", "ocsf"):
        done = keepstone("export", "--format", form, home=home)
        assert len([json.loads(line) for line in done.stdout.splitlines()]) == 40
    done = keepstone("export", "--format", "parquet", "--to", tmp_path / "out", home=home)
    assert done.returncode == 0, done.stderr
    done = keepstone("query", "SELECT count(*) AS records FROM records", "--format", "json", home=home)
    assert json.loads(done.stdout) == [{"records": 40}]
