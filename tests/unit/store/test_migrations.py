"""Migrations: run where they are needed, and not even imported where they are not."""

import subprocess
import sys

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from keepstone.core.errors import StoreError
from keepstone.store.engine import HEAD, MIGRATIONS, open_database

OPEN = """
import sys
from pathlib import Path
from keepstone.store.engine import open_database
open_database(Path(sys.argv[1])).dispose()
print("alembic" in sys.modules)
"""


def test_the_newest_migration_is_the_one_that_is_looked_for():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


@pytest.mark.slow
def test_a_database_that_is_up_to_date_is_opened_without_alembic(tmp_path):
    command = [sys.executable, "-c", OPEN, tmp_path / "keepstone.db"]
    said = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert said == ["True\n", "False\n"]


def test_an_older_database_is_brought_up_to_date_and_a_newer_one_refused(tmp_path):
    path = tmp_path / "keepstone.db"
    open_database(path).dispose()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE machines"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0004_ended_sessions'"))
    open_database(path).dispose()
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM machines")).scalar() == 0
        connection.execute(text("UPDATE alembic_version SET version_num = '9999_later'"))
    engine.dispose()
    with pytest.raises(StoreError, match="has a schema that this version does not know"):
        open_database(path)
