"""CloudTrail's log files and their chain of signed digests, as `aws cloudtrail validate-logs` reads them.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html

An hour's digest names its log files by hash, and the digest before it by hash and signature. A deleted last
digest is not noticed by that chain; the Merkle log and its checkpoints notice it.
"""

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Struct

from keepstone.core.errors import LedgerError
from keepstone.ledger.export.cloudtrail import Event
from keepstone.ledger.export.sink import Sink

KEY_FILE = "cloudtrail.key"
ALGORITHM = "SHA256withRSA"
_KEY_BITS = 2048
_STAMP = "%Y%m%dT%H%M%SZ"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class SigningKey:
    """The RSA key that signs digests, kept beside the ledger's; CloudTrail knows no other kind."""

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private
        self.public_der = private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        self.fingerprint = hashlib.md5(self.public_der, usedforsecurity=False).hexdigest()

    @classmethod
    def load_or_create(cls, folder: Path) -> "SigningKey":
        """Read the key in `folder`, or make it there, readable by the owner only."""
        path = folder / KEY_FILE
        if not path.exists():
            private = rsa.generate_private_key(65537, _KEY_BITS)
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(pem)
            except FileExistsError:
                pass
            except OSError as error:
                raise LedgerError(f"cannot write `{path}`: {error.strerror}") from error
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> "SigningKey":
        """Read the key in `folder`; raise `LedgerError` when it is missing or no RSA key."""
        path = folder / KEY_FILE
        try:
            private = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise LedgerError(f"`{path}` cannot be read as a key", hint="restore it from a copy") from error
        if not isinstance(private, rsa.RSAPrivateKey):
            raise LedgerError(f"`{path}` is not an RSA key")
        return cls(private)

    def sign(self, data: bytes) -> str:
        """Return the hexadecimal RSASSA-PKCS1-v1_5 signature with SHA-256."""
        return self._private.sign(data, padding.PKCS1v15(), hashes.SHA256()).hex()

    def public_key(self, start: datetime, end: datetime) -> dict[str, Any]:
        """Return a member of ListPublicKeys' `PublicKeyList`; times are seconds since the epoch."""
        return {
            "Value": base64.b64encode(self.public_der).decode(),
            "ValidityStartTime": start.timestamp(),
            "ValidityEndTime": end.timestamp(),
            "Fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True)
class Trail:
    """Whose trail it is: names that stand in keys and digests; `prefix` is empty or ends with `/`."""

    name: str
    account: str
    region: str
    prefix: str = ""

    @property
    def arn(self) -> str:
        """Return the name that `validate-logs --trail-arn` takes."""
        return f"arn:aws:cloudtrail:{self.region}:{self.account}:trail/{self.name}"


class Link(Struct, frozen=True):
    """What the next digest has to say about this one."""

    key: str
    sha256: str
    signature: str


class LogFile(Struct, frozen=True):
    """One written log file, as a digest lists it."""

    key: str
    sha256: str
    oldest: str
    newest: str


def write_log(sink: Sink, trail: Trail, end: datetime, events: Sequence[Event]) -> LogFile:
    """Write events as one log file; the same events have the same name."""
    body = json.dumps({"Records": events}, ensure_ascii=False, separators=(",", ":")).encode()
    found = hashlib.sha256(body).hexdigest()
    day = end.strftime("%Y/%m/%d")
    name = f"{trail.account}_CloudTrail_{trail.region}_{end.strftime('%Y%m%dT%H%MZ')}_{found[:16]}.json.gz"
    key = f"{trail.prefix}AWSLogs/{trail.account}/CloudTrail/{trail.region}/{day}/{name}"
    sink.put(key, gzip.compress(body, mtime=0), {})
    times = [event["eventTime"] for event in events]
    return LogFile(key, found, min(times), max(times))


def write_digest(  # noqa: PLR0913 - what a digest states, by keyword
    sink: Sink,
    trail: Trail,
    key: SigningKey,
    *,
    start: datetime,
    end: datetime,
    logs: Sequence[LogFile],
    previous: Link | None,
) -> Link:
    """Write the digest of the span from `start` to `end`, signed and chained to the one before."""
    name = (
        f"{trail.account}_CloudTrail-Digest_{trail.region}_{trail.name}_{trail.region}_"
        f"{end.strftime(_STAMP)}.json.gz"
    )
    folder = f"{trail.prefix}AWSLogs/{trail.account}/CloudTrail-Digest/{trail.region}"
    place = f"{folder}/{end.strftime('%Y/%m/%d')}/{name}"
    document = {
        "awsAccountId": trail.account,
        "digestStartTime": start.strftime(_TIME),
        "digestEndTime": end.strftime(_TIME),
        "digestS3Bucket": sink.bucket,
        "digestS3Object": place,
        "digestPublicKeyFingerprint": key.fingerprint,
        "digestSignatureAlgorithm": ALGORITHM,
        "newestEventTime": max((each.newest for each in logs), default=None),
        "oldestEventTime": min((each.oldest for each in logs), default=None),
        "previousDigestS3Bucket": sink.bucket if previous else None,
        "previousDigestS3Object": previous.key if previous else None,
        "previousDigestHashValue": previous.sha256 if previous else None,
        "previousDigestHashAlgorithm": "SHA-256" if previous else None,
        "previousDigestSignature": previous.signature if previous else None,
        "logFiles": [_listed(sink, each) for each in logs],
    }
    body = json.dumps(document, separators=(",", ":")).encode()
    found = hashlib.sha256(body).hexdigest()
    before = previous.signature if previous else "null"
    signed = "\n".join((end.strftime(_TIME), f"{sink.bucket}/{place}", found, before))
    signature = key.sign(signed.encode())
    metadata = {"signature": signature, "signature-algorithm": ALGORITHM}
    sink.put(place, gzip.compress(body, mtime=0), metadata)
    return Link(place, found, signature)


def _listed(sink: Sink, log: LogFile) -> dict[str, str]:
    return {
        "s3Bucket": sink.bucket,
        "s3Object": log.key,
        "hashValue": log.sha256,
        "hashAlgorithm": "SHA-256",
        "newestEventTime": log.newest,
        "oldestEventTime": log.oldest,
    }
