"""The machines that share a database: each says how far its ledger has come, signed by its own key.

The database can hide or withhold what a machine said, and cannot make it say something else.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Engine, MetaData, String, Table, Text, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from keepstone.core.errors import StoreError

_machines = Table(
    "machines",
    MetaData(),
    Column("ledger", String(120), primary_key=True),
    Column("host", String(255)),
    Column("verifier", Text),
    Column("note", Text),
    Column("copy", Text),
    Column("reported_ns", BigInteger),
)


@dataclass(frozen=True, slots=True)
class MachineRow:
    """One machine: its ledger's name and key, the signed view of its logs, and where their copy lies."""

    ledger: str
    host: str
    verifier: str
    note: str
    copy: str
    reported_ns: int


class Machines:
    """The table; each call asks the database, so it belongs into a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def report(self, row: MachineRow) -> None:
        """Put a machine's newest words in; raise `StoreError` when another key has reported by this name."""
        values = {"host": row.host, "note": row.note, "copy": row.copy, "reported_ns": row.reported_ns}
        ours = (_machines.c.ledger == row.ledger) & (_machines.c.verifier == row.verifier)
        try:
            with self._engine.begin() as connection:
                if connection.execute(update(_machines).where(ours).values(**values)).rowcount:
                    return
                added = insert(_machines).values(ledger=row.ledger, verifier=row.verifier, **values)
                connection.execute(added)
        except IntegrityError as error:
            raise StoreError(f"another key has reported as the ledger `{row.ledger}`") from error
        except SQLAlchemyError as error:
            raise StoreError("the table of machines cannot be written") from error

    def all(self) -> list[MachineRow]:
        """Return every machine by its ledger's name; raise `StoreError` when that cannot be told."""
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(select(_machines).order_by(_machines.c.ledger)).all()
        except SQLAlchemyError as error:
            raise StoreError("the table of machines cannot be read") from error
        return [MachineRow(*row) for row in rows]
