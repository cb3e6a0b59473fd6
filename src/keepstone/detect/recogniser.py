"""A recogniser: one declarative row that says how one form of one type looks.

Patterns are RE2 (linear time on any input) within the subset that Python's own parser reads too, so that
`width.py` can say how many characters a row needs to see. `\\b` is about ASCII words.
"""

from collections.abc import Callable
from dataclasses import dataclass

Validator = Callable[[str], bool]

# Between a context word and its value: `PIN is 4821`, `pin: 4821`, `"pin": "4821"`, `PIN number 4821`.
LINK = (
    r"""["'*_)]{0,3}(?:[ \t_-]?(?i:codes?|numbers?|no\.?|nr\.?|num|id|#))?["'*_)]{0,3}"""
    r"""[ \t]{0,2}(?:(?i:is|was|are|of)[ \t]|:{1,2}|=>?|#|-)?[ \t]{0,2}["'*_(]{0,3}"""
)


@dataclass(frozen=True, slots=True)
class Recogniser:
    """One row of the registry.

    `pattern` is the value itself; `before` and `after` are what must stand directly around it and are not
    part of the span. `trigger` is a cheaper pattern that hits wherever the full one does; it takes the full
    pattern's place in the first pass. `validate` has the last word (a checksum, a structure, an entropy).
    """

    id: str
    type: str
    pattern: str
    before: str = ""
    after: str = ""
    trigger: str = ""
    validate: Validator | None = None

    @property
    def full(self) -> str:
        """Return the pattern with its surroundings; group 1 is the value."""
        return f"(?:{self.before})({self.pattern})(?:{self.after})"
