"""Who waits for a record, and how they are told: blocking callers by an event, all others by a callback."""

import logging
import threading
from collections.abc import Callable, Sequence

from keepstone.core.errors import LedgerError

Notify = Callable[[Sequence[object], LedgerError | None], None]
"""Called with the waiters of a batch, in order: None when it is durable, else nothing in it was accepted."""

_log = logging.getLogger(__name__)


class Blocking:
    """A waiter that blocks its thread: an event, and what it was told."""

    __slots__ = ("done", "error", "index")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.index = -1
        self.error: LedgerError | None = None

    def wait(self) -> int:
        """Wait until told; return the record's index or raise what went wrong."""
        self.done.wait()
        if self.error is not None:
            raise self.error
        return self.index


def tell(notify: Notify, waiters: list[object], first: int, error: LedgerError | None) -> None:
    """Tell the waiters of a batch whose first record has index `first`; a callback's fault is logged."""
    others = waiters
    if any(type(each) is Blocking for each in waiters):
        others = [each for each in waiters if not isinstance(each, Blocking)]
        for position, each in enumerate(waiters):
            if isinstance(each, Blocking):
                each.index, each.error = first + position, error
                each.done.set()
    if not others:
        return
    try:
        notify(others, error)
    except Exception:  # noqa: BLE001 - the caller's code: its fault must not stop the record
        _log.exception("the ledger's notify callback raised")
