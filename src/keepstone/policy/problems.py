"""What is wrong with a policy document: where, what, and what to do.

A problem never holds a secret: values are shown only through `shown`, source lines only through `excerpt_of`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

from keepstone.core.errors import PolicyError
from keepstone.policy.credentials import redacted

Path = tuple[str | int, ...]

_CONTEXT = 2000


class Severity(StrEnum):
    """An error refuses the document; a warning is told and lets it pass."""

    ERROR = "error"
    WARNING = "warning"


_INIT = "`keepstone init` writes a first policy"
_OVERLAY = "write what differs in this environment, such as `organisation: {name: Acme test}`"
_CASES = "start with `version: 1` and `cases:`"


class Kind(Enum):
    """What a file is for, with what to do when it is missing, empty, or no map."""

    POLICY = ("the policy", _INIT, _INIT, "start with `version: 1`")
    OVERLAY = ("the policy", f"{_OVERLAY}, or leave the environment out", _OVERLAY, _OVERLAY)
    CASES = ("the table of cases", "name a table, or write one: docs/admission.md shows how", _CASES, _CASES)

    def __init__(self, noun: str, missing: str, empty: str, start: str) -> None:
        self.noun, self.missing, self.empty, self.start = noun, missing, empty, start


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: its position, its path in the document, the source line with a caret."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    excerpt: str = ""

    @property
    def position(self) -> str:
        """Return `file:line:column`, which editors and terminals can open."""
        return f"{self.file}:{self.line}:{self.column}"


class InvalidPolicyError(PolicyError):
    """The document was refused; `problems` lists the errors first, then the warnings."""

    def __init__(self, problems: Sequence[Problem], kind: Kind = Kind.POLICY) -> None:
        self.problems = tuple(problems)
        errors = [each for each in problems if each.severity is Severity.ERROR]
        first = errors[0]
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        message = f"{kind.noun} is not valid: {first.position}: {first.message}{more}"
        super().__init__(message, hint=first.hint)


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem before its place is known: a path in the document, a message, a hint."""

    path: Path
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    at_key: bool = False
    secret: bool = False


def written(path: Path) -> str:
    """Return a path as people read it, such as `identities.roles.engineer.allow[0]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{shown(step)}" if text else shown(step)
    return text


def shown(value: object) -> str:
    """Return a value short, on one line, and without anything that looks like a credential."""
    text = redacted(str(value)[:_CONTEXT])
    text = "".join(char if char.isprintable() else "·" for char in text)
    return text if len(text) <= 48 else text[:47] + "…"


def excerpt_of(lines: Sequence[str], place: Place, *, secret: bool = False) -> str:
    """Return the line of `place` and a caret under its column; a secret's line is cut off at the value."""
    if not 1 <= place.line <= len(lines):
        return ""
    line = lines[place.line - 1]
    if secret:
        line = line[: place.column - 1] + "…"
    # Redaction sees more than is shown, so that no token is cut into an unrecognisable half.
    near = line[max(0, place.column - 1 - _CONTEXT) : place.column - 1 + _CONTEXT]
    if redacted(near) != near:
        return f"{place.line:>5} | {_printable(redacted(line[:_CONTEXT])[:120])}"
    start = max(0, place.column - 81)
    visible = _printable(line[start : start + 120])
    return f"{place.line:>5} | {visible}\n      | {' ' * (place.column - 1 - start)}^"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
