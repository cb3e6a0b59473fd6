"""The page of costs names every switch, and only variables that there are."""

import re
from pathlib import Path

from docs.costs_page import FREE_SWITCHES, SWITCHES, costs_page

from keepstone.catalog.fixed_prices import fixed_prices
from keepstone.catalog.terraform_module import terraform_module

GATEWAY = Path(__file__).parents[2] / "src" / "keepstone" / "deploy" / "module" / "modules" / "gateway"


def test_every_switch_of_the_module_is_named_or_costs_nothing() -> None:
    named = {name for row in SWITCHES for name in re.findall(r"`(\w+)`", row[2])}
    switches = {name for name in terraform_module().variables if name.startswith("enable_")}
    assert switches == {name for name in named if name.startswith("enable_")} | FREE_SWITCHES
    assert not named & FREE_SWITCHES
    assert named <= terraform_module().variables.keys()


def test_variables_of_the_gateway_s_home_exist() -> None:
    page = costs_page()
    part = page[page.index("## Where the gateway runs") : page.index("## What calls add")]
    texts = [each.read_text() for each in GATEWAY.glob("*.tf")]
    declared = {name for text in texts for name in re.findall(r'^variable "(\w+)"', text, re.MULTILINE)}
    assert set(re.findall(r"`([a-z_]+)`", part)) <= declared


def test_every_price_stands_on_the_page() -> None:
    page = costs_page()
    prices = fixed_prices()
    missing = [
        each.what for each in (*prices.units.values(), *prices.by_use.values()) if each.what not in page
    ]
    assert missing == []
    assert all(f"`{name}`" in page for name in prices.types)
    assert prices.looked_at in page
    assert prices.region in page
