"""Puts on record what a command does: by the gateway that writes the ledger, else by opening it here."""

import os
import pwd
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepstone.core.errors import LedgerError, UsageError
from keepstone.core.settings import Settings, from_environment

if TYPE_CHECKING:
    from keepstone.ledger.key import LedgerKey
    from keepstone.ledger.notices import Notice

_WAIT_S = 10.0
_LOOK_S = 0.1
_MAX_TEXT = 1000

ledger_option = click.option(
    "--ledger",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: from_environment().ledger,
    show_default="`ledger` in KEEPSTONE_HOME, .keepstone",
    help="Folder of the ledger; its keys lie in `keys` beside it.",
)


def login_name() -> str:
    """Return the name of the operating system's user; its number where it has no name, as in containers."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def bounded_text(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse a text that does not fit a record; the callback of options that stand in one."""
    if value is not None and (not value.strip() or len(value) > _MAX_TEXT):
        name = parameter.opts[0]
        hint = "it has to fit a record"
        raise UsageError(f"`{name}` has {len(value)} characters, expected 1 to {_MAX_TEXT}", hint=hint)
    return value


by_option = click.option(
    "--by",
    default=login_name,
    show_default="your login name",
    callback=bounded_text,
    help="Who orders it.",
)
reason_option = click.option(
    "--reason", required=True, callback=bounded_text, help="Why; stands in the record, so name nobody."
)


def opened_key(directory: Path) -> "tuple[Settings, LedgerKey]":
    """Return the settings and the key of an existing ledger; raise `UsageError` when there is none."""
    from keepstone.ledger.key import LedgerKey

    if not (directory / "checkpoint").exists():
        raise UsageError(f"no ledger in `{directory}`", hint="give its folder with `--ledger`")
    settings = Settings(home=directory.parent)
    refuse_other_owner(settings)
    return settings, LedgerKey.load(settings.keys)


def made_key(home: Path) -> "tuple[Settings, LedgerKey]":
    """Return the settings and the key of a home's ledger, which is new if the home is."""
    from keepstone.ledger.key import LedgerKey

    settings = Settings(home=home)
    refuse_other_owner(settings)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return settings, LedgerKey.load_or_create(settings.keys)
    except OSError as error:
        reason = (error.strerror or "failed").lower()
        raise UsageError(
            f"`{home}` cannot be used: {reason}", hint="`--home` or KEEPSTONE_HOME names another folder"
        ) from error


def refuse_other_owner(settings: Settings, *, fresh: bool = True) -> None:
    """Refuse to work as root on another user's state: its files would become root's, and the gateway stop.

    Whose state it is, the ledger's key tells; of a home without one its folder, unless `fresh` is false.
    """
    key = settings.keys / "ledger.key"
    try:
        path = key if key.exists() or not fresh else settings.home
        owner = path.stat().st_uid
    except OSError:
        return
    if os.geteuid() == 0 and owner != 0:
        try:
            name = pwd.getpwuid(owner).pw_name
        except KeyError:
            name = f"#{owner}"
        hint = f"run it as that user: `sudo -u {name} keepstone ...`"
        raise UsageError(f"`{settings.home}` belongs to `{name}`, and you are root", hint=hint)


def put_on_record(settings: Settings, key: "LedgerKey", notice: "Notice") -> None:
    """Do what a notice says and return when it is on record; raise `LedgerError` when it is not in time."""
    from keepstone.ledger.notices import fulfil, leave

    path = leave(settings.ledger, notice)
    fulfil(notice, settings.subjects)
    deadline = time.monotonic() + _WAIT_S
    while path.exists():
        if not _record_here(settings, key) and time.monotonic() > deadline:
            raise LedgerError(
                "it is done, but not on record yet",
                hint="the gateway that holds the ledger does not write; it is recorded when one does",
            )
        time.sleep(_LOOK_S)


async def recorded(path: Path, push: Callable[[], Awaitable[object]]) -> None:
    """Wait until a running gateway has recorded a notice; `push` lets it do so at once where it can."""
    import asyncio

    deadline = time.monotonic() + _WAIT_S
    while True:
        await push()
        if not path.exists():  # noqa: ASYNC240 - a look at the inode cache
            return
        if time.monotonic() > deadline:
            raise LedgerError("the gateway did not record it in time", hint="its log says why")
        await asyncio.sleep(0.02)


def _record_here(settings: Settings, key: "LedgerKey") -> bool:
    """Record all notices, unless a gateway holds one of the ledger's logs: then it does."""
    from keepstone.ledger.notices import Notice, record_all
    from keepstone.ledger.record import ExchangeRecord, encode
    from keepstone.ledger.store import is_live
    from keepstone.ledger.view import folders
    from keepstone.ledger.writer import Ledger

    # Any of them: while workers are replaced, the first log is free for a moment, and the next worker's.
    if any(is_live(folder) for folder in folders(settings.ledger).values()):
        return False
    try:
        ledger = Ledger.open(settings.ledger, key, notify=lambda _waiters, _error: None)
    except LedgerError as error:
        if error.code == "ledger.locked":
            return False
        raise

    def append(notice: Notice) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ledger.append(
            encode(ExchangeRecord(kind="event", id="", time=now, event=notice.event, detail=notice.detail))
        )

    try:
        return record_all(settings.ledger, settings.subjects, append) > 0
    finally:
        ledger.close()
