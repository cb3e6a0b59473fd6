"""What holds whatever the policy: more instruments never forbid, fewer places never allow, all must agree."""

from hypothesis import given
from hypothesis import strategies as st

from keepstone.catalog.places import regions
from keepstone.policy.residency.routing import Reach, narrow, weigh
from keepstone.policy.residency.verdict import Says
from tests.unit.policy.residency.worlds import CONSENTS, INSTRUMENTS, UPSTREAM, facts, rules

PLACED = sorted(each.id for each in regions().values() if each.country)
DATA = st.lists(st.sampled_from(["EU", "DE", "GB", "CH", "US-CA", "IN"]), min_size=1, max_size=3, unique=True)
NAMES = st.lists(st.sampled_from(sorted(INSTRUMENTS)), max_size=4, unique=True)
PLACES = st.lists(st.sampled_from(["EEA", "CH", "GB", "US", "IN", "JP", "DE"]), max_size=4, unique=True)
FACTS = st.builds(
    facts,
    DATA,
    st.dates().map(lambda day: f"{2015 + day.year % 25}-{day.month:02}-{min(day.day, 28):02}"),
    st.sampled_from(["", "support", "research"]),
    st.sampled_from(sorted(CONSENTS)),
)
REACHES = st.builds(Reach, st.lists(st.sampled_from([*PLACED, "*"]), max_size=3).map(tuple))
NOON = 1_795_262_400_000_000_000


def says(region, asked, reach, **more):
    return weigh(rules(region, **more), asked, UPSTREAM, reach).says


def stays(places, asked):
    return [(code, places) for code in asked.jurisdictions] if places else []


@given(st.sampled_from(PLACED), FACTS, REACHES, PLACES, NAMES, NAMES)
def test_another_instrument_never_forbids(region, asked, reach, places, some, more):
    before = says(region, asked, reach, stay=stays(places, asked), instruments=some)
    both = list(dict.fromkeys([*some, *more]))
    if before is Says.YES:
        assert says(region, asked, reach, stay=stays(places, asked), instruments=both) is Says.YES


@given(st.sampled_from(PLACED), FACTS, REACHES, PLACES, st.data())
def test_one_place_less_never_allows(region, asked, reach, places, data):
    names = data.draw(NAMES)
    fewer = [each for each in places if each != data.draw(st.sampled_from([*places, ""]))]
    if not fewer:
        return
    before = says(region, asked, reach, stay=stays(places, asked), instruments=names)
    if before is not Says.YES:
        assert says(region, asked, reach, stay=stays(fewer, asked), instruments=names) is not Says.YES


@given(st.sampled_from(PLACED), FACTS, REACHES, NAMES)
def test_a_profile_is_no_better_than_the_worst_of_its_destinations(region, asked, reach, names):
    whole = says(region, asked, reach, instruments=names)
    parts = [says(each, asked, Reach(), instruments=names) for each in reach.regions if each != "*"]
    if whole is Says.YES:
        assert set(parts) <= {Says.YES}


@given(st.sampled_from(PLACED), FACTS, REACHES, NAMES)
def test_a_jurisdiction_more_never_allows(region, asked, reach, names):
    alone = [
        says(region, facts([code], str(asked.day), asked.purpose), reach, instruments=names)
        for code in asked.jurisdictions
    ]
    together = facts(asked.jurisdictions, str(asked.day), asked.purpose)
    assert (says(region, together, reach, instruments=names) is Says.YES) == (set(alone) == {Says.YES})


@given(st.sampled_from(PLACED), FACTS, REACHES, NAMES)
def test_candidates_are_those_that_every_word_allows(region, asked, reach, names):
    known = rules(region, instruments=names)
    found = narrow(known, asked, [(UPSTREAM, reach)], NOON)
    assert (found.candidates == (UPSTREAM,)) == (found.refusal is None)
    assert bool(found.candidates) == (weigh(known, asked, UPSTREAM, reach).says is Says.YES)
