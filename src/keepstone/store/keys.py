"""API keys: issued once, kept as hashes, looked up on every call, revoked at once.

A key reads `ks_<id>_<secret>`: the id is public and stands in records; the secret is 32 random bytes, so a
plain SHA-256 of it cannot be guessed back. The ring holds all keys in memory, as fresh as `fresh.py` says: a
revocation works for every call that begins five milliseconds later, with PostgreSQL a tenth of a second.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    update,
)

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import DataClass
from keepstone.core.principal import Principal
from keepstone.store.access_keys import AccessKeySecrets, key_id_of
from keepstone.store.fresh import PolledView, SqliteView, View, count_up

PREFIX = "ks"
MAX_TOKEN_CHARS = 256
TABLE = "api_keys"

NOBODYS = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
"""Compared with when there is no such key, so that time does not tell which ids exist."""

KeyKind = Literal["bearer", "sigv4"]
"""Whether a key is shown as it is, or signs requests."""

_keys = Table(
    TABLE,
    MetaData(),
    Column("id", String(32), primary_key=True),
    Column("secret_sha256", String(64)),
    Column("name", String(100)),
    Column("roles", JSON),
    Column("models", JSON),
    Column("operations", JSON),
    Column("data_class", Integer),
    Column("created_ns", BigInteger),
    Column("expires_ns", BigInteger),
    Column("revoked_ns", BigInteger),
    Column("kind", String(16)),
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; times are nanoseconds since the epoch."""

    id: str
    secret_sha256: str
    name: str
    roles: tuple[str, ...]
    models: tuple[str, ...]
    operations: tuple[str, ...]
    data_class: DataClass
    created_ns: int
    expires_ns: int
    revoked_ns: int | None = None
    kind: KeyKind = "bearer"

    def state(self, now_ns: int) -> str:
        """Return `active`, `expired` or `revoked`."""
        if self.revoked_ns is not None:
            return "revoked"
        return "expired" if now_ns >= self.expires_ns else "active"

    @property
    def principal(self) -> Principal:
        """Return the caller that this key stands for."""
        return Principal(
            id=self.name,
            kind="sigv4" if self.kind == "sigv4" else "api-key",
            roles=self.roles,
            models=self.models,
            operations=self.operations,
            data_class=self.data_class,
            key_id=self.id,
        )


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a new key shall be good for; empty `models` and `operations` do not narrow the roles."""

    name: str
    roles: tuple[str, ...]
    expires_ns: int
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    data_class: DataClass = DataClass.PUBLIC
    kind: KeyKind = "bearer"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An access key that is good now, with its secret; never shown by `repr`."""

    principal: Principal
    secret: str

    def __repr__(self) -> str:
        return "SigningKey(...)"


class KeyStore:
    """The table of keys."""

    def __init__(self, engine: Engine, access_keys: AccessKeySecrets | None = None) -> None:
        self._engine = engine
        self._access_keys = access_keys

    def create(self, request: KeyRequest, now_ns: int) -> tuple[ApiKey, str]:
        """Store a new key and return it with its token or secret access key, which is not shown again."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        if request.kind == "sigv4":
            assert self._access_keys is not None  # noqa: S101 - who issues such keys has the master
            secret = self._access_keys.of(key_id)
        key = ApiKey(
            id=key_id,
            secret_sha256=_digest(secret),
            name=request.name,
            roles=request.roles,
            models=request.models,
            operations=request.operations,
            data_class=request.data_class,
            created_ns=now_ns,
            expires_ns=request.expires_ns,
            kind=request.kind,
        )
        values = {column.name: getattr(key, column.name) for column in _keys.columns}
        values |= {name: list(values[name]) for name in ("roles", "models", "operations")}
        with self._engine.begin() as connection:
            connection.execute(insert(_keys).values(**values))
            count_up(connection, TABLE)
        return key, secret if request.kind == "sigv4" else f"{PREFIX}_{key_id}_{secret}"

    def revoke(self, key_id: str, now_ns: int) -> ApiKey | None:
        """Revoke a key and return it, `None` if there is no such key; the first revocation's time stays."""
        with self._engine.begin() as connection:
            unrevoked = (_keys.c.id == key_id) & (_keys.c.revoked_ns.is_(None))
            connection.execute(update(_keys).where(unrevoked).values(revoked_ns=now_ns))
            count_up(connection, TABLE)
        return next((key for key in self.all() if key.id == key_id), None)

    def all(self) -> tuple[ApiKey, ...]:
        """Return every key, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_keys).order_by(_keys.c.created_ns, _keys.c.id)).mappings().all()
        return tuple(
            ApiKey(
                **{
                    **row,
                    "roles": tuple(row["roles"]),
                    "models": tuple(row["models"]),
                    "operations": tuple(row["operations"]),
                    "data_class": DataClass(row["data_class"]),
                }
            )
            for row in rows
        )


class KeyRing:
    """All keys in memory, as fresh as the database lets us know.

    `told` is called with `stale`, `refused` or `failed` when a database across a network does not answer.
    """

    def __init__(
        self,
        engine: Engine,
        access_keys: AccessKeySecrets | None = None,
        told: Callable[[str], None] = lambda _what: None,
    ) -> None:
        store = KeyStore(engine)
        self._access_keys = access_keys

        def load() -> dict[str, ApiKey]:
            return {key.id: key for key in store.all()}

        self._view: View[dict[str, ApiKey]]
        if engine.dialect.name == "sqlite":
            self._view = SqliteView(engine, load)
        else:
            self._view = PolledView(engine, TABLE, load, told=told)

    def stale_for(self, age_ns: int) -> None:
        """Set for how long what is known goes on to hold while the database does not answer."""
        if isinstance(self._view, PolledView):
            self._view.stale_for_ns = age_ns

    def identify(self, token: str, now_ns: int) -> Principal | Decision:
        """Return who holds `token`, or the refusal; raise `StoreError` when the database cannot be asked."""
        known = self._view.get(now_ns)
        parts = token.split("_", 2) if len(token) <= MAX_TOKEN_CHARS else []
        key = known.get(parts[1]) if len(parts) == 3 and parts[0] == PREFIX else None
        stored = key.secret_sha256 if key is not None else NOBODYS
        same = hmac.compare_digest(stored, _digest(parts[2] if len(parts) == 3 else token))
        if key is None or not same or key.kind != "bearer":
            return Decision.refuse(
                ReasonCode.CREDENTIALS_UNKNOWN, "the bearer token is not a key of this gateway"
            )
        return _state_refusal(key, now_ns) or key.principal

    def signing_key(self, access_key: str, now_ns: int) -> SigningKey | Decision:
        """Return the access key of this id, or the refusal; raise `StoreError` as `identify` does."""
        key = self._view.get(now_ns).get(key_id_of(access_key))
        if key is None or key.kind != "sigv4" or self._access_keys is None:
            return Decision.refuse(
                ReasonCode.CREDENTIALS_UNKNOWN, "the access key id is not one of this gateway"
            )
        return _state_refusal(key, now_ns) or SigningKey(key.principal, self._access_keys.of(key.id))

    def close(self) -> None:
        """Give the connection back."""
        self._view.close()


def _state_refusal(key: ApiKey, now_ns: int) -> Decision | None:
    state = key.state(now_ns)
    if state == "revoked":
        return Decision.refuse(ReasonCode.CREDENTIALS_REVOKED, f"key `{key.id}` is revoked")
    if state == "expired":
        return Decision.refuse(ReasonCode.CREDENTIALS_EXPIRED, f"key `{key.id}` has expired")
    return None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
