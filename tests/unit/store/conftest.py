"""A PostgreSQL for the whole session, a database of its own for each test."""

import itertools

import pytest
from sqlalchemy import create_engine

from tests.services.postgres import Postgres

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres():
    """A running server."""
    server = Postgres()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def postgres_database(postgres):
    """URL of an empty database."""
    name = f"test{next(_numbers)}"
    admin = create_engine(
        postgres.url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    admin.dispose()
    return postgres.url.rpartition("/")[0] + f"/{name}"
