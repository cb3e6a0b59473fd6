"""What a call costs, by model, place and day."""

from datetime import UTC, date, datetime
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given

from keepstone.core.exchange import TokenUsage
from keepstone.policy.prices import PriceBook
from keepstone.policy.schema.limits import Price

REGIONS = {"us": "us-east-1", "eu": "eu-central-1"}
NOW = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * 10**9
MILLION = TokenUsage(1_000_000, 1_000_000)


def own(model="m", **fields):
    return Price(model=model, **({"input": 1.0, "output": 2.0, "since": date(2026, 1, 1)} | fields))


def cost(prices, model_id, upstream="us", wall_ns=NOW, usage=MILLION):
    price = PriceBook(prices, REGIONS).price(model_id, upstream, wall_ns)
    return None if price is None else price.cost(usage) / 1e9


@pytest.mark.parametrize(
    ("model_id", "upstream", "expected"),
    [
        ("anthropic.claude-sonnet-4-20250514-v1:0", "us", 18.0),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "eu", 18.0),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu", 18.0),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "eu", 19.8),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", "us", 1.5),
        ("amazon.nova-lite-v1:0", "us", 0.3),
        ("amazon.nova-lite-v1:0", "eu", None),  # its source speaks of us-east-1 only
        ("amazon.nova-lite-v1:0", "a server of our own", None),
        ("keepstone.echo", "us", None),
        ("anthropic.claude-sonnet-4", "us", None),
    ],
)
def test_published_prices_are_found_by_id_profile_and_region(model_id, upstream, expected):
    assert cost((), model_id, upstream) == expected


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([own()], 3.0),
        ([own(since=date(2026, 11, 22))], None),
        ([own(), own(input=5.0, since=date(2026, 6, 1)), own(input=9.0, since=date(2027, 1, 1))], 7.0),
        ([own("*"), own(input=4.0)], 6.0),
        ([own(region="us-east-1", input=4.0), own()], 6.0),
        ([own(region="eu-central-1", input=4.0), own()], 3.0),
    ],
)
def test_the_row_that_says_most_about_this_call_holds(prices, expected):
    assert cost(prices, "m") == expected


def test_the_policy_goes_before_what_was_published():
    nova = "amazon.nova-lite-v1:0"
    assert cost([own("amazon.*", input=0.0, output=0.5)], nova) == 0.5


def test_a_price_holds_from_the_first_moment_of_its_day():
    day = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9
    rows = [own(since=date(2026, 6, 1))]
    assert cost(rows, "m", wall_ns=day) == 3.0
    assert cost(rows, "m", wall_ns=day - 1) is None


def test_cached_tokens_cost_what_input_does_unless_stated():
    usage = TokenUsage(0, 0, cache_read=1_000_000, cache_write=1_000_000)
    assert cost([own()], "m", usage=usage) == 2.0
    assert cost([own(cache_read=0.1, cache_write=1.25)], "m", usage=usage) == 1.35


@given(
    st.decimals(0, 1000, places=5),
    st.decimals(0, 1000, places=5),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
)
def test_costs_are_exact_and_rounded_up_by_less_than_a_billionth(read_price, write_price, read, written):
    rows = [own(input=float(read_price), output=float(write_price))]
    price = PriceBook(rows, REGIONS).price("m", "us", NOW)
    exact = (read * read_price + written * write_price) * 1000  # billionths
    assert 0 <= Decimal(price.cost(TokenUsage(read, written))) - exact < 1
    assert price.worst(read, written) >= price.cost(TokenUsage(read, written))
