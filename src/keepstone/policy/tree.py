"""YAML text as a tree in which every key and value knows its place.

The tree is built from PyYAML's parse events with a stack of our own, so depth, size and aliases are bounded
before anything is expanded. Plain scalars follow the YAML 1.2 core schema, narrowed: `true` and `false` are
booleans, decimal digits are numbers, nothing or `null` is null, and all else is the text that stands there:
`NO` is Norway, `1_000`, `0755`, `0x1f` and `2026-01-01` are text. Tags, merge keys and several documents in
one file are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from keepstone.policy.problems import Kind, Place, Problem, excerpt_of, shown

MAX_BYTES = 1_048_576
MAX_NODES = 100_000
MAX_DEPTH = 32

Scalar = str | int | float | bool | None

_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}(?:[eE][-+]?[0-9]{1,2})?")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(slots=True)
class Node:
    """A value with its place: a scalar, a list of nodes, or a map of nodes with the places of its keys."""

    value: "Scalar | list[Node] | dict[str, Node]"
    place: Place
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1

    @property
    def plain(self) -> object:
        """Return the value without places, as a decoder takes it."""
        match self.value:
            case dict() as entries:
                return {key: node.plain for key, node in entries.items()}
            case list() as items:
                return [node.plain for node in items]
            case scalar:
                return scalar


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name, its lines for excerpts, and what it is for."""

    file: str
    lines: tuple[str, ...]
    kind: Kind = Kind.POLICY

    def problem(self, line: int, column: int, message: str, hint: str = "") -> Problem:
        """Build a problem at a position of this file, outside of any path."""
        place = Place(self.file, line, column)
        return Problem(self.file, line, column, "", message, hint, excerpt=excerpt_of(self.lines, place))


