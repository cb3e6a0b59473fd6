"""A table in memory, as fresh as promised: what other processes commit is seen, or nothing is shown.

SQLite says on a look-up whether anybody has committed; that takes microseconds. PostgreSQL is across a
network, so a thread asks it ten times a second for a version that every change counts up. When it does not
answer, what is known goes on to be shown for `stale_for_ns`, and each look-up in that time is counted; after
that there is nothing, until the database answers again.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, cast

from sqlalchemy import BigInteger, Column, Connection, Engine, MetaData, String, Table, select, update
from sqlalchemy.exc import SQLAlchemyError

from keepstone.core.errors import StoreError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FRESH_NS = 5_000_000
"""How old a view of SQLite may be: a change by another process holds after five milliseconds."""
POLL_S = 0.1
LATE_NS = 500_000_000
"""From this age on, a view of PostgreSQL counts as stale: several polls in a row were not answered."""
STALE_FOR_NS = 1_000_000_000

_versions = Table(
    "store_versions",
    MetaData(),
    Column("name", String(40), primary_key=True),
    Column("version", BigInteger, nullable=False),
)
LOG = logging.getLogger("keepstone.store")


def count_up(connection: Connection, name: str) -> None:
    """Tell all who watch that something has changed, in the transaction that changes it."""
    raised = _versions.c.version + 1
    connection.execute(update(_versions).where(_versions.c.name == name).values(version=raised))


class View(Protocol[T_co]):
    """What is in memory of a table."""

    def get(self, now_ns: int) -> T_co:
        """Return it; raise `StoreError` when nobody knows whether it still holds."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class SqliteView(Generic[T]):
    """Asks for SQLite's data version on a look-up, at most once in `FRESH_NS`."""

    def __init__(self, engine: Engine, load: Callable[[], T]) -> None:
        self._load = load
        self._connection = engine.raw_connection()
        self._driver = cast("sqlite3.Connection", self._connection.driver_connection)
        self._version = -1
        self._asked_ns = -FRESH_NS
        self._known: T | None = None

    def get(self, now_ns: int) -> T:
        """Return what is known after the last commit of any process."""
        if self._known is None or not 0 <= now_ns - self._asked_ns < FRESH_NS:
            self._refresh(now_ns)
        return cast("T", self._known)

    def _refresh(self, now_ns: int) -> None:
        try:
            version = self._driver.execute("PRAGMA data_version").fetchone()[0]
            if version != self._version:
                self._known = self._load()
                self._version = version
            self._asked_ns = now_ns
        except (sqlite3.Error, SQLAlchemyError) as error:
            raise StoreError("the key database cannot be read") from error

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


class PolledView(Generic[T]):
    """Asks a server for a version in a thread of its own; a look-up waits for nothing."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        load: Callable[[], T],
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        told: Callable[[str], None] = lambda _what: None,
    ) -> None:
        self.stale_for_ns = STALE_FOR_NS
        self._engine = engine
        self._name = name
        self._load = load
        self._clock = clock
        self._told = told
        self._connection: Connection | None = None
        self._over = threading.Event()
        self._fresh_ns = clock()
        try:
            self._version = self._ask()
            self._known = load()
        except SQLAlchemyError as error:
            raise StoreError("the database cannot be read") from error
        self._thread = threading.Thread(target=self._watch, name=f"keepstone-{name}", daemon=True)
        self._thread.start()

    def get(self, now_ns: int) -> T:
        """Return what was known at the last answer, unless that is too long ago."""
        age = self._clock() - self._fresh_ns
        if age > LATE_NS:
            if age > self.stale_for_ns:
                self._told("refused")
                raise StoreError("the database does not answer, and what is known of it is too old")
            self._told("stale")
        return self._known

    def _watch(self) -> None:
        """Ask until closed; a fault of the database is told once, and so is its end."""
        healthy = True
        while not self._over.wait(POLL_S):
            asked_ns = self._clock()
            try:
                self._look(asked_ns)
            except Exception as error:  # noqa: BLE001 - the thread's outermost door: it must go on asking
                self._hang_up()
                self._told("failed")
                if healthy:
                    LOG.error("the database does not answer: `%s`", type(error).__name__)  # noqa: TRY400
                healthy = False
            else:
                if not healthy:
                    LOG.info("the database answers again")
                healthy = True

    def _look(self, asked_ns: int) -> None:
        version = self._ask()
        if version != self._version:
            self._known = self._load()
            self._version = version  # an even newer row may be in it already; then it is loaded twice
        self._fresh_ns = asked_ns

    def _ask(self) -> int:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        query = select(_versions.c.version).where(_versions.c.name == self._name)
        return int(self._connection.execute(query).scalar_one())

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.invalidate()
                connection.close()
            except SQLAlchemyError:
                LOG.debug("a broken connection could not be closed")

    def close(self) -> None:
        """Stop asking."""
        self._over.set()
        self._thread.join(5)
        self._hang_up()
