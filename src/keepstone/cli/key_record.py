"""What stands in the ledger about API keys: who made or revoked which one, what it is good for; no secret.

A key is created, put on record, and only then shown. One that cannot be recorded is revoked unseen. A
revocation is in force before it is on record: to refuse a stolen key does not wait for a disk.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from keepstone.cli.on_record import login_name, put_on_record
from keepstone.core.errors import LedgerError

if TYPE_CHECKING:
    from keepstone.core.settings import Settings
    from keepstone.ledger.key import LedgerKey
    from keepstone.ledger.notices import Notice
    from keepstone.store.keys import ApiKey, KeyRequest, KeyStore


def created(key: "ApiKey", by: str) -> "Notice":
    """Return the notice of a new key."""
    return _notice("key.created", key, by)


def revoked(key: "ApiKey", by: str) -> "Notice":
    """Return the notice of a revocation; `revoked` is when the key was revoked first."""
    return _notice("key.revoked", key, by)


def _notice(event: str, key: "ApiKey", by: str) -> "Notice":
    from keepstone.ledger.notices import Notice

    detail = {
        "key": key.id,
        "name": key.name,
        "kind": key.kind,
        "roles": ", ".join(key.roles),
        "models": ", ".join(key.models),
        "operations": ", ".join(key.operations),
        "least_class": key.data_class.label,
        "expires": _utc(key.expires_ns),
        "revoked": _utc(key.revoked_ns) if key.revoked_ns is not None else "",
        "by": by,
        "os_user": login_name(),
    }
    return Notice(event, {name: value for name, value in detail.items() if value})


def create_on_record(
    store: "KeyStore", request: "KeyRequest", settings: "Settings", ledger_key: "LedgerKey", by: str
) -> "tuple[ApiKey, str]":
    """Create a key, put it on record, and return it with its token; raise `LedgerError` if it was revoked."""
    key, token = store.create(request, time.time_ns())
    try:
        put_on_record(settings, ledger_key, created(key, by))
    except LedgerError as error:
        take_back(store, key, settings, by)
        raise not_recorded(key, error) from error
    except BaseException:  # Ctrl-C: who ends the command here has not seen the key
        take_back(store, key, settings, by)
        raise
    return key, token


def take_back(store: "KeyStore", key: "ApiKey", settings: "Settings", by: str) -> None:
    """Revoke a key that nobody has seen, and leave word of it for whoever writes the ledger next."""
    from keepstone.ledger.notices import leave

    gone = store.revoke(key.id, time.time_ns())
    with suppress(LedgerError):  # what cannot be recorded is why we are here
        leave(settings.ledger, revoked(gone or key, by))


def not_recorded(key: "ApiKey", error: LedgerError) -> LedgerError:
    """Return what is told of a key that was taken back."""
    return LedgerError(
        f"the new key `{key.id}` could not be put on record, so it was revoked and is not shown: "
        f"{error.message}",
        hint=error.hint,
        code=error.code,
    )


def _utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
