"""Durations as the document writes them, `500ms` or `90d`, read into whole nanoseconds."""

import re

_UNITS = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_SHAPE = re.compile(r"([1-9][0-9]{0,5})(ms|s|m|h|d)")


def parse_duration(text: str) -> int:
    """Return the nanoseconds in `text`; raise `ValueError` for anything but a number and a unit."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a duration such as `500ms`, `30s` or `90d`, got `{text[:32]}`")
    return int(match[1]) * _UNITS[match[2]]


def seconds(text: str) -> float:
    """Return the seconds in `text`, as timers want them."""
    return parse_duration(text) / 1_000_000_000
