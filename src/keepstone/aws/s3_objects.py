"""A prefix of a bucket in which each key is written once, under Object Lock.

Object Lock keeps versions, not keys: somebody who may write can put another version or a delete marker in
front. So what counts is the first version of a key, and what stands before it is reported.
"""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import botocore.exceptions

from keepstone.aws.s3 import client, told
from keepstone.core.errors import LedgerError
from keepstone.ledger.outside.objects import UNREACHABLE, Stored, other_bytes

_REFUSALS = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)
_THERE = frozenset({"PreconditionFailed", "412"})
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})


class S3Objects:
    """Objects in S3; with `lock_days` each is kept from change and deletion for so long (COMPLIANCE mode)."""

    def __init__(
        self, bucket: str, prefix: str = "", *, region: str = "", endpoint: str = "", lock_days: int = 0
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.where = f"s3://{bucket}/{self._prefix}".rstrip("/")
        self._lock_days = lock_days
        self._arguments = (region, endpoint)
        self._made: Any = None
        self._making = threading.Lock()

    @property
    def _client(self) -> Any:
        """Return the client, made when it is first needed; it may be used from several threads."""
        with self._making:
            if self._made is None:
                self._made = client(*self._arguments, attempts=2, patience=(3, 20))
        return self._made

    def put_once(self, key: str, data: bytes) -> None:
        """Write an object that is not there yet; S3 checks its SHA-256."""
        arguments: dict[str, Any] = {"ChecksumAlgorithm": "SHA256", "IfNoneMatch": "*"}
        if self._lock_days:
            until = datetime.now(UTC) + timedelta(days=self._lock_days)
            arguments |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=data, **arguments)
        except _REFUSALS as error:
            if _code(error) not in _THERE:
                raise self._failed("written", key, error, "s3:PutObject and s3:PutObjectRetention") from error
            if self.get(key) != data:
                raise other_bytes(self.where, key) from error

    def get(self, key: str) -> bytes | None:
        """Return the first version of an object."""
        for stored in self._first_versions(key):
            return self.read(stored) if stored.key == key else None
        return None

    def exists(self, key: str) -> bool:
        """Say whether an object can be seen."""
        try:
            self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)
        except _REFUSALS as error:
            if _code(error) in _ABSENT:
                return False
            raise self._failed("seen", key, error, "s3:GetObject and s3:ListBucket") from error
        return True

    def names(self, prefix: str) -> list[str]:
        """Return what lies right below a prefix."""
        below = self._prefix + prefix
        found: list[str] = []
        for page in self._pages("list_objects_v2", prefix, Delimiter="/"):
            found += [each["Key"].removeprefix(below) for each in page.get("Contents", ())]
            found += [each["Prefix"].removeprefix(below) for each in page.get("CommonPrefixes", ())]
        return sorted(found)

    def inventory(self) -> Iterator[Stored]:
        """Yield the first version of every object."""
        return self._first_versions("")

    def read(self, stored: Stored) -> bytes:
        """Return the bytes of a version."""
        key = self._prefix + stored.key
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=key, VersionId=stored.version)
            body: bytes = found["Body"].read()
        except _REFUSALS as error:
            needs = "s3:GetObject and s3:GetObjectVersion"
            raise self._failed("read", stored.key, error, needs) from error
        return body

    def _first_versions(self, prefix: str) -> Iterator[Stored]:
        """Yield, sorted by key, the oldest version of each; S3 lists the newest of a key first."""
        for key, group in groupby(self._versions(prefix), key=lambda each: each["Key"]):
            versions = list(group)
            written = [each for each in versions if "ETag" in each]
            if not written:
                continue
            altered = ""
            if len(written) < len(versions):
                altered = "hidden by a delete marker"
            elif len({each["ETag"] for each in written}) > 1:
                altered = "overwritten"
            yield Stored(key.removeprefix(self._prefix), written[-1]["VersionId"], altered)

    def _versions(self, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._pages("list_object_versions", prefix):
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            found.sort(key=lambda each: each["LastModified"], reverse=True)
            yield from sorted(found, key=lambda each: each["Key"])

    def _pages(self, operation: str, prefix: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        try:
            pages = self._client.get_paginator(operation)
            yield from pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, **arguments)
        except _REFUSALS as error:
            needs = "s3:ListBucket and s3:ListBucketVersions"
            raise self._failed("listed", prefix, error, needs) from error

    def _failed(self, doing: str, key: str, error: Exception, needs: str) -> LedgerError:
        message = f"`{self.where}/{key}` cannot be {doing}: {told(error)}"
        return LedgerError(message, hint=f"the identity needs {needs}", code=UNREACHABLE)


def _code(error: Exception) -> str:
    if isinstance(error, botocore.exceptions.ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return ""
