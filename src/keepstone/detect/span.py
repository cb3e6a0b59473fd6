"""A place in a text and what stands there."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters `start` to `end` (exclusive) of a text are a `type`, as the row `detector` says."""

    start: int
    end: int
    type: str
    detector: str

    def overlaps(self, other: "Span") -> bool:
        """Say whether both spans share a character."""
        return self.start < other.end and other.start < self.end
