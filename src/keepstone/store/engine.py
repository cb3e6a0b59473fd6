"""Opens the database: SQLite embedded, PostgreSQL by URL; one SQLAlchemy Core and one set of migrations."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from keepstone.core.errors import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"
_MOST_REASON = 300
HEAD = "0005_machines"
"""The newest of the migrations. A database that has it is ready without Alembic, whose import takes half a
second of CPU, which every start and every command would wait for."""
MIGRATION_LOCK = 0x6B65_7973  # any number, the same for all of us
PATIENCE = {
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 2000,
    "options": "-c statement_timeout=2000 -c lock_timeout=2000 -c application_name=keepstone",
}
"""So that a server behind a cut network is given up after seconds, and asked again, instead of waited for."""


def open_database(target: Path | str) -> Engine:
    """Open, or create and migrate, a database by its path (SQLite) or URL (PostgreSQL).

    Raise `StoreError` when it is not ours or cannot be reached; a password never stands in it.
    """
    return _open_file(target) if isinstance(target, Path) else _open_server(target)


def _open_file(path: Path) -> Engine:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _one_at_a_time(path.parent):
            _create_private(path)
            engine = create_engine(f"sqlite:///{path}")
            event.listen(engine, "connect", _prepare)
            _migrate(engine, str(path))
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise StoreError(f"cannot open `{path}`: {reason}", hint="check owner and permissions") from error
    except DatabaseError as error:
        hint = "move the file away to start with an empty one; keys in it are then lost"
        raise StoreError(f"`{path}` is not a usable database", hint=hint) from error
    return engine


def _open_server(given: str) -> Engine:
    url = _server(given)
    try:
        engine = create_engine(url, connect_args=PATIENCE, pool_pre_ping=True, pool_size=2, max_overflow=4)
    except ModuleNotFoundError as error:
        hint = "pip install 'keepstone[postgres]'"
        raise StoreError("PostgreSQL needs a driver that is not installed", hint=hint) from error
    where = f"{url.host or 'local socket'}/{url.database or ''}"
    try:
        _migrate(engine, where)
    except StoreError:
        engine.dispose()
        raise
    except SQLAlchemyError as error:
        engine.dispose()
        reason = _reason(error, url)
    else:
        return engine
    # not chained: the driver's text may quote the URL
    raise StoreError(
        f"the database `{where}` cannot be used: {reason}",
        hint="does it run, is the URL right, and may this user create tables?",
    )


def _reason(error: SQLAlchemyError, url: URL) -> str:
    """Return the first line of what the driver says, without any password that the URL holds."""
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    given = [url.password, *(value for name, value in url.query.items() if "password" in name.lower())]
    for each in given:
        for secret in [each] if isinstance(each, str) else each or ():
            if secret:
                said = said.replace(secret, "***").replace(quote(secret, safe=""), "***")
    return said[:_MOST_REASON] or type(error).__name__


def _server(given: str) -> URL:
    try:
        url = make_url(given)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() != "postgresql":
        raise StoreError(
            "the database's URL is not one of PostgreSQL", hint="expected `postgresql://user@host/name`"
        )
    return url.set(drivername="postgresql+psycopg")


def _unknown_schema(where: str) -> StoreError:
    hint = "use the Keepstone version that wrote it, or a newer one"
    return StoreError(f"`{where}` has a schema that this version does not know", hint=hint)


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time make or migrate the file: SQLite's own locks do not span all of that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _create_private(path: Path) -> None:
    """Create the file readable by its owner only.

    A file that exists must not be opened here: closing it again would drop the locks that SQLite holds on it
    in this process (fcntl(2)), and another process could then take the write-ahead log away under us.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _migrate(engine: Engine, where: str) -> None:
    with engine.begin() as connection:
        _lock(connection)
        if _revision(connection) == HEAD:
            return
        from alembic import command  # noqa: PLC0415 - see `HEAD`
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise _unknown_schema(where) from error


def _revision(connection: Connection) -> str:
    """Return which migration a database has, empty for one without any."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _lock(connection: Connection) -> None:
    """Let one migrate at a time; SQLite sees to it by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MIGRATION_LOCK})
