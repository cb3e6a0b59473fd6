"""Buckets of S3, those of logs before all."""

import re

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.documents import (
    Statement,
    confused,
    denies_everybody,
    denies_plain_requests,
    offending,
    open_to_all,
    stated_in_each,
)
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import known, some
from keepstone.posture.verdict import Opinion, failed, require

_WHOLE = re.compile(r"\*+|arn:[\w-]+:s3:::[^/]+/\*+")


@check("KS-BKT-001", of=Kind.BUCKET)
def bucket_blocks_public_access(bucket: Reading) -> Opinion:
    """All four settings against public access are on."""
    off = bucket["public_access"]
    if off is None:
        return failed("public access is not blocked")
    return require(not off, f"off: {', '.join(f'`{name}`' for name in off)}")


@check("KS-BKT-002", of=Kind.BUCKET)
def bucket_is_encrypted_with_own_key(bucket: Reading) -> Opinion:
    """Objects are encrypted with a customer-managed key."""
    algorithm = bucket["algorithm"]
    if algorithm not in ("aws:kms", "aws:kms:dsse"):
        return failed(f"objects are encrypted by `{algorithm or 'AES256'}`, expected `aws:kms`")
    return own_key(bucket)


@check("KS-BKT-003", of=Kind.BUCKET)
def bucket_keeps_versions(bucket: Reading) -> Opinion:
    """What is overwritten or deleted can be had back."""
    return require(bucket["versioning"] == "Enabled", "versioning is not enabled")


@check("KS-BKT-004", of=Kind.BUCKET)
def bucket_takes_tls_only(bucket: Reading) -> Opinion:
    """Requests without TLS are denied."""
    denied = stated_in_each(
        bucket["documents"], lambda each: denies_plain_requests(each) and _everything(each)
    )
    return require(denied, "no statement denies requests with `aws:SecureTransport` `false`")


def _everything(statement: Statement) -> bool:
    """Say whether the statement is about every action and every object."""
    return some(statement.actions, lambda each: each in ("*", "s3:*")) and _whole(statement)


def _whole(statement: Statement) -> bool:
    """Say whether the statement is about all objects of the bucket; S3 takes no other bucket's name here."""
    return some(statement.resources, lambda each: _WHOLE.fullmatch(known(each)) is not None)


@check("KS-BKT-005", of=Kind.BUCKET)
def bucket_takes_tls_12_or_newer(bucket: Reading) -> Opinion:
    """Requests by a TLS older than 1.2 are denied."""
    denied = stated_in_each(bucket["documents"], _denies_old)
    return require(denied, "no statement denies requests with `s3:TlsVersion` below `1.2`")


def _denies_old(statement: Statement) -> bool:
    old = denies_everybody(statement) and some(
        statement.conditions,
        lambda each: (
            known(each.key).lower() == "s3:tlsversion"
            and known(each.test) == "NumericLessThan"
            and each.values in (("1.2",), ("1.3",))
        ),
    )
    return old and _everything(statement)


@check("KS-BKT-006", of=Kind.BUCKET)
def bucket_takes_no_acls(bucket: Reading) -> Opinion:
    """Access is said by policies alone."""
    return require(bucket["ownership"] == "BucketOwnerEnforced", "ACLs are not switched off")


@check("KS-BKT-007", of=Kind.BUCKET)
def bucket_has_a_lifecycle(bucket: Reading) -> Opinion:
    """Objects are moved or deleted with age."""
    return require(bool(bucket["expires"]), "no lifecycle rule is enabled: objects are kept for ever")


@check("KS-BKT-008", of=Kind.BUCKET)
def bucket_is_not_open_to_all(bucket: Reading) -> Opinion:
    """No statement allows something to anybody."""
    found = offending(bucket["policy"], open_to_all)
    return require(not found, f"`{found}` allows something to anybody")


@check("KS-BKT-009", of=Kind.BUCKET)
def services_write_for_this_account_only(bucket: Reading) -> Opinion:
    """A service may use the bucket only on behalf of this account."""
    found = offending(bucket["policy"], lambda each: bool(confused(each)))
    return require(not found, f"`{found}` lets a service in for any account")
