"""Opens the database: SQLite embedded today, by SQLAlchemy Core so that PostgreSQL runs the same code."""

import contextlib
import os
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry

from keepstone.core.errors import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(path: Path) -> Engine:
    """Open, or create and migrate, the embedded database; raise `StoreError` when it is not ours."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _create_private(path)
        engine = create_engine(f"sqlite:///{path}")
        event.listen(engine, "connect", _prepare)
        _migrate(engine)
    except OSError as error:
        raise StoreError(f"cannot open `{path}`: {error.strerror}") from error
    except CommandError as error:
        hint = "use the Keepstone version that wrote it, or a newer one"
        raise StoreError(f"`{path}` has a schema that this version does not know", hint=hint) from error
    except DatabaseError as error:
        hint = "move the file away to start with an empty one; keys in it are then lost"
        raise StoreError(f"`{path}` is not a usable database", hint=hint) from error
    return engine


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


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
