"""What commands print: results on stdout as a table or JSON, errors on stderr; the same form everywhere.

Text from files and the network loses its control characters before it reaches a terminal.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TypeVar

import click

from keepstone.core.errors import KeepstoneError, PolicyError, UsageError

if TYPE_CHECKING:
    from keepstone.policy.problems import Problem

_Command = TypeVar("_Command", bound=Callable[..., Any])
_NO_WRAP = 100_000
_LEAST_WIDTH = 8
_GAP = 3  # what the table puts between two columns


def format_option(command: _Command) -> _Command:
    """Add `--format table|json` to a command, passed as `output_format`."""
    option = click.option(
        "--format",
        "output_format",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How to print the result.",
    )
    return option(command)


def emit(
    result: object, output_format: str = "table", *, columns: Sequence[str] = (), fit: Sequence[str] = ()
) -> None:
    """Print a result on stdout.

    `result` is a sequence of rows (maps or dataclasses), or one such object. JSON prints it whole; a table
    prints `columns`, by default all fields of the first row, with `_` as a space in the heading. Of one
    object it prints a line for each field, however deep. Cells of the columns `fit` are shortened until a row
    fits the terminal; what reads a pipe or a file gets all of them.
    """
    plain = _plain(result)
    if output_format == "json":
        click.echo(json.dumps(plain, indent=2, ensure_ascii=False))
        return
    if isinstance(plain, Mapping):
        plain = list(_fields(plain))
        columns = ()
    width = terminal_width()
    if plain and fit and width is not None:
        plain = _fitted(plain, columns or tuple(plain[0]), fit, width)
    if plain:
        _table(plain, columns or tuple(plain[0]))


def terminal_width() -> int | None:
    """Return how many characters fit into a line (`COLUMNS` says otherwise), none where no terminal reads."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def fail(error: KeepstoneError) -> int:
    """Print an error on stderr, every problem of a policy with its position, and return the exit code."""
    problems = getattr(error, "problems", ())
    for problem in problems:
        _complain(described(problem))
    _complain(f"error: {error.message}")
    if error.hint and not problems:
        _complain(f"hint: {error.hint}")
    return 2 if isinstance(error, (UsageError, PolicyError)) else 3


def described(problem: "Problem") -> str:
    """Return a problem of a policy as compilers tell theirs: position, message, line, what to do."""
    path = f" (at `{problem.path}`)" if problem.path else ""
    lines = [f"{problem.position}: {problem.severity}: {problem.message}{path}"]
    lines += [problem.excerpt] * bool(problem.excerpt) + [f"      = {problem.hint}"] * bool(problem.hint)
    return safe("\n".join(lines))


def safe(text: object) -> str:
    """Return text that cannot steer a terminal: control characters other than line ends become `·`."""
    return "".join(char if char.isprintable() or char == "\n" else "·" for char in str(text))


def talk(message: str) -> None:
    """Tell something to the person at the terminal, on stderr."""
    _complain(message)


def _complain(text: str) -> None:
    click.echo(safe(text), err=True)


def _table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print aligned columns; only a terminal wraps them, so that pipes see one row a line."""
    # rich takes longer to import than most commands take to run.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(safe(_cell(row.get(column, "")))) for column in columns))
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _NO_WRAP, highlight=False, file=sys.stdout)
    with console.capture() as printed:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().rstrip().split("\n")))


def _fields(value: Mapping[str, object], head: str = "") -> Iterator[dict[str, object]]:
    """Yield a row for each field; what lies deeper has the names of all above it."""
    for name, each in value.items():
        label = f"{head} {name}".strip().replace("_", " ")
        match each:
            case Mapping():
                yield from _fields(each, label)
            case [Mapping(), *_]:
                yield from ({"field": label, "value": inner} for inner in each)
            case _:
                yield {"field": label, "value": each}


def _fitted(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], fit: Sequence[str], width: int
) -> list[dict[str, str]]:
    """Return the cells as text, those of the widest columns of `fit` cut so that a line is not too long."""
    cells = [{name: _cell(row.get(name, "")) for name in columns} for row in rows]
    widths = {name: max(len(name), *(len(row[name]) for row in cells)) for name in columns}
    room = width - _GAP * (len(columns) - 1)
    while sum(widths.values()) > room:
        widest = max(fit, key=lambda name: widths[name])
        if widths[widest] <= _LEAST_WIDTH:
            break
        widths[widest] -= 1
    return [{name: _cut(text, widths[name]) for name, text in row.items()} for row in cells]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(_cell(each) for each in value)
        case Mapping():
            return ", ".join(f"{name}: {_cell(each)}" for name, each in value.items())
        case _:
            return str(value)


def _plain(value: object) -> Any:
    """Return builtins only: dataclasses and structs as maps, tuples as lists, anything else as its text."""
    fields = getattr(type(value), "__struct_fields__", ())  # without importing msgspec for `--help`
    if fields:
        return {name: _plain(getattr(value, name)) for name in fields}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    match value:
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return str(value)
