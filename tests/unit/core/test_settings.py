"""Settings from the environment."""

from keepstone.core.settings import from_environment


def test_the_address_of_the_shared_store_is_read_and_never_shown():
    url = "valkey://me:" + "hidden@host"
    settings = from_environment({"KEEPSTONE_RATES": url})
    assert settings.rates == url
    assert "hidden" not in repr(settings)
    assert from_environment({}).rates == ""
