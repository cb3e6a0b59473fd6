"""Several logs, one view: each worker writes a log of its own, and a signed note binds them together.

The first log lies in the ledger's own folder, where a lone gateway writes too; the others are folders in
`shards/`. All are signed with the same Ed25519 key, each under a name of its own, so one verifier key checks
them all and none can be passed off as another. The note `view` states, for every log, a size and the root at
that size. A log that it names has to be there and to begin with just those records: one that has gone is
noticed. It is written before a new log takes its first record, and again as the logs grow.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keepstone.core.errors import LedgerCorrupt, LedgerError
from keepstone.ledger import note
from keepstone.ledger.disk import Disk, translate
from keepstone.ledger.key import LedgerKey

MAIN = "main"
SHARDS = "shards"
VIEW = "view"
_HEADER = "keepstone.dev/view@v1"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")
_SIZE = re.compile(r"(?:0|[1-9][0-9]{0,18})\Z")


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a log had come: its size, and its root at that size."""

    size: int
    root: bytes


class Growing(Protocol):
    """A log that may grow while it is looked at."""

    @property
    def size(self) -> int:
        """Return how many records it holds."""
        ...

    @property
    def root(self) -> bytes:
        """Return the root at that size."""
        ...


def reached(log: Growing) -> Reached:
    """Return how far a log has come; size and root belong together, whoever is writing."""
    while True:
        size, root = log.size, log.root
        if log.size == size:
            return Reached(size, root)


@dataclass(frozen=True, slots=True)
class View:
    """How far every log of one ledger had come; `origin` is the name of the first."""

    origin: str
    logs: Mapping[str, Reached]

    def text(self) -> str:
        """Return the text that is signed; it is no checkpoint, for its second line is no size."""
        rows = [
            f"{name} {each.size} {base64.b64encode(each.root).decode()}\n"
            for name, each in sorted(self.logs.items())
        ]
        return f"{_HEADER}\n{self.origin}\n{''.join(rows)}"

    def after(self, reports: Mapping[str, Reached]) -> "View":
        """Return the view with newer reports; no log ever becomes shorter by one."""
        logs = dict(self.logs)
        for name, each in reports.items():
            if name not in logs or each.size > logs[name].size:
                logs[name] = each
        return View(self.origin, logs)


def parse(text: str) -> View:
    """Read the text of a view; raise `LedgerError` when it is malformed."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[0] != _HEADER or lines[-1]:
        raise LedgerError(f"`{VIEW}` is malformed", hint="restore it from a copy")
    rows = [_row(line) for line in lines[2:-1]]
    if len({name for name, _ in rows}) != len(rows):
        raise LedgerError(f"`{VIEW}` names a log twice", hint="restore it from a copy")
    return View(lines[1], dict(rows))


def _row(line: str) -> tuple[str, Reached]:
    name, _, rest = line.partition(" ")
    size, _, encoded = rest.partition(" ")
    try:
        root = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        root = b""
    if not _NAME.match(name) or not _SIZE.match(size) or len(root) != 32:
        raise LedgerError(f"`{VIEW}` is malformed", hint="restore it from a copy")
    return name, Reached(int(size), root)


def is_view(signed: str) -> bool:
    """Say whether a note is a view, and not a checkpoint."""
    return signed.startswith(f"{_HEADER}\n")


def open_view(signed: str, verifier: note.Verifier | None) -> View:
    """Read a view, and verify it when a key is given; raise `LedgerError` when it does not hold."""
    text = note.open_note(signed, verifier) if verifier else note.split(signed)[0]
    view = parse(text)
    if verifier is not None and view.origin != verifier.name:
        raise LedgerError(f"`{VIEW}` is of `{view.origin}`, expected `{verifier.name}`")
    return view


def read_view(ledger: Path) -> str | None:
    """Return the signed note of a ledger, None when there is none."""
    try:
        return (ledger / VIEW).read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LedgerError(f"`{VIEW}` cannot be read", hint="check owner and permissions") from error


def sign_view(key: LedgerKey, view: View) -> str:
    """Return the signed note of a view."""
    text = view.text()
    return note.render(text, key.name, key.identity, note.sign(text, key.private))


def write_view(ledger: Path, key: LedgerKey, view: View, *, disk: Disk | None = None) -> None:
    """Sign the view and put it in its place, durable when this returns."""
    try:
        (disk or Disk()).place(ledger / VIEW, sign_view(key, view).encode(), ledger / SHARDS)
    except OSError as error:
        raise translate(error, "the ledger's view cannot be written") from error


def shard_folder(ledger: Path, shard: str) -> Path:
    """Return where a log lies; raise `LedgerError` for what is no name of one."""
    if not _NAME.match(shard):
        raise LedgerError(f"`{shard[:40]}` is no name of a shard", hint="expected letters, digits and `-`")
    return ledger if shard == MAIN else ledger / SHARDS / shard


def folders(ledger: Path) -> dict[str, Path]:
    """Return every log of a ledger that is on this disk, the first one first."""
    found = sorted(path.name for path in (ledger / SHARDS).glob("*") if path.is_dir())
    return {MAIN: ledger} | {name: ledger / SHARDS / name for name in found if _NAME.match(name)}


def current(ledger: Path, key: LedgerKey) -> View:
    """Return the view to go on from; raise `LedgerCorrupt` when it does not fit what is on the disk."""
    signed, here = read_view(ledger), folders(ledger)
    if signed is None:
        if len(here) > 1:
            raise LedgerCorrupt(f"`{VIEW}` is missing, but there are shards", hint=_RESTORE)
        return View(key.name, {})
    try:
        view = open_view(signed, note.Verifier.parse(key.verifier))
    except LedgerError as error:
        raise LedgerCorrupt(f"`{VIEW}`: {error.message}", hint=_RESTORE) from error
    for name in missing(view, here):
        raise LedgerCorrupt(f"shard `{name}` of the ledger is missing", hint=_RESTORE)
    return view


_RESTORE = "restore it from a copy of the ledger; `keepstone ledger verify` says what else is wrong"


def missing(view: View, here: Iterable[str]) -> list[str]:
    """Return the logs that hold records by the view and are not here."""
    present = set(here)
    return sorted(name for name, each in view.logs.items() if each.size and name not in present)
