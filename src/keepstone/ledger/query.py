"""SQL over the record: DuckDB on Parquet files that are made from the log, and made again when they are lost.

The files are a copy for speed and prove nothing; whoever must be sure compares with the log (`ledger verify`,
`ledger prove`). Each holds `CHUNK` records of one log and is never changed; what has not filled one yet is
read from the log itself. A query can read nothing but this: no other file, no network, no setting.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from keepstone.core.errors import LedgerError, UsageError
from keepstone.ledger.export.columns import INSTALL, pyarrow, schema, tables
from keepstone.ledger.export.source import Source

CHUNK = 16_384
Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A query's result: column names and rows, at most as many as were asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


def refresh(source: Source, folder: Path, told: Told = lambda _done, _total: None) -> None:
    """Write the files of all full chunks that are not there yet; nobody but their owner may read them."""
    pa = pyarrow()
    _private_folder(folder, folder)
    for log in source.sizes:
        _forget_pruned(source, folder, log)
    wanted = [
        (log, start) for log, size in source.sizes.items() for start in range(0, size // CHUNK * CHUNK, CHUNK)
    ]
    missing = [each for each in wanted if not _file(folder, *each).exists()]
    for done, (log, start) in enumerate(missing, 1):
        path = _file(folder, log, start)
        _private_folder(path.parent, folder)
        table = pa.concat_tables(
            [*tables(_chunk(source, log, start), CHUNK), schema().empty_table()], promote_options="default"
        )
        _write(pa, table, path)
        told(done, len(missing))


def ask(source: Source, folder: Path, sql: str, *, most: int = 1000) -> Answer:
    """Run one query over the table `records`; raise `UsageError` for SQL that cannot be run."""
    duckdb = _duckdb()
    connection = duckdb.connect()
    try:
        _offer(connection, source, folder)
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError("a query only reads", hint="expected one `SELECT`")
        found = connection.sql(sql).to_arrow_reader(most + 1)
        rows: list[tuple[Any, ...]] = []
        for batch in found:
            rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
            if len(rows) > most:
                break
        columns = tuple(found.schema.names)
    except duckdb.Error as error:
        raise UsageError(
            f"the query failed: {str(error).splitlines()[0]}", hint="the table is `records`"
        ) from error
    finally:
        connection.close()
    return Answer(columns, tuple(rows[:most]), len(rows) > most)


def _forget_pruned(source: Source, folder: Path, log: str) -> None:
    """Remove files that hold records which the log has let go of; what is left of them is written again."""
    first = next((entry.index for entry in source.entries(log)), source.sizes[log])
    for path in sorted((folder / log).glob("*.parquet")):
        if int(path.stem) < first and not _begins_at(path, first):
            path.unlink()


def _begins_at(path: Path, first: int) -> bool:
    column = pyarrow().parquet.read_table(path, columns=["index"])["index"]
    return len(column) > 0 and column[0].as_py() >= first


def _offer(connection: Any, source: Source, folder: Path) -> None:
    """Make `records` of the files and of what is in no file yet, then close every other door."""
    pa = pyarrow()
    tails = [
        table
        for log, size in source.sizes.items()
        for table in tables(source.entries(log, size // CHUNK * CHUNK), CHUNK)
    ]
    connection.register("tail", pa.concat_tables([*tails, schema().empty_table()]))
    files = [
        str(_file(folder, log, start))
        for log, size in source.sizes.items()
        for start in range(0, size // CHUNK * CHUNK, CHUNK)
    ]
    connection.execute("SET TimeZone = 'UTC'")
    if files:
        connection.execute("SET allowed_paths = ?", [files])
        names = ", ".join(f'"{name}"' for name in schema().names)
        listed = ", ".join("'" + name.replace("'", "''") + "'" for name in files)
        connection.execute(
            f"CREATE VIEW records AS SELECT {names} FROM read_parquet([{listed}]) "  # noqa: S608 - our own file names
            f"UNION ALL SELECT {names} FROM tail"
        )
    else:
        connection.execute("CREATE VIEW records AS SELECT * FROM tail")
    for setting in ("enable_external_access = false", "lock_configuration = true"):
        connection.execute(f"SET {setting}")


def _chunk(source: Source, log: str, start: int) -> Any:
    for entry in islice(source.entries(log, start), CHUNK):
        if entry.index >= start + CHUNK:
            return
        yield entry


def _file(folder: Path, log: str, start: int) -> Path:
    return folder / log / f"{start:012d}.parquet"


def _write(pa: Any, table: Any, path: Path) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            pa.parquet.write_table(table, made, compression="zstd")
            made.chmod(0o600)
            made.replace(path)
    except OSError as error:
        free = shutil.disk_usage(path.parent).free >> 20
        raise LedgerError(
            f"cannot write `{path}`: {error.strerror or error}", hint=f"{free} MB are free"
        ) from error


def _private_folder(path: Path, top: Path) -> None:
    """Make a folder that only its owner may enter, and those above it up to `top`; close older ones, too."""
    path.mkdir(parents=True, exist_ok=True)
    for each in (path, *path.parents):
        each.chmod(0o700)
        if each == top:
            return


def _duckdb() -> Any:
    try:
        import duckdb  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise LedgerError("queries need DuckDB", hint=INSTALL) from error
    return duckdb
