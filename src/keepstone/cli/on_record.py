"""Puts on record what a command does: by the gateway that writes the ledger, else by opening it here."""

import time
from datetime import UTC, datetime
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepstone.core.errors import LedgerError, UsageError
from keepstone.core.settings import Settings

if TYPE_CHECKING:
    from keepstone.ledger.key import LedgerKey
    from keepstone.ledger.notices import Notice

_WAIT_S = 10.0
_LOOK_S = 0.1

ledger_option = click.option(
    "--ledger",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".keepstone/ledger"),
    show_default=True,
    help="Folder of the ledger; its keys lie in `keys` beside it.",
)
by_option = click.option("--by", default=getuser, show_default="your login name", help="Who orders it.")
reason_option = click.option("--reason", required=True, help="Why; stands in the record, so name nobody.")


def opened_key(directory: Path) -> "tuple[Settings, LedgerKey]":
    """Return the settings and the key of an existing ledger; raise `UsageError` when there is none."""
    from keepstone.ledger.key import LedgerKey

    if not (directory / "checkpoint").exists():
        raise UsageError(f"no ledger in `{directory}`", hint="give its folder with `--ledger`")
    settings = Settings(home=directory.parent)
    return settings, LedgerKey.load(settings.keys)


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
