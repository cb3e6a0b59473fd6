"""A page's console blocks as something that runs: commands, and the lines that each should print.

A line that begins with `$ ` is a command; here-documents go on until their end. What follows is its output:
`...` stands for any lines, `…` for any text in a line; ids, hashes, times and keys may be others. A block
of the second terminal begins with "console second".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_BLOCK = re.compile(r"^```(console|console second|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<(\w+)$")
_SAVED = re.compile(r"Save this as `([\w.]+)`")
_VARIES = (
    (r"ks_[0-9a-f]+_\S+", r"ks_[0-9a-f]+_\S+"),
    (r"sha256:[0-9a-f]{6,64}", r"sha256:[0-9a-f]{6,64}"),
    (r"vpce?-[0-9a-f]{8,17}(-[a-z0-9]+)?", r"vpce?-[0-9a-f]{8,17}(-[a-z0-9]+)?"),
    (r"subnet-[0-9a-f]{8,17}", r"subnet-[0-9a-f]{8,17}"),
    (r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?", r"[-0-9T: ]{16,19}"),
    (r"\b[0-9a-f]{40,64}\b", r"[0-9a-f]{40,64}"),
    (r"\b[0-9a-f]{8}\b", r"[0-9a-f]{8}"),
    (r"https://127\.0\.0\.1:[0-9]+", r"https://127\.0\.0\.1:[0-9]+"),
    (r"/home/you/keepstone-vpc", r"/\S+"),
    (r"─+", r"─+"),
    (r"…", r".*"),
)
"""What is another each time: as the page has it, and as it then may be."""


@dataclass(frozen=True)
class Step:
    """One command and what the page says that it prints; or a file to write first."""

    command: str
    shown: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    second: bool = False


def steps(page: str) -> Iterator[Step]:
    """Yield what a reader does, in order."""
    for block in _BLOCK.finditer(page):
        if block[1] == "python":
            named = _SAVED.findall(page[: block.start()])
            yield Step("", files={named[-1]: block[2]})
        else:
            yield from _commands(block[2], second=block[1] == "console second")


def _commands(text: str, *, second: bool) -> Iterator[Step]:
    command, shown, until = "", [], ""
    for line in text.splitlines():
        if until:
            command += f"\n{line}"
            until = "" if line == until else until
        elif line.startswith("$ "):
            if command:
                yield Step(command, tuple(shown), second=second)
            command, shown = line[2:], []
            found = _HEREDOC.search(line)
            until = found[1] if found else ""
        else:
            shown.append(line)
    if command:
        yield Step(command, tuple(shown), second=second)


def missing(shown: tuple[str, ...], printed: str) -> list[str]:
    """Return the page's lines that were not printed in this order; white space between words may differ."""
    lines = iter([" ".join(line.split()) for line in printed.splitlines()])
    wanted = [line for line in shown if line.strip() not in ("", "...")]
    for number, line in enumerate(wanted):
        pattern = re.compile(_pattern(" ".join(line.split())))
        if not any(pattern.fullmatch(each) for each in lines):
            return wanted[number:]
    return []


def _pattern(text: str) -> str:
    """Return a regular expression for a line, in which what varies may be another."""
    for shown, may_be in _VARIES:
        before, found, after = _split(shown, text)
        if found:
            return f"{_pattern(before)}{may_be}{_pattern(after)}"
    return re.escape(text)


def _split(pattern: str, text: str) -> tuple[str, str, str]:
    found = re.search(pattern, text)
    if found is None:
        return text, "", ""
    return text[: found.start()], found[0], text[found.end() :]
