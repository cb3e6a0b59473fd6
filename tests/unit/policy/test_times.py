"""Windows of time: what they write, when they hold, and a clock that must say the same."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.policy.times import DAYS, MINUTE_NS, WindowClock, instants_of, parse_window
from tests.laws import examples

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("window", "instant", "holds"),
    [
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-20T08:00:00", True),  # a Friday
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-20T07:59:59", False),
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-20T17:59:59", True),
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-20T18:00:00", False),
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-21T12:00:00", False),
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-07-17T08:00:00", True),  # in summer time too
        ("Fri-Mon 08:00-18:00 Europe/Berlin", "2026-11-22T12:00:00", True),
        ("Fri-Mon 08:00-18:00 Europe/Berlin", "2026-11-24T12:00:00", False),
        ("Tue,Sat 00:00-24:00 Europe/Berlin", "2026-11-21T23:59:59", True),
        ("Tue,Sat 00:00-24:00 Europe/Berlin", "2026-11-22T00:00:00", False),
        ("Fri 22:00-06:00 Europe/Berlin", "2026-11-21T05:59:00", True),
        ("Fri 22:00-06:00 Europe/Berlin", "2026-11-20T05:59:00", False),
        ("Fri 22:00-06:00 Europe/Berlin", "2026-11-20T22:00:00", True),
        ("Fri 22:00-06:00 Europe/Berlin", "2026-11-21T22:00:00", False),
        ("daily 08:00-09:00 UTC", "2026-11-21T09:30:00", True),  # 08:30 there
    ],
)
def test_a_window_holds_in_its_own_zone(window: str, instant: str, holds: bool) -> None:
    assert parse_window(window).holds(at(instant)) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("always", "expected days, hours and a time zone"),
        ("Mon-Fri 8:00-18:00 UTC", "expected days, hours and a time zone"),
        ("Mon-Fri 08:00-25:00 UTC", "`25:00` is no time of a day"),
        ("Mon-Fri 08:60-18:00 UTC", "`08:60` is no time of a day"),
        ("Mon-Fri 24:00-18:00 UTC", "a start before"),
        ("Mon-Fri 08:00-08:00 UTC", "empty or whole"),
        ("Mon-Someday 08:00-18:00 UTC", "names no days"),
        ("mon 08:00-18:00 UTC", "names no days"),
        ("Mon 08:00-18:00 Europe/Atlantis", "is no time zone"),
        ("Mon 08:00-18:00 ../../etc/passwd", "expected days"),
        ("Mon 08:00-18:00 /etc/localtime", "is no time zone"),
    ],
)
def test_what_does_not_exist_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_window(text)


windows = st.builds(
    "{} {:02}:{:02}-{:02}:{:02} {}".format,
    st.sampled_from([*DAYS, "daily", "Mon-Fri", "Sat-Sun,Wed"]),
    st.integers(0, 11),
    st.integers(0, 59),
    st.integers(12, 23),
    st.integers(0, 59),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu"]),
).map(parse_window)
instants = st.integers(at("2020-01-01T00:00:00"), at("2030-01-01T00:00:00"))


@given(st.lists(windows, min_size=1, max_size=4), st.lists(instants, min_size=1, max_size=8))
@settings(max_examples=examples(200))
def test_the_clock_says_what_the_windows_say(several: list, times: list[int]) -> None:
    clock = WindowClock(tuple(several))
    for instant in (near for time in times for near in (time, time + 1, time + MINUTE_NS, time - MINUTE_NS)):
        assert clock.state(instant) == sum(each.holds(instant) << n for n, each in enumerate(several))


@given(windows, instants)
@settings(max_examples=examples(40), deadline=None)
def test_every_state_of_a_week_has_an_instant(window, start: int) -> None:
    found = {window.holds(each) for each in instants_of((window,), start)}
    begin = start // MINUTE_NS
    quarter_hours = {window.holds((begin + n) * MINUTE_NS) for n in range(0, 7 * 24 * 60, 15)}
    assert quarter_hours <= found
