"""What a run found, as it is saved in bench/.work/results.json."""

from statistics import mean

import msgspec

from bench.load import Level
from bench.machine import Machine


class Figures(msgspec.Struct, frozen=True):
    """A contender's row: peak memory and a level for each concurrency (its keys are texts, for JSON)."""

    title: str
    peak_mb: float
    levels: dict[str, Level]


class Delay(msgspec.Struct, frozen=True):
    """How long the first text of streams was on its way, and what was there before any could go.

    `window_events` events of the upstream, `window_chars` characters, complete the scan window.
    """

    title: str
    streams: int
    window_events: int
    window_chars: int
    p50_ms: float
    p99_ms: float


class Soak(msgspec.Struct, frozen=True):
    """Memory while calls were made without a pause: (calls so far, MB resident), sample by sample."""

    date: str
    samples: list[tuple[float, float]]

    @property
    def calls(self) -> float:
        """How many calls were made."""
        return self.samples[-1][0] if self.samples else 0

    def early_mb(self) -> float:
        """The mean of the second quarter: everything is warm."""
        quarter = len(self.samples) // 4
        return mean(size for _, size in self.samples[quarter : 2 * quarter])

    def late_mb(self) -> float:
        """The mean of the last quarter."""
        return mean(size for _, size in self.samples[-(len(self.samples) // 4) :])


class Results(msgspec.Struct, frozen=True):
    """The whole run, as it is saved."""

    date: str
    machine: Machine
    versions: dict[str, str]
    seconds: float
    rounds: int
    request_bytes: int
    answer_bytes: int
    contenders: dict[str, Figures]
    streams: dict[str, Delay] = {}

    def others(self) -> float:
        """The most of the machine that was taken by anything else while a figure was made; 0 to 1."""
        levels = (level for figures in self.contenders.values() for level in figures.levels.values())
        return max((level.others for level in levels), default=0.0)

    def level(self, name: str, connections: int) -> Level | None:
        """A contender's figures at a concurrency; none when it did not take part."""
        figures = self.contenders.get(name)
        return figures.levels.get(str(connections)) if figures else None
