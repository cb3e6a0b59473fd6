"""Buckets with all that is said about them elsewhere, and keys."""

from collections.abc import Iterator

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import defaulted, given, pick, rows
from keepstone.posture.readers.world import Raw, World, together
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value

_ENCRYPTION = "aws_s3_bucket_server_side_encryption_configuration"
_BY_DEFAULT = "rule.apply_server_side_encryption_by_default"
_FLAGS = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")


def _bucket(raw: Raw, world: World) -> Iterator[Resource]:
    def beside(kind: str) -> Value:
        return world.satellite(kind, "bucket", raw)

    access = beside("aws_s3_bucket_public_access_block")
    encryption = beside(_ENCRYPTION)
    documents = world.documents("aws_s3_bucket_policy", "bucket", raw, reread=True)
    yield Resource(
        Kind.BUCKET,
        raw.address,
        {
            "public_access": access
            if access is None or isinstance(access, Unknown)
            else tuple(name for name in _FLAGS if access.get(name) is not True),
            "algorithm": pick(encryption, f"{_BY_DEFAULT}.sse_algorithm"),
            "key": pick(encryption, f"{_BY_DEFAULT}.kms_master_key_id"),
            "versioning": pick(beside("aws_s3_bucket_versioning"), "versioning_configuration.status"),
            "ownership": pick(beside("aws_s3_bucket_ownership_controls"), "rule.object_ownership"),
            "policy": together(documents),
            "documents": documents,
            "expires": _expires(beside("aws_s3_bucket_lifecycle_configuration")),
        },
        raw.names(),
    )


def _expires(lifecycle: Value) -> Value:
    """Return whether an enabled rule moves or deletes objects."""
    if lifecycle is None:
        return False
    found = rows(lifecycle, "rule")
    if isinstance(found, Unknown):
        return found
    states = [pick(each, "status") for each in found]
    if any(isinstance(each, str) and each == "Enabled" for each in states):
        return True
    return next((each for each in states if isinstance(each, Unknown)), False)


def _key(raw: Raw, world: World) -> Iterator[Resource]:
    yield Resource(
        Kind.KEY,
        raw.address,
        {
            "rotated": pick(raw.values, "enable_key_rotation"),
            "enabled": defaulted(raw.values, "is_enabled", default=True),
            "deletion_days": pick(raw.values, "deletion_window_in_days"),
            "policy": together(world.documents("aws_kms_key_policy", "key_id", raw)),
        },
        raw.names() | _aliases(raw, world),
    )


def _aliases(raw: Raw, world: World) -> frozenset[str]:
    found = world.satellites("aws_kms_alias", "target_key_id", raw)
    if isinstance(found, Unknown):
        return frozenset()
    return frozenset(name for each in found for name in each.names())


def _grant(raw: Raw, world: World) -> Iterator[Resource]:
    """A grant says nothing of the account that its key is in; the key does, or who makes all of it."""
    key = pick(raw.values, "key_id")
    found = world.one("aws_kms_key", key)
    arns = (key, found.values.get("arn") if found is not None else None)
    told = next((each.split(":")[4] for each in arns if isinstance(each, str) and each.count(":") >= 5), None)
    account = world.account() if told is None else told
    yield Resource(
        Kind.KEY_GRANT, raw.address, {"principal": given(raw.values, "grantee_principal"), "account": account}
    )


MAPPERS = {"aws_kms_grant": _grant, "aws_kms_key": _key, "aws_s3_bucket": _bucket}
SATELLITES = (
    "aws_caller_identity",
    "aws_kms_alias",
    "aws_kms_key_policy",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    _ENCRYPTION,
    "aws_s3_bucket_versioning",
)
