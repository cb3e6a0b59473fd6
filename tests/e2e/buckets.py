"""S3 with Object Lock, as moto serves it, and what a test wants to know of a bucket."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "example",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


class Bucket:
    """A versioned bucket with Object Lock."""

    def __init__(self, endpoint: str, name: str = "ledger") -> None:
        self.endpoint, self.name = endpoint, name
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=REGION,
            aws_access_key_id="x",
            aws_secret_access_key="x",
            config=Config(s3={"addressing_style": "path"}),
        )
        self.s3.create_bucket(
            Bucket=name,
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )

    @property
    def url(self) -> str:
        """How commands name it."""
        return f"s3://{self.name}"

    def versions(self) -> dict[str, int]:
        """How many versions there are of each key."""
        found: dict[str, int] = {}
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=self.name):
            for each in page.get("Versions", ()):
                found[each["Key"]] = found.get(each["Key"], 0) + 1
        return found

    def locked_until(self, key: str) -> datetime | None:
        """When the lock of an object ends, None without one."""
        found = self.s3.head_object(Bucket=self.name, Key=key)
        until: datetime | None = found.get("ObjectLockRetainUntilDate")
        return until if found.get("ObjectLockMode") == "COMPLIANCE" else None


@contextmanager
def served(port: int = 0) -> Iterator[str]:
    """The address of a server of S3 without any bucket; what it held is gone with it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    host, number = server.get_host_and_port()
    try:
        yield f"http://{host}:{number}"
    finally:
        server.stop()
