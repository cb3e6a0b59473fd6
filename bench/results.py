"""What a run found, as it is saved in bench/.work/results.json."""

import msgspec

from bench.load import Level
from bench.machine import Machine


class Figures(msgspec.Struct, frozen=True):
    """A contender's row: peak memory and a level for each concurrency (its keys are texts, for JSON)."""

    title: str
    peak_mb: float
    levels: dict[str, Level]


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
