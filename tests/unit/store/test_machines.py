"""The table of machines: the newest words of each, under the key that spoke first."""

from dataclasses import replace

import pytest

from keepstone.core.errors import StoreError
from keepstone.store.engine import open_database
from keepstone.store.machines import MachineRow, Machines

ROW = MachineRow("keepstone/aa", "gw-1", "keepstone/aa+1+key", "note", "s3://acme/one", 1)


@pytest.fixture
def table(tmp_path):
    engine = open_database(tmp_path / "db")
    yield Machines(engine)
    engine.dispose()


def test_each_machine_has_one_row_with_its_newest_words(table):
    other = replace(ROW, ledger="keepstone/bb")
    newer = replace(ROW, note="newer", host="gw-2", copy="", reported_ns=2)
    for row in (ROW, other, newer):
        table.report(row)
    assert table.all() == [newer, other]


def test_nobody_speaks_for_another(table):
    table.report(ROW)
    with pytest.raises(StoreError, match="another key has reported as the ledger `keepstone/aa`"):
        table.report(replace(ROW, verifier="keepstone/aa+2+other", note="forged"))
    assert table.all() == [ROW]


def test_a_database_that_is_gone_is_told(tmp_path):
    engine = open_database(tmp_path / "db")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE machines")
    for ask in (lambda: Machines(engine).all(), lambda: Machines(engine).report(ROW)):
        with pytest.raises(StoreError, match="the table of machines cannot be"):
            ask()
    engine.dispose()
