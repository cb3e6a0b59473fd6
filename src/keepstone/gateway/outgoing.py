"""Sending to a caller who may read slowly, or may have left."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from keepstone.gateway.intake import CallerLeftError, Receive

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SEND_S = 60.0
"""How long a piece of a stream may wait for its reader before the gateway gives the caller up."""


class Caller:
    """The reader of one stream; knows whether it is still there."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._leaving: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._leaving = asyncio.get_running_loop().create_task(self._until_gone())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._leaving is not None:
            self._leaving.cancel()

    def check(self) -> None:
        """Raise `CallerLeftError` when the caller has closed the connection."""
        if self._leaving is not None and self._leaving.done():
            raise CallerLeftError("the caller left before its answer was complete")

    async def send(self, frames: bytes) -> None:
        """Send a piece; raise `CallerLeftError` when nobody takes it in time."""
        try:
            async with asyncio.timeout(SEND_S):
                await self._send({"type": "http.response.body", "body": frames, "more_body": True})
        except TimeoutError as error:
            raise CallerLeftError(f"the caller did not read for {SEND_S:g} s") from error

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
