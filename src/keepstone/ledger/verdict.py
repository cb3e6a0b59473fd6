"""What a verification says: PASS, FAIL or NOT_EVALUATED, why, and which records are concerned."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """Three sides: a log that could not be checked is neither good nor bad."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a secret
    FAIL = "FAIL"
    NOT_EVALUATED = "NOT_EVALUATED"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that does not hold, for the records from `start` up to `stop` (None: to the end)."""

    what: str
    start: int
    stop: int | None

    @property
    def range(self) -> str:
        """Return the records concerned, for people."""
        if self.stop is None:
            return f"{self.start} to the end"
        return f"{self.start}" if self.stop - self.start <= 1 else f"{self.start} to {self.stop - 1}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of recomputing a whole log; `checked` counts records whose bytes were hashed."""

    verdict: Verdict
    reason: str
    size: int
    root: bytes
    checked: int
    pruned: int
    signatures: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
