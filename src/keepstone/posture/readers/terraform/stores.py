"""Where a gateway keeps things: databases, caches, file systems, secrets."""

from collections.abc import Iterator

from keepstone.posture.kinds import Kind
from keepstone.posture.readers.tree import defaulted, given, pick, rows
from keepstone.posture.readers.world import Raw, World, together
from keepstone.posture.snapshot import Resource
from keepstone.posture.values import Unknown, Value

_ON = ("1", "on", "true")


def _cluster(raw: Raw, world: World) -> Iterator[Resource]:
    yield _database(raw, world, "aws_rds_cluster_parameter_group", "db_cluster_parameter_group_name")


def _instance(raw: Raw, world: World) -> Iterator[Resource]:
    yield _database(raw, world, "aws_db_parameter_group", "parameter_group_name")
    yield _reached(raw, f"{raw.address}.endpoint")


def _member(raw: Raw, _: World) -> Iterator[Resource]:
    yield _reached(raw, raw.address)


def _reached(raw: Raw, address: str) -> Resource:
    public = defaulted(raw.values, "publicly_accessible", default=False)
    return Resource(Kind.DATABASE_ENDPOINT, address, {"public": public})


def _database(raw: Raw, world: World, group: str, link: str) -> Resource:
    tree = raw.values
    return Resource(
        Kind.DATABASE,
        raw.address,
        {
            "encrypted": defaulted(tree, "storage_encrypted", default=False),
            "key": given(tree, "kms_key_id"),
            "protected": defaulted(tree, "deletion_protection", default=False),
            "backup_days": pick(tree, "backup_retention_period"),
            "managed_password": defaulted(tree, "manage_master_user_password", default=False),
            "logs": rows(tree, "enabled_cloudwatch_logs_exports"),
            "force_tls": _forced(pick(tree, link), world, group),
        },
        raw.names(),
    )


def _forced(name: Value, world: World, kind: str) -> Value:
    """Return whether the parameters refuse connections without TLS; `None` where they do not say."""
    found = world.one(kind, name)
    if found is None:
        return Unknown("its parameter group is not of this source")
    parameters = rows(found.values, "parameter")
    if isinstance(parameters, Unknown):
        return parameters
    said = [pick(each, "value") for each in parameters if pick(each, "name") in _FORCING]
    return None if not said else said[0] if isinstance(said[0], Unknown) else str(said[0]).lower() in _ON


_FORCING = ("rds.force_ssl", "require_secure_transport")


def _cache(raw: Raw, _: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.CACHE,
        raw.address,
        {
            "at_rest": _yes(pick(tree, "at_rest_encryption_enabled")),
            "key": given(tree, "kms_key_id"),
            "in_transit": _yes(pick(tree, "transit_encryption_enabled")),
            "mode": given(tree, "transit_encryption_mode"),
            "users": rows(tree, "user_group_ids"),
            "token": _is_set(pick(tree, "auth_token")),
        },
        raw.names(),
    )


def _yes(value: Value) -> Value:
    """Return a flag that the provider tells as text."""
    return value if isinstance(value, Unknown) else str(value).lower() in _ON


def _is_set(value: Value) -> Value:
    return value if isinstance(value, Unknown) else bool(value)


def _file_system(raw: Raw, world: World) -> Iterator[Resource]:
    tree = raw.values
    yield Resource(
        Kind.FILE_SYSTEM,
        raw.address,
        {
            "encrypted": defaulted(tree, "encrypted", default=False),
            "key": given(tree, "kms_key_id"),
            "documents": world.documents("aws_efs_file_system_policy", "file_system_id", raw),
            "backup": pick(
                world.satellite("aws_efs_backup_policy", "file_system_id", raw), "backup_policy.status"
            ),
        },
        raw.names(),
    )


def _secret(raw: Raw, world: World) -> Iterator[Resource]:
    tree = raw.values
    rotation = world.satellite("aws_secretsmanager_secret_rotation", "secret_id", raw)
    yield Resource(
        Kind.SECRET,
        raw.address,
        {
            "key": given(tree, "kms_key_id"),
            "recovery_days": defaulted(tree, "recovery_window_in_days", default=30),
            "rotated": rotation if isinstance(rotation, Unknown) else rotation is not None,
            "policy": together(world.documents("aws_secretsmanager_secret_policy", "secret_arn", raw)),
        },
        raw.names(),
    )


MAPPERS = {
    "aws_db_instance": _instance,
    "aws_efs_file_system": _file_system,
    "aws_elasticache_replication_group": _cache,
    "aws_rds_cluster": _cluster,
    "aws_rds_cluster_instance": _member,
    "aws_secretsmanager_secret": _secret,
}
SATELLITES = (
    "aws_db_parameter_group",
    "aws_efs_backup_policy",
    "aws_efs_file_system_policy",
    "aws_rds_cluster_parameter_group",
    "aws_secretsmanager_secret_policy",
    "aws_secretsmanager_secret_rotation",
)
