import re
from datetime import date

import pytest
from tools import regions as generator

from keepstone.catalog.jurisdictions import blocs, countries_of, looked_at, regime_of, regimes
from keepstone.catalog.places import (
    ANYWHERE,
    commercial_regions,
    country_of,
    partition_of,
    profiles,
    regions,
)

TODAY = date(2026, 11, 21)


def test_the_file_is_what_botocore_and_the_table_give():
    assert generator.FILE.read_text("utf-8") == generator.text()


@pytest.mark.parametrize(
    ("region", "country"),
    [
        ("eu-central-2", "CH"),
        ("eu-west-2", "GB"),
        ("eusc-de-east-1", "DE"),
        ("me-central-1", "AE"),
        ("eu-isoe-west-1", ""),
        ("aws-global", ""),
        ("xx-new-1", ""),
    ],
)
def test_where_a_region_is(region, country):
    assert country_of(region) == country


def test_every_commercial_region_has_a_country():
    assert all(re.fullmatch("[A-Z]{2}", country_of(each)) for each in commercial_regions())
    assert len(commercial_regions()) > 30


def test_what_profiles_may_reach_is_known():
    for geography, reached in profiles().geographies.items():
        assert set(reached) <= {*regions(), ANYWHERE}, geography
    assert "me-central-1" in profiles().geographies["apac"]
    assert not profiles().providers & set(profiles().geographies)


def test_blocs():
    assert len(blocs()["EU"]) == 27
    assert blocs()["EEA"] - blocs()["EU"] == {"IS", "LI", "NO"}
    assert not blocs()["EEA"] & {"CH", "GB"}
    assert countries_of("CH") == {"CH"}


@pytest.mark.parametrize(
    ("jurisdiction", "law"),
    [("EU", "EU"), ("NO", "EU"), ("FR", "EU"), ("GB", "GB"), ("CH", "CH"), ("US-CA", "US"), ("US", "US")],
)
def test_whose_law_it_is(jurisdiction, law):
    assert regime_of(jurisdiction).id == law


def test_a_law_that_is_not_here():
    assert regime_of("IN") is None


def test_decisions_are_dated_and_do_not_overlap():
    assert looked_at() <= TODAY
    for regime in regimes():
        for one in regime.adequacy:
            assert one.until is None or one.since <= one.until
            assert not one.needs or one.scope
            same = [each for each in regime.adequacy if each.country == one.country and each.holds(one.since)]
            assert same == [one], (regime.id, one.country)


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-central-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-gov-north-9", "aws-us-gov"),
        ("us-north-9", "aws"),
        ("eu-isoe-north-9", "aws-iso-e"),
        ("xx-new-1", ""),
        ("", ""),
    ],
)
def test_a_regions_partition(region, partition):
    assert partition_of(region) == partition


def test_neighbours_are_in_one_partition():
    areas = {each.rsplit("-", 2)[0]: set() for each in regions()}
    for each in regions().values():
        areas[each.id.rsplit("-", 2)[0]].add(each.partition)
    assert [area for area, found in areas.items() if len(found) > 1] == []
