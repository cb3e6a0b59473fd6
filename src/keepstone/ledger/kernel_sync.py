"""A disk sync that no thread waits for: Linux does it in the background and the event loop hears of its end.

A thread that waits for the disk costs more than the disk: each time it needs the interpreter it takes it from
the thread that serves calls (ADR 10). Here the kernel's asynchronous interface (`io_submit` with
`IOCB_CMD_FDSYNC`, Linux 4.18) is asked through `caio`.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

_MISSING = ""
try:
    from caio.linux_aio import Context, Operation
except ImportError as error:  # another system, or a kernel without it
    _MISSING = f"the kernel cannot sync in the background: {error}"

Done = Callable[[OSError | None], None]


class KernelSync:
    """Starts syncs from an event loop's thread and reports their end there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make one for the running loop; raise `OSError` where the kernel has no such interface."""
        if _MISSING:
            raise OSError(_MISSING)
        self._loop = loop
        self._thread = threading.get_ident()
        try:
            self._context = Context(max_requests=2)
        except (ValueError, SystemError) as error:  # caio's words for EAGAIN, ENOSYS and others
            raise OSError(str(error)) from error
        loop.add_reader(self._context.fileno, self._ended)

    @property
    def is_mine(self) -> bool:
        """Say whether this is the event loop's thread, the only one that may start a sync."""
        return threading.get_ident() == self._thread

    def start(self, descriptor: int, done: Done) -> None:
        """Begin to sync a file's content and length; raise `OSError` when the kernel does not take it."""
        operation = Operation.fdsync(descriptor)
        operation.set_callback(partial(_report, done))
        try:
            taken = self._context.submit(operation)
        except (ValueError, SystemError) as error:  # caio's words for EBADF, EINVAL and others
            raise OSError(str(error)) from error
        if taken != 1:
            raise OSError("the kernel did not take the sync")

    def _ended(self) -> None:
        with suppress(BlockingIOError):  # the wake-up came before its count
            self._context.poll()
        while self._context.process_events():
            pass

    def close(self) -> None:
        """Stop listening; from any thread."""
        with suppress(RuntimeError):  # the loop is closed, and with it its readers
            self._loop.call_soon_threadsafe(self._loop.remove_reader, self._context.fileno)


def _report(done: Done, result: int) -> None:
    """Translate the kernel's result, 0 or a negative errno that comes as an unsigned number."""
    if result == 0:
        done(None)
    else:
        number = (1 << 64) - result
        done(OSError(number, os.strerror(number)))
