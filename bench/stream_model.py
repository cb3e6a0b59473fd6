"""A model that streams: one ConverseStream answer a call, each event written at an instant that is kept.

It runs in the event loop of whoever measures, so that both ends of a stream are told by one clock.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from keepstone.gateway.wire.eventstream import encode_event

PAUSE_S = 0.004
"""Between two pieces of text; much longer than a gateway needs for one."""
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class StreamModel:
    """Answers each POST with `pieces`; `written` holds the last stream's instants, in ns, piece by piece."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.written: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._pieces = [_chunk("contentBlockDelta", _delta(piece)) for piece in pieces]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until it ends."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while head := await _head(reader):
                length = _LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
                await self._answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side has had enough
        finally:
            writer.close()
            self._tasks.discard(task)

    async def ended(self) -> None:
        """Wait until the callers have gone."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10)

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        """The message's start and the first piece at once, the others after a pause each, then the end."""
        self.written = []
        writer.write(_HEAD + _chunk("messageStart", {"role": "assistant"}))
        for piece in self._pieces:
            if self.written:
                await asyncio.sleep(PAUSE_S)
            self.written.append(time.monotonic_ns())
            writer.write(piece)
        writer.write(
            _chunk("contentBlockStop", {"contentBlockIndex": 0})
            + _chunk("messageStop", {"stopReason": "end_turn"})
            + _chunk("metadata", _METADATA)
            + b"0\r\n\r\n"
        )
        await writer.drain()


_METADATA = {
    "usage": {"inputTokens": 812, "outputTokens": 60, "totalTokens": 872},
    "metrics": {"latencyMs": 1},
}


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def _delta(text: str) -> Any:
    return {"contentBlockIndex": 0, "delta": {"text": text}}


def _chunk(event: str, members: Any) -> bytes:
    frame = encode_event(event, msgspec.json.encode(members))
    return f"{len(frame):x}\r\n".encode() + frame + b"\r\n"
