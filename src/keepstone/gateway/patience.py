"""What ends the waiting of a call from outside: its deadline, or its caller's leaving.

The listener puts its connection into the ASGI scope; a call that waits for an upstream leaves a bell there.
One timer looks at the deadlines of all waiting calls, so that a call costs no task and no timer of its own.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

from keepstone.core.decision import Decision, ReasonCode

CONNECTION = "keepstone.connection"
"""The entry of an ASGI scope in which the listener puts the caller's connection."""
TICK_S = 0.02
"""A deadline is noticed at most so much late."""


class Bell(Protocol):
    """What a connection tells that its caller has left."""

    def left(self) -> None:
        """Note that the caller has left."""
        ...


class Connection(Protocol):
    """A caller's connection: it says when it is gone, and rings `bell` at that moment."""

    gone: bool
    bell: Bell | None


class _Unknown:
    """A connection of a server that does not tell."""

    gone = False
    bell: Bell | None = None


class Gone:
    """What is left in a call's scope of a connection that is gone."""

    gone = True
    bell: Bell | None = None


class Watch:
    """The calls of one gateway that wait; it ticks while there are any."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.waiting: set[Patience] = set()
        self.ticking = False
        self.loop = asyncio.get_running_loop()
        self._now = now

    def tick(self) -> None:
        """End the calls whose deadline is over."""
        if not self.waiting:
            self.ticking = False
            return
        now = self._now()
        for each in [each for each in self.waiting if each.until_ns <= now]:
            each.late()
        self.loop.call_later(TICK_S, self.tick)


class Patience:
    """Cancels the task that waits, and knows why; `over` is set then."""

    __slots__ = ("_connection", "_seconds", "_task", "_watch", "over", "until_ns")

    def __init__(self, watch: Watch, scope: MutableMapping[str, Any], seconds: float, now_ns: int) -> None:
        self._watch = watch
        self._connection: Connection = scope.get(CONNECTION) or _Unknown()
        self._seconds = seconds
        self._task: asyncio.Task[Any] | None = None
        self.until_ns = now_ns + int(seconds * 1e9)
        self.over: ReasonCode | None = None

    def start(self) -> None:
        """Watch the current task from now on; a caller that has left already is noticed in the next turn."""
        watch = self._watch
        self._task = asyncio.current_task(watch.loop)
        self._connection.bell = self
        watch.waiting.add(self)
        if not watch.ticking:
            watch.ticking = True
            watch.loop.call_later(TICK_S, watch.tick)
        if self._connection.gone:
            watch.loop.call_soon(self.left)

    def stop(self) -> None:
        """Stop watching."""
        self._connection.bell = None
        self._watch.waiting.discard(self)

    def refusal(self) -> Decision | None:
        """Return why the waiting ended and take the cancellation back; `None` if it is somebody else's."""
        if self.over is None or self._task is None:
            return None
        self._task.uncancel()
        if self.over is ReasonCode.CALLER_LEFT:
            return Decision.refuse(self.over, "the caller left before its answer was complete")
        message = f"the call was not answered within {max(self._seconds, 0):.3g} s"
        return Decision.refuse(self.over, message)

    def late(self) -> None:
        """End the waiting: the deadline is over."""
        self._end(ReasonCode.DEADLINE_EXCEEDED)

    def left(self) -> None:
        """End the waiting: nobody waits for the answer any more."""
        self._end(ReasonCode.CALLER_LEFT)

    def _end(self, reason: ReasonCode) -> None:
        if self.over is None and self._task is not None and self in self._watch.waiting:
            self.over = reason
            self._task.cancel()
