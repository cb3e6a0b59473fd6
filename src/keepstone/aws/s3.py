"""S3 as a place for exports and anchors, with Object Lock where the bucket has it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.config
import botocore.exceptions
import botocore.session

from keepstone.core.errors import LedgerError

_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_REFUSALS = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)


class S3Sink:
    """A prefix of a bucket. With `lock_days`, each object is kept from change and deletion for so long.

    Object Lock in COMPLIANCE mode: nobody shortens it, the account's root included. What an export has to
    write again itself (its state) is left unlocked.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, region: str = "", endpoint: str = "", lock_days: int = 0
    ) -> None:
        self.bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._lock_days = lock_days
        self._client = client(region, endpoint)

    def put(self, key: str, data: bytes, metadata: Mapping[str, str]) -> None:
        """Write an object; S3 checks its SHA-256 and shows it whole or not at all."""
        arguments: dict[str, Any] = {"ChecksumAlgorithm": "SHA256", "Metadata": dict(metadata)}
        if self._lock_days and not key.rpartition("/")[2].startswith("keepstone-"):
            until = datetime.now(UTC) + timedelta(days=self._lock_days)
            arguments |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        try:
            self._client.put_object(Bucket=self.bucket, Key=self._prefix + key, Body=data, **arguments)
        except _REFUSALS as error:
            raise LedgerError(
                f"cannot write `s3://{self.bucket}/{self._prefix}{key}`: {told(error)}",
                hint="the identity needs s3:PutObject, and s3:PutObjectRetention for `--lock-days`",
            ) from error

    def get(self, key: str) -> bytes | None:
        """Return an object, `None` when there is none."""
        try:
            found = self._client.get_object(Bucket=self.bucket, Key=self._prefix + key)
            body: bytes = found["Body"].read()
        except botocore.exceptions.ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                return None
            raise LedgerError(
                f"cannot read `s3://{self.bucket}/{self._prefix}{key}`: {told(error)}",
                hint="the identity needs s3:GetObject, and s3:ListBucket to tell a missing object",
            ) from error
        except botocore.exceptions.BotoCoreError as error:
            raise LedgerError(f"cannot read from `s3://{self.bucket}`: {told(error)}") from error
        return body


def client(region: str, endpoint: str, *, attempts: int = 5, patience: tuple[float, float] = (60, 60)) -> Any:
    """Return botocore's client of S3; `patience` is for connecting and for an answer, in seconds."""
    session = botocore.session.Session()
    config = botocore.config.Config(
        retries={"total_max_attempts": attempts, "mode": "standard"},
        connect_timeout=patience[0],
        read_timeout=patience[1],
        max_pool_connections=16,
        s3={"addressing_style": "path"} if endpoint else {},
    )
    try:
        return session.create_client(
            "s3", region_name=region or None, endpoint_url=endpoint or None, config=config
        )
    except botocore.exceptions.BotoCoreError as error:
        raise LedgerError(f"S3 cannot be used: {told(error)}", hint="set AWS_REGION") from error


def told(error: Exception) -> str:
    """Return the service's own code, or the kind of error; its text may quote credentials."""
    if isinstance(error, botocore.exceptions.ClientError):
        return str(error.response.get("Error", {}).get("Code", "refused"))
    return type(error).__name__
