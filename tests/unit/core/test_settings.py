"""Settings from the environment."""

import pytest

from keepstone.core.errors import UsageError
from keepstone.core.settings import from_environment


def test_the_address_of_the_shared_store_is_read_and_never_shown():
    url = "valkey://me:" + "hidden@host"
    settings = from_environment({"KEEPSTONE_RATES": url})
    assert settings.rates == url
    assert "hidden" not in repr(settings)
    assert from_environment({}).rates == ""


def test_a_first_key_is_made_unless_it_is_switched_off():
    assert from_environment({}).first_key
    assert not from_environment({"KEEPSTONE_FIRST_KEY": "off"}).first_key
    with pytest.raises(UsageError, match="`on` or `off`"):
        from_environment({"KEEPSTONE_FIRST_KEY": "0"})


def test_idle_connections_stay_open_as_long_as_a_load_balancer_in_front_needs():
    assert from_environment({}).keep_alive == 5
    assert from_environment({"KEEPSTONE_KEEP_ALIVE": "615"}).keep_alive == 615
    with pytest.raises(UsageError, match="KEEPSTONE_KEEP_ALIVE"):
        from_environment({"KEEPSTONE_KEEP_ALIVE": "0"})
