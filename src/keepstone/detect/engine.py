"""The matcher: one pass says which rows can hit, and only those are run.

A `re2.Set` reads the UTF-8 bytes once, however many patterns it holds, as long as its states fit in memory;
ordinary text ends there. Rows that can hit are then searched one by one, validated, and their byte offsets
turned into character offsets.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import re2

from keepstone.core.errors import GuardError
from keepstone.detect.recogniser import Recogniser, Validator
from keepstone.detect.span import Span

# Measured (`guard_varied` in bench/micro.py): with half of it the states that prompt attacks and code need no
# longer fit, and starting over again and again costs ten times as much as the scan. A limit, taken as texts
# need it.
SET_MEMORY = 32 << 20
ROW_MEMORY = 8 << 20

Located = tuple[int, int, int]  # row, first byte, byte after the last


def encode(text: str) -> bytes:
    """Return `text` in UTF-8, one `?` for each lone surrogate, so that offsets stay countable."""
    return text.encode("utf-8", "replace")


def compile_pattern(pattern: str, max_mem: int = ROW_MEMORY) -> Any:
    """Compile one RE2 pattern; raise `GuardError` with RE2's own reason."""
    try:
        return re2.compile(pattern.encode(), _options(max_mem))
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        raise GuardError(f"the pattern is not valid RE2: {reason}") from error


class Scanner:
    """Finds the spans of a fixed list of rows.

    Each group of rows is a set of its own: rows with many open repeats multiply each other's states.
    `signs` are further patterns, which the first pass looks for beside the last group's rows; one that hits
    is a candidate without a row, for somebody else to look into.
    """

    def __init__(self, *groups: Sequence[Recogniser], signs: Sequence[str] = ()) -> None:
        self.rows = tuple(row for group in groups for row in group)
        self._patterns = tuple(compile_pattern(row.full) for row in self.rows)
        self._sets: list[tuple[int, Any]] = []
        first = 0
        for number, group in enumerate(groups, start=1):
            patterns = [row.trigger or row.full for row in group]
            if number == len(groups):
                patterns += signs
            if patterns:
                self._sets.append((first, _compile_set(patterns)))
            first += len(group)

    def candidates(self, data: bytes) -> list[int]:
        """Return the rows that can hit in `data`; every row that does hit is among them.

        A sign that hits has a number behind the last row's.
        """
        found: list[int] = []
        for first, rows in self._sets:
            hits = rows.Match(data)
            if hits:
                found += (first + hit for hit in hits)
        return found

    def locate(self, data: bytes, candidates: Iterable[int]) -> list[Located]:
        """Search `data` for each candidate row and return what its validator accepts, in bytes."""
        found: list[Located] = []
        for index in candidates:
            if index >= len(self.rows):
                continue
            validate = self.rows[index].validate
            search = self._patterns[index].search
            position = 0
            while (match := search(data, position)) is not None:
                start, end = match.span(1)
                if validate is not None:
                    end = start + _accepted(data[start:end], validate)
                if end > start:
                    found.append((index, start, end))
                    position = end
                else:  # a refused value hides nothing: the next may begin inside it
                    position = _next_character(data, start)
                    if position > len(data):
                        break
        return found

    def scan(self, text: str) -> list[Span]:
        """Return the spans of all rows in `text`, in no order."""
        data = encode(text)
        return self.confirm(text, data, self.candidates(data))

    def confirm(self, text: str, data: bytes, candidates: Iterable[int]) -> list[Span]:
        """Return the spans of the candidate rows in `text`, whose UTF-8 is `data`."""
        found = self.locate(data, candidates)
        if not found:
            return []
        offsets = None if len(text) == len(data) else character_offsets(data, found)
        spans = []
        for index, start, end in found:
            row = self.rows[index]
            if offsets is not None:
                start, end = offsets[start], offsets[end]  # noqa: PLW2901 - bytes become characters
            spans.append(Span(start, end, row.type, row.id))
        return spans


def character_offsets(data: bytes, found: Sequence[Located]) -> dict[int, int]:
    """Map the byte offsets in `found` to character offsets, in one walk over `data`."""
    offsets: dict[int, int] = {}
    byte = character = 0
    for offset in sorted({edge for _, start, end in found for edge in (start, end)}):
        character += len(data[byte:offset].decode())
        byte = offset
        offsets[offset] = character
    return offsets


def _accepted(value: bytes, validate: Validator) -> int:
    """Return how many bytes of `value` are valid: all, or all but its last words (`card` then ` 123`)."""
    text = value.decode()
    while text and not validate(text):
        text = "".join(text.rsplit(maxsplit=1)[:-1])
    return len(text.encode())


def _next_character(data: bytes, position: int) -> int:
    position += 1
    while position < len(data) and data[position] & 0xC0 == 0x80:
        position += 1
    return position


def _options(max_mem: int) -> Any:
    options = re2.Options()
    options.max_mem = max_mem
    options.log_errors = False
    return options


def _compile_set(patterns: Iterable[str]) -> Any:
    search_set = re2.Set.SearchSet(_options(SET_MEMORY))
    for pattern in patterns:
        search_set.Add(pattern.encode())
    search_set.Compile()
    return search_set
