"""Calendar periods, and what the document says about limits that the types cannot."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from keepstone.policy.compile import compile_policy
from keepstone.policy.explain.document import explain_document
from keepstone.policy.limits import Period, Unit
from tests.unit.policy.documents import MINIMAL, loaded, problems_of

BILLION = 10**9
ZONES = ("UTC", "Europe/Oslo", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "America/Santiago")


@given(
    st.sampled_from(ZONES),
    st.sampled_from(["day", "month"]),
    st.integers(0, 2_000_000_000),
)
def test_a_period_holds_its_moment_and_meets_the_next(zone, per, moment):
    period = Period(per, zone)
    start, end = period.bounds(moment * BILLION)
    assert start <= moment * BILLION < end
    assert period.bounds(start) == (start, end)
    assert period.bounds(end)[0] == end
    first, after = (datetime.fromtimestamp(each // BILLION, ZoneInfo(zone)) for each in (start, end))
    if per == "month":
        assert (first.day, after.day) == (1, 1)
    assert timedelta(hours=20) < after - first < timedelta(days=32)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("{name: a}", "limit `a` limits nothing"),
        ("{name: a, alert_at: [50]}", "limit `a` limits nothing"),
        ("{name: a, cost: 5, per: month, window: 2h}", "`per` and `window` exclude each other"),
        ("{name: a, cost: 5, zone: Europe/Oslo}", "`zone` matters with `per` only"),
        ("{name: a, cost: 5, per: day, zone: Europe/Nowhere}", "unknown time zone `Europe/Nowhere`"),
        ("{name: a, cost: 5, per: day, zone: ../etc}", "unknown time zone `../etc`"),
        ("{name: a, cost: 0}", "expected a number above 0"),
        ("{name: a, cost: -1}", "expected a number above 0"),
        ("{name: a, cost: 2000000}", "expected a number of at most 1e+06"),
        ("{name: a, cost: .inf}", "expected a number, got text"),
        ("{name: a, cost: true}", "expected a number, got the boolean `true`"),
        ("{name: a, requests: 5, alert_at: [101]}", "expected a whole number from 1 to 100"),
        ("{name: a, cost: 5}, {name: b, cost: 5, currency: EUR}", "expected one currency"),
    ],
)
def test_what_makes_no_sense_is_told(limit, said):
    problems = problems_of(MINIMAL + f"limits: [{limit}]\n")
    assert any(said in each.message for each in problems), [each.message for each in problems]


def test_prices_that_count_nowhere_are_told():
    price = "{model: 'anthropic.*', input: 1, output: 2, since: 2026-01-01, currency: EUR}"
    problems = problems_of(MINIMAL + f"limits: [{{name: a, cost: 5}}]\nprices: [{price}]\n")
    assert [each.message for each in problems] == ["no limit of money is in `EUR`: it counts nowhere"]


@pytest.mark.parametrize(
    ("since", "said"),
    [
        ("2026-13-01", "expected a date, got `2026-13-01`"),
        ("20260101", "expected a date, got the number `20260101`"),
        ("2026-W01-1", "expected a date, got `2026-W01-1`"),
        ("'20260101'", "expected a date, got `20260101`"),
    ],
)
def test_a_price_without_a_day_is_told_where_it_stands(since, said):
    (problem,) = problems_of(MINIMAL + f"prices: [{{model: m, input: 1, output: 2, since: {since}}}]\n")
    assert (problem.message, problem.path) == (said, "prices[0].since")


def test_limits_are_compiled_to_units_in_their_order():
    text = "limits: [{name: a, cost: 0.25, streams: 2, tokens: 9, per: month, zone: Europe/Oslo}]\n"
    (rule,) = compile_policy(loaded(MINIMAL + text)).limits
    assert rule.bounds == ((Unit.TOKENS, 9), (Unit.COST, 250_000_000), (Unit.STREAMS, 2))
    assert (rule.period, rule.currency) == (Period("month", "Europe/Oslo"), "USD")
    assert rule.span == "month in Europe/Oslo"


def test_limits_and_counting_are_said_in_words():
    text = """\
limits:
  - {name: a, scope: tenant, cost: 0.5, currency: EUR, per: day, zone: Europe/Oslo, alert_at: [80, 50]}
  - {name: b, tokens: 9, input_tokens: 5, streams: 2, concurrent: 7, models: ["anthropic.*"]}
rates: {when_unavailable: local, local_share: 30, reserve: worst, assume_output: 64, unpriced: allow}
"""
    sections = {each.title: each.sentences for each in explain_document(loaded(MINIMAL + text).document)}
    assert sections["Limits"] == (
        "`a`: each tenant may spend 0.5 EUR in a calendar day (Europe/Oslo); alerts at 80 % and 50 %.",
        (
            "`b`: each principal may spend 9 tokens and 5 input tokens in 1m and have 2 streams and 7 calls "
            "open at once on `anthropic.*`."
        ),
    )
    counting = " ".join(sections["Counting"])
    assert "each gateway counts by itself, up to 30 % of each limit" in counting
    assert (
        "reserves a token for each byte of its body, and the output that it states, or 64 tokens" in counting
    )
    assert "a call of a model without a price is let through" in counting
    assert "Limits of money do not see models without a price." in sections["Not protected"]
    assert any("forgotten when it restarts" in each for each in sections["Not protected"])
