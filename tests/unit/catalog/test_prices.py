"""The published prices: dated, sourced, without two answers to one question."""

from collections import Counter
from datetime import date

from keepstone.catalog.prices import published_prices


def test_each_row_has_a_source_a_past_date_and_a_price():
    rows = published_prices()
    assert len(rows) > 20
    for row in rows:
        assert row.source.count("/") >= 1
        assert date(2023, 1, 1) < row.since <= date(2026, 11, 21)
        assert 0 < row.input <= row.output <= 1000
        assert row.currency == "USD"


def test_no_row_stands_twice():
    counts = Counter((row.model, row.region, row.since) for row in published_prices())
    assert max(counts.values()) == 1


def test_reading_a_cache_is_never_dearer_than_reading():
    assert all(row.cache_read is None or row.cache_read < row.input for row in published_prices())
