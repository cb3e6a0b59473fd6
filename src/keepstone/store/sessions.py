"""Sessions that people have ended: a sealed cookie cannot be taken back, so every worker looks here."""

from sqlalchemy import BigInteger, Column, Engine, MetaData, String, Table, delete, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from keepstone.core.errors import StoreError

_ended = Table(
    "ended_sessions",
    MetaData(),
    Column("id", String(64), primary_key=True),
    Column("until_ns", BigInteger),
)


class EndedSessions:
    """The table; each call asks the database, so it belongs into a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def end(self, session_id: str, until_ns: int, now_ns: int) -> None:
        """End a session that could have lasted until `until_ns`, and forget those that are over anyway."""
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(_ended).where(_ended.c.until_ns < now_ns))
                connection.execute(insert(_ended).values(id=session_id, until_ns=until_ns))
        except IntegrityError:
            return  # it was ended already
        except SQLAlchemyError as error:
            raise StoreError("the session database cannot be written") from error

    def has(self, session_id: str) -> bool:
        """Say whether a session was ended; raise `StoreError` when that cannot be told."""
        try:
            with self._engine.connect() as connection:
                found = connection.execute(select(_ended.c.id).where(_ended.c.id == session_id)).first()
        except SQLAlchemyError as error:
            raise StoreError("the session database cannot be read") from error
        return found is not None
