"""Terraform's code as these tests read it: what is code, comment or literal text; blocks and their names.

The files are formatted by `terraform fmt`, so that blocks end where a brace stands at the margin.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CODE = re.compile(r"#[^\n]*|//[^\n]*|/\*.*?\*/|\"|[{}]|[^\"#/{}]+|/", re.DOTALL)
_TEXT = re.compile(r"\\.|\$\$\{|%%\{|[$%]\{|\"|[^\"\\$%]+|.", re.DOTALL)
_BLOCK = re.compile(r'^(\w+)((?: "[\w-]+")*) \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
_EMPTY = re.compile(r'^(\w+)((?: "[\w-]+")*) \{\}$', re.MULTILINE)
_LOCAL = re.compile(r"^  (\w+) +?=", re.MULTILINE)


@dataclass
class Code:
    """A file taken apart: its code, its comments, and strings that are one template and nothing else."""

    code: str = ""
    comments: list[str] = field(default_factory=list)
    wrapped: list[str] = field(default_factory=list)


def read(text: str) -> Code:
    """Take a file apart. Templates in strings are code, too."""
    found, at = Code(), 0
    strings: list[list[str]] = []  # of each open string what it holds: literal text, or `$` for a template
    braces: list[bool] = []  # of each open brace whether it opened a template
    inside = False
    while at < len(text):
        match = (_TEXT if inside else _CODE).match(text, at)
        assert match is not None, text[at : at + 40]
        token, at = match[0], match.end()
        if inside:
            if token == '"':
                parts = strings.pop()
                if parts == ["$"]:
                    found.wrapped.append(found.code[-60:])
                inside = False
            elif token in ("${", "%{"):
                strings[-1].append("$")
                braces.append(True)
                inside = False
                found.code += " ("
                continue
            else:
                strings[-1].append(token)
                continue
        elif token == '"':
            strings.append([])
            inside = True
        elif token.startswith(("#", "//", "/*")):
            found.comments.append(token)
            continue
        elif token == "{":
            braces.append(False)
        elif token == "}" and braces.pop():
            inside = True
            found.code += ") "
            continue
        found.code += token
    return found


@dataclass(frozen=True)
class Block:
    """One block at the margin: `resource "aws_s3_bucket" "logs"`, and what stands in it, as it is written."""

    kind: str
    labels: tuple[str, ...]
    body: str
    file: str


class Module:
    """The files of one folder."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.files = {name: read(text) for name, text in sorted(texts.items())}
        self.blocks = tuple(block for name, text in sorted(texts.items()) for block in _blocks(name, text))

    @classmethod
    def of(cls, folder: Path) -> "Module":
        """Read a folder."""
        return cls({path.name: path.read_text() for path in folder.glob("*.tf")})

    def all(self, *kinds: str) -> Iterator[Block]:
        """Yield the blocks of some kinds."""
        return (each for each in self.blocks if each.kind in kinds)

    def locals(self) -> list[str]:
        """Return the names of all locals."""
        return [name for block in self.all("locals") for name in _LOCAL.findall(block.body)]

    def code(self) -> str:
        """Return all code, without comments and literal text."""
        return "\n".join(each.code for each in self.files.values())


def _blocks(file: str, text: str) -> Iterator[Block]:
    for found in (*_BLOCK.finditer(text), *_EMPTY.finditer(text)):
        labels = tuple(re.findall(r'"([\w-]+)"', found[2]))
        yield Block(found[1], labels, found[3] if found.re is _BLOCK else "", file)
