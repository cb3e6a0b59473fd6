"""Windows of time in which a rule holds: days and hours in a time zone; time comes in as an argument."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

MINUTE_NS = 60_000_000_000
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_SHAPE = re.compile(r"([A-Za-z,-]+) ([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2}) ([A-Za-z0-9_+/-]+)")
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The minutes from `start` up to `end` on some days; past midnight when `end` is not after `start`.

    The day is that of the start: `Fri 22:00-06:00` reaches into Saturday.
    """

    text: str
    days: frozenset[int]
    start: int
    end: int
    zone: ZoneInfo

    def holds(self, wall_ns: int) -> bool:
        """Say whether an instant lies in the window."""
        local = datetime.fromtimestamp(wall_ns // 1_000_000_000, self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or (
            (day - 1) % 7 in self.days and minute < self.end
        )


def parse_window(text: str) -> TimeWindow:
    """Return the window that `text` writes; raise `ValueError` for what does not exist."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError("expected days, hours and a time zone, such as `Mon-Fri 08:00-18:00 Europe/Berlin`")
    start, end = _minute(match[2], match[3]), _minute(match[4], match[5])
    if start == _DAY:
        raise ValueError("expected a start before `24:00`")
    if start == end:
        raise ValueError("a window that begins as it ends is empty or whole; write `00:00-24:00` for all day")
    return TimeWindow(text, _days(match[1]), start, end, _zone(match[6]))


class WindowClock:
    """Which of some windows are open, as one number; worked out once a minute.

    Windows open and close on whole minutes, and the time zones of our days differ from UTC by whole minutes.
    """

    def __init__(self, windows: tuple[TimeWindow, ...]) -> None:
        self._windows = windows
        self._known = (-1, 0)

    def state(self, wall_ns: int) -> int:
        """Return a bit for each open window."""
        minute = wall_ns // MINUTE_NS
        known, state = self._known
        if minute != known:
            state = sum(each.holds(wall_ns) << n for n, each in enumerate(self._windows))
            self._known = (minute, state)  # one assignment: threads see one whole pair or the other
        return state


def instants_of(windows: tuple[TimeWindow, ...], wall_ns: int) -> tuple[int, ...]:
    """Return, of the week that begins at an instant, each minute at which one of the windows may change."""
    begin = wall_ns // MINUTE_NS
    marks = {(each.zone.key, minute % _DAY) for each in windows for minute in (each.start, each.end)}
    zones = {each.zone.key: each.zone for each in windows}
    found = [begin]
    for offset in range(7 * _DAY):
        seconds = (begin + offset) * 60
        if any(_at(seconds, zones[key]) == minute for key, minute in marks if offset):
            found.append(begin + offset)
    return tuple(minute * MINUTE_NS for minute in found)


def _at(seconds: int, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(seconds, zone)
    return local.hour * 60 + local.minute


def shown(wall_ns: int) -> str:
    """Return an instant as people read it, in UTC."""
    return datetime.fromtimestamp(wall_ns // 1_000_000_000, UTC).strftime("%a %Y-%m-%d %H:%M UTC")


def _minute(hours: str, minutes: str) -> int:
    value = int(hours) * 60 + int(minutes)
    if value > _DAY or int(minutes) > 59:
        raise ValueError(f"`{hours}:{minutes}` is no time of a day")
    return value


def _days(text: str) -> frozenset[int]:
    if text == "daily":
        return frozenset(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(
                f"`{part[:16]}` names no days, expected {', '.join(DAYS)}, spans of them or `daily`"
            )
        start, stop = DAYS.index(first), DAYS.index(last or first)
        found.update((start + n) % 7 for n in range((stop - start) % 7 + 1))
    return frozenset(found)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"`{name[:48]}` is no time zone, expected one of IANA's, such as `UTC`") from error
