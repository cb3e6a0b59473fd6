"""What ends the waiting of a call from outside: its deadline, or its caller's leaving.

The listener puts its connection into the ASGI scope; a call that waits for an upstream leaves a bell there.
No task and no poll is spent on it: a timer that is set and cancelled, two assignments.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

from keepstone.core.decision import Decision, ReasonCode

CONNECTION = "keepstone.connection"
"""The entry of an ASGI scope in which the listener puts the caller's connection."""


class Connection(Protocol):
    """A caller's connection: it says when it is gone, and calls `on_leave` at that moment."""

    gone: bool
    on_leave: Callable[[], None] | None


class _Unknown:
    """A connection of a server that does not tell."""

    gone = False
    on_leave: Callable[[], None] | None = None


class Patience:
    """Cancels the task that waits, and knows why; `over` is set then."""

    __slots__ = ("_connection", "_seconds", "_task", "_timer", "over")

    def __init__(self, scope: MutableMapping[str, Any], seconds: float) -> None:
        self._connection: Connection = scope.get(CONNECTION) or _Unknown()
        self._seconds = seconds
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.over: ReasonCode | None = None

    def start(self) -> None:
        """Watch the current task from now on; a caller that has left already is noticed in the next turn."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        self._connection.on_leave = self._left
        if self._connection.gone:
            self._timer = loop.call_later(0, self._left)
        else:
            self._timer = loop.call_later(max(self._seconds, 0), self._late)

    def stop(self) -> None:
        """Stop watching."""
        self._connection.on_leave = None
        if self._timer is not None:
            self._timer.cancel()

    def refusal(self) -> Decision | None:
        """Return why the waiting ended and take the cancellation back; `None` if it is somebody else's."""
        if self.over is None or self._task is None:
            return None
        self._task.uncancel()
        if self.over is ReasonCode.CALLER_LEFT:
            return Decision.refuse(self.over, "the caller left before its answer was complete")
        message = f"the call was not answered within {max(self._seconds, 0):.3g} s"
        return Decision.refuse(self.over, message)

    def _late(self) -> None:
        self._end(ReasonCode.DEADLINE_EXCEEDED)

    def _left(self) -> None:
        self._end(ReasonCode.CALLER_LEFT)

    def _end(self, reason: ReasonCode) -> None:
        if self.over is None and self._task is not None:
            self.over = reason
            self._task.cancel()
