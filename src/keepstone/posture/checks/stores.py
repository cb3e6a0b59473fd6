"""Databases, caches, file systems and secrets: encryption, TLS, who gets in, what can be had back."""

from keepstone.posture.checks.encryption import own_key
from keepstone.posture.documents import (
    Statement,
    denies_plain_requests,
    offending,
    open_to_all,
    stated_in_each,
)
from keepstone.posture.kinds import Kind
from keepstone.posture.reading import Reading
from keepstone.posture.registry import check
from keepstone.posture.values import some
from keepstone.posture.verdict import Opinion, failed, passed, require

LEAST_DAYS = 7


def _encrypted(store: Reading, flag: str) -> Opinion:
    return own_key(store) if store[flag] is True else failed("what it stores is not encrypted")


@check("KS-DBS-001", of=Kind.DATABASE)
def database_is_encrypted_with_own_key(database: Reading) -> Opinion:
    """The database is encrypted with a customer-managed key."""
    return _encrypted(database, "encrypted")


@check("KS-DBS-002", of=Kind.DATABASE_ENDPOINT)
def database_is_not_public(endpoint: Reading) -> Opinion:
    """The database has no public address."""
    return require(endpoint["public"] is False, "it has a public address")


@check("KS-DBS-003", of=Kind.DATABASE)
def database_is_protected_from_deletion(database: Reading) -> Opinion:
    """The database cannot be deleted by mistake."""
    return require(database["protected"] is True, "deletion protection is off")


@check("KS-DBS-004", of=Kind.DATABASE)
def database_can_be_restored(database: Reading) -> Opinion:
    """The database can be restored to any time of the last week at least."""
    days = database["backup_days"] or 0
    return require(days >= LEAST_DAYS, f"backups are kept for {days} days, expected at least {LEAST_DAYS}")


@check("KS-DBS-005", of=Kind.DATABASE)
def database_logs_leave_it(database: Reading) -> Opinion:
    """The database's log goes to CloudWatch."""
    return require(bool(database["logs"]), "no log of it goes to CloudWatch")


@check("KS-DBS-006", of=Kind.DATABASE)
def administrator_password_is_kept_by_rds(database: Reading) -> Opinion:
    """The administrator's password is made, kept and rotated by RDS."""
    return require(database["managed_password"] is True, "somebody chose the administrator's password")


@check("KS-DBS-007", of=Kind.DATABASE)
def database_takes_tls_only(database: Reading) -> Opinion:
    """Connections without TLS are refused."""
    return require(database["force_tls"] is True, "its parameters take connections without TLS")


@check("KS-CCH-001", of=Kind.CACHE)
def cache_is_encrypted_with_own_key(cache: Reading) -> Opinion:
    """The cache is encrypted with a customer-managed key."""
    return _encrypted(cache, "at_rest")


@check("KS-CCH-002", of=Kind.CACHE)
def cache_takes_tls_only(cache: Reading) -> Opinion:
    """Connections without TLS are refused."""
    if cache["in_transit"] is not True:
        return failed("it speaks without TLS")
    return require(cache["mode"] in ("required", None), "it takes connections without TLS, too")


@check("KS-CCH-003", of=Kind.CACHE)
def cache_knows_its_users(cache: Reading) -> Opinion:
    """Who connects proves who it is."""
    if cache["users"]:
        return passed()
    return require(bool(cache["token"]), "whoever reaches it may do everything")


@check("KS-EFS-001", of=Kind.FILE_SYSTEM)
def file_system_is_encrypted_with_own_key(files: Reading) -> Opinion:
    """The file system is encrypted with a customer-managed key."""
    return _encrypted(files, "encrypted")


@check("KS-EFS-002", of=Kind.FILE_SYSTEM)
def file_system_takes_tls_only(files: Reading) -> Opinion:
    """Its policy denies who comes without TLS."""
    denied = stated_in_each(files["documents"], _denies_plain)
    return require(denied, "no statement denies who comes with `aws:SecureTransport` `false`")


def _denies_plain(statement: Statement) -> bool:
    return denies_plain_requests(statement) and some(
        statement.actions, lambda each: each in ("*", "elasticfilesystem:*")
    )


@check("KS-EFS-003", of=Kind.FILE_SYSTEM)
def file_system_is_backed_up(files: Reading) -> Opinion:
    """What is deleted there can be had back."""
    return require(files["backup"] in ("ENABLED", "ENABLING"), "it is not backed up")


@check("KS-SEC-001", of=Kind.SECRET)
def secret_is_encrypted_with_own_key(secret: Reading) -> Opinion:
    """The secret is encrypted with a customer-managed key."""
    return own_key(secret)


@check("KS-SEC-002", of=Kind.SECRET)
def secret_is_not_lost_at_once(secret: Reading) -> Opinion:
    """A secret that is deleted can be had back for a week at least."""
    days = secret["recovery_days"]
    return require(days >= LEAST_DAYS, f"it is gone after {days} days, expected {LEAST_DAYS}")


@check("KS-SEC-003", of=Kind.SECRET)
def secret_is_rotated(secret: Reading) -> Opinion:
    """The secret changes by itself."""
    return require(secret["rotated"] is True, "nothing rotates it")


@check("KS-SEC-004", of=Kind.SECRET)
def secret_is_not_open_to_all(secret: Reading) -> Opinion:
    """No statement of its policy lets anybody read it."""
    found = offending(secret["policy"], open_to_all)
    return require(not found, f"`{found}` lets anybody in")
