import pytest

from tests.services.valkey import valkey


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A Valkey that the tests of one worker share; each uses an organisation of its own."""
    with valkey(tmp_path_factory.mktemp("valkey")) as running:
        yield running
