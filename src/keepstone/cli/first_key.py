"""The key that a first start makes: only when calls are taken, on record, and shown or revoked again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keepstone.cli.key_record import created, not_recorded, take_back
from keepstone.cli.on_record import recorded
from keepstone.core.errors import LedgerError
from keepstone.core.settings import Settings

if TYPE_CHECKING:
    from keepstone.policy.compile import CompiledPolicy
    from keepstone.store.keys import ApiKey, KeyStore

NAME = "first-key"
_BY = "keepstone up"


@dataclass(frozen=True, slots=True)
class FirstKey:
    """A key on record that nobody has seen yet, and its token; never shown by `repr`."""

    key: "ApiKey"
    token: str
    _store: "KeyStore"
    _settings: Settings

    def __repr__(self) -> str:
        return "FirstKey(...)"

    def take_back(self) -> None:
        """Revoke it, for it could not be shown."""
        take_back(self._store, self.key, self._settings, _BY)


async def first_key(
    settings: Settings, policy: "CompiledPolicy", push: Callable[[], Awaitable[object]]
) -> FirstKey | None:
    """Create a key with the policy's first role if there is no key yet, and return it when it is on record.

    Where the settings say that none is to be made, nothing is done.
    `push` lets the gateway record what lies ready. Raise `LedgerError` when it cannot: the key is revoked.
    """
    from keepstone.ledger.notices import leave

    made = await asyncio.to_thread(_made, settings, policy) if settings.first_key else None
    if made is None:
        return None
    try:
        path = await asyncio.to_thread(leave, settings.ledger, created(made.key, _BY))
        await recorded(path, push)
    except LedgerError as error:
        await asyncio.to_thread(made.take_back)
        raise not_recorded(made.key, error) from error
    return made


def _made(settings: Settings, policy: "CompiledPolicy") -> FirstKey | None:
    from keepstone.store.engine import open_database
    from keepstone.store.keys import KeyRequest, KeyStore

    store = KeyStore(open_database(settings.database))
    if store.all():
        return None
    now, roles = time.time_ns(), tuple(policy.document.identities.roles)
    key, token = store.create(KeyRequest(NAME, roles[:1], now + policy.keys.default_lifetime_ns), now)
    return FirstKey(key, token, store, settings)