class Unreadable(Exception):  # noqa: N818 - carries problems upward inside this room only
    """The text is not a tree; holds the problems found."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


def decode(file: str, raw: bytes, kind: Kind = Kind.POLICY) -> tuple[str, Source]:
    """Return the text of a file and its source lines; raise `Unreadable` for what is not UTF-8 text."""
    if len(raw) > MAX_BYTES:
        problem = Source(file, ()).problem(1, 1, f"the file is larger than {MAX_BYTES // 1024} KiB")
        raise Unreadable(problem)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace").split("\n")
        raise Unreadable(
            Source(file, ()).problem(
                len(before), len(before[-1]) + 1, "the file is not UTF-8 text", "save it with UTF-8 encoding"
            )
        ) from error
    source = Source(file, tuple(re.split("\r\n|[\n\r\x85\u2028\u2029]", text)), kind)
    wrong = [
        source.problem(number, match.start() + 1, f"control character U+{ord(match[0]):04X}", "delete it")
        for number, line in enumerate(source.lines, 1)
        for match in _CONTROL.finditer(line)
    ]
    if wrong:
        raise Unreadable(*wrong[:20])
    return text, source


def parse(text: str, source: Source) -> tuple[Node, list[Problem]]:
    """Return the tree and its duplicate keys, odd keys and tags; raise `Unreadable` when there is no tree."""
    builder = _Builder(source)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = source.problem(line, column, *_syntax(error))
        raise Unreadable(*builder.problems, problem) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        problem = source.problem(
            1, 1, "the file is not YAML that can be read", "check escapes in quoted text"
        )
        raise Unreadable(*builder.problems, problem) from error
    if builder.root is None:
        raise Unreadable(source.problem(1, 1, "the file is empty", source.kind.empty))
    return builder.root, builder.problems


def _syntax(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    """Return a message and a hint for a syntax error of the parser."""
    said = str(error.problem or error.context or "syntax error")
    if "\\t" in said:
        return "a tab stands where only spaces may", "indent with spaces"
    if "mapping values are not allowed" in said:
        return "a second `:` on one line", "put text that holds `: ` in quotes"
    hint = ""
    if "'@'" in said or "'`'" in said or "'%'" in said:
        hint = "put the text in quotes"
    return f"not valid YAML: {shown(said)}", hint


@dataclass(slots=True)
class _Frame:
    """A list or map under construction; `key` waits for its value, which is dropped if `refused`."""

    node: Node
    anchor: str | None
    key: str | None = None
    refused: bool = False


class _Builder:
    """Takes parse events in order and holds the finished root, or the problems."""

    def __init__(self, source: Source) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._source = source
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def take(self, event: yaml.Event) -> None:
        """Advance by one event."""
        mark = event.start_mark
        place = Place(self._source.file, mark.line + 1, mark.column + 1) if mark else Place("", 1, 1)
        match event:
            case yaml.ScalarEvent():
                self._tag(event.tag, place)
                text = event.value
                key_expected = self._stack and self._expects_key(self._stack[-1])
                value = (
                    _resolved(text) if event.implicit[0] and not event.style and not key_expected else text
                )
                self._attach(Node(self._encodable(value, place), place), event.anchor)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._tag(event.tag, place)
                self._open(event, place)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                frame = self._stack.pop()
                self._attach(frame.node, frame.anchor)
            case yaml.AliasEvent():
                self._alias(str(event.anchor), place)
            case yaml.DocumentStartEvent() if self.root is not None:
                self._stop(place, "a second document starts here", "keep one document to a file")

    def _open(self, event: yaml.NodeEvent, place: Place) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._stop(place, f"nested deeper than {MAX_DEPTH} levels")
        value: list[Node] | dict[str, Node] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Frame(Node(value, place), event.anchor))

    def _attach(self, node: Node, anchor: str | None) -> None:
        """Put a finished node where its parent waits for it."""
        self._count(1, node.place)
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.node.size += node.size
        match frame.node.value:
            case list() as items:
                items.append(node)
            case dict() as entries if frame.key is not None:
                if not frame.refused:
                    entries[frame.key] = node
                frame.key = None
            case _:
                self._key(frame, node)

    def _key(self, frame: _Frame, node: Node) -> None:
        """Take a finished node as the next key of a map; the value of a refused key is dropped."""
        frame.key = node.value if isinstance(node.value, str) else ""
        frame.refused = True
        if not isinstance(node.value, str):
            self._report(node.place, "a key must be text", "put the key in quotes")
        elif node.value in frame.node.keys:
            first = frame.node.keys[node.value]
            self._report(
                node.place, f"duplicate key `{shown(node.value)}`", f"it stands on line {first.line} too"
            )
        elif node.value == "<<":
            self._report(node.place, "merge keys are not supported", "write the fields out")
        else:
            frame.node.keys[node.value] = node.place
            frame.refused = False

    def _alias(self, anchor: str, place: Place) -> None:
        node = self._anchors.get(anchor)
        if node is None:
            self._stop(place, f"unknown alias `*{shown(anchor)}`", "define it earlier with `&`")
            return
        self._count(node.size, place)
        if len(self._stack) + _depth(node) > MAX_DEPTH:
            self._stop(place, f"nested deeper than {MAX_DEPTH} levels")
        self._attach(Node(node.value, place, node.keys, node.size), None)

    @staticmethod
    def _expects_key(frame: _Frame) -> bool:
        return isinstance(frame.node.value, dict) and frame.key is None

    def _encodable(self, value: Scalar, place: Place) -> Scalar:
        if isinstance(value, str) and (bad := _CONTROL.search(value)):
            self._report(place, f"text holds the character U+{ord(bad[0]):04X}", "delete its escape")
            return ""
        return value

    def _tag(self, tag: str | None, place: Place) -> None:
        if tag is not None:
            self._report(place, f"tag `{shown(tag)}` is not supported", "write plain values, text in quotes")

    def _count(self, nodes: int, place: Place) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(place, f"more than {MAX_NODES} values, aliases expanded")

    def _report(self, place: Place, message: str, hint: str = "") -> None:
        self.problems.append(self._source.problem(place.line, place.column, message, hint))

    def _stop(self, place: Place, message: str, hint: str = "") -> None:
        self._report(place, message, hint)
        problems, self.problems = self.problems, []
        raise Unreadable(*problems)


def _resolved(text: str) -> Scalar:
    """Return what a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _depth(node: Node) -> int:
    """Return how many levels lie in a finished node; its own depth is bounded already."""
    return 1 + max((_depth(child) for child in children(node)), default=0)


def children(node: Node) -> Iterator[Node]:
    """Yield the values directly inside a node."""
    match node.value:
        case dict() as entries:
            yield from entries.values()
        case list() as items:
            yield from items
        case _:
            return
