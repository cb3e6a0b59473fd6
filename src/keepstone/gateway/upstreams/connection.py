"""One HTTP/1.1 connection to an upstream: a parser's callbacks on one side, waiting on the other.

It carries one request at a time. What it keeps of an answer is bounded, a second answer or a byte behind the
first closes it, and it says itself whether the next request may use it.
"""

import asyncio
from collections import deque
from functools import lru_cache

import httptools

from keepstone.core.errors import UpstreamError

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
STREAM_HIGH_WATER = 256 * 1024

Received = tuple[int, dict[str, str], bytes]
"""A status, lower-case headers, and the body unless it is read in chunks."""


@lru_cache(maxsize=256)
def _lower(name: bytes) -> str:
    return name.decode("latin-1").lower()


class Connection(asyncio.Protocol):
    """One connection; the pool gives it one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timeout = 0.0
        self._deadline: float | None = None
        self._used = False
        self._outgoing = b""
        self.closed = False
        self._reset()

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._head: asyncio.Future[None] | None = None
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._unfinished = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._chunks: deque[bytes] | None = None
        self._waiting_bytes = 0
        self._paused = False
        self._arrival: asyncio.Future[None] | None = None
        self._complete = False
        self._keep_alive = False
        self._head_done = False
        self._got_bytes = False
        self._error: UpstreamError | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # create_connection gives a Transport

    def data_received(self, data: bytes) -> None:
        """Parse what came; close the connection for bytes that do not belong to an answer."""
        if self._head is None or self._complete:
            self._abort(malformed("upstream sent data that nobody asked for"))
            return
        self._got_bytes = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._abort(malformed("upstream tried to switch protocols"))
        except httptools.HttpParserError as error:
            ours = error.__context__  # what a callback raised
            self._abort(
                ours if isinstance(ours, UpstreamError) else malformed("upstream's answer is not valid HTTP")
            )
        else:
            if not self._complete:
                self._check_head(len(data))
                self._restart_timer()

    def eof_received(self) -> bool:
        """Let the transport close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End the answer, as its end if the protocol says so, else as a cut."""
        self.closed = True
        self._stop_timer()
        if self._head is None or self._complete:
            return
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        if self._head_done and not framed and exc is None:
            self.on_message_complete()  # RFC 9112 6.3: neither length nor chunks, the close is the end
            return
        self._fail(
            UpstreamError(
                "upstream closed the connection before its answer was complete",
                code="upstream.closed",
                retryable=not self._got_bytes,
            )
        )

    def _check_head(self, received: int) -> None:
        """Bound what the parser keeps to itself: a header that does not end, interim answers without end."""
        if not self._head_done:
            self._unfinished += received
            if self._unfinished > MAX_HEAD_BYTES:
                self._abort(malformed("upstream's headers are too large"))

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        """Refuse a second answer behind the first."""
        if self._complete:
            raise malformed("upstream sent a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, within bounds."""
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise malformed("upstream's headers are too large")
        if not self._head_done:  # RFC 9110 6.5.1: trailers are no headers
            self._headers[_lower(name)] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Let a streamed exchange begin."""
        if self._parser.get_status_code() < 200:  # an interim answer: the real one follows
            self._headers.clear()
            return
        self._head_done = True
        if self._head is not None and not self._head.done() and self._chunks is not None:
            self._head.set_result(None)

    def on_body(self, data: bytes) -> None:
        """Collect a piece, or hand it to whoever reads the stream; stop listening when it piles up."""
        self._body_bytes += len(data)
        if self._chunks is None:
            if self._body_bytes > MAX_BODY_BYTES:
                raise malformed("upstream's answer is too large")
            self._body.append(data)
            return
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > STREAM_HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """Note the end, and whether the server keeps the connection."""
        if not self._head_done:
            return
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()  # the parser forgets it right after this
        self._stop_timer()
        if self._head is not None and not self._head.done():
            self._head.set_result(None)
        self._wake()

    # --- one exchange

    async def exchange(self, data: bytes, timeout: float, *, stream: bool) -> Received:
        """Send one encoded request and wait for its whole answer, or for its head if `stream`."""
        if self._used:
            self._reset()
        self._used = True
        self._timeout = timeout
        self._chunks = deque() if stream else None
        self._head = self._loop.create_future()
        if self.closed or self._transport is None:
            raise UpstreamError("upstream closed an idle connection", code="upstream.closed", retryable=True)
        # Requests that become ready in one turn of the loop leave together: their server is woken once.
        # What is sent is no argument of the callback: asyncio logs those when something goes wrong.
        self._outgoing = data
        self._loop.call_soon(self._send)
        self._start_timer()
        try:
            await self._head
        except asyncio.CancelledError:
            self._close()
            raise
        return self._parser.get_status_code(), self._headers, b"".join(self._body)

    def _send(self) -> None:
        data, self._outgoing = self._outgoing, b""
        if not self.closed and self._transport is not None:
            self._transport.write(data)

    async def next_chunk(self) -> bytes:
        """Return the next piece of a streamed body, empty at its end; raise `UpstreamError` when cut."""
        chunks = self._chunks
        assert chunks is not None  # noqa: S101 - only called for a streamed exchange
        while not chunks:
            self._resume()
            if self._error is not None:
                raise self._error
            if self._complete:
                return b""
            self._arrival = self._loop.create_future()
            await self._arrival
        chunk = chunks.popleft()
        self._waiting_bytes -= len(chunk)
        return chunk

    async def collect(self) -> bytes:
        """Return the whole body of a streamed exchange; raise `UpstreamError` when it is cut or too large."""
        body = bytearray()
        while chunk := await self.next_chunk():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise malformed("upstream's answer is too large")
        return bytes(body)

    def _resume(self) -> None:
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()
            self._restart_timer()

    @property
    def reusable(self) -> bool:
        """Say whether the next request may use this connection: the last answer ended beyond doubt."""
        return self._complete and not self.closed and self._error is None and self._keep_alive

    def close(self) -> None:
        """Drop the connection."""
        self._close()

    # --- endings

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _fail(self, error: UpstreamError) -> None:
        self._stop_timer()
        if self._error is None:  # the first one is the cause: what was aborted is then lost, too
            self._error = error
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)
        self._wake()

    def _abort(self, error: UpstreamError) -> None:
        self._close()
        if self._head is not None and not self._complete:
            self._fail(error)

    def _close(self) -> None:
        self.closed = True
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    # --- silence

    # One timer serves a connection for all its exchanges: setting a deadline is an assignment, and a timer
    # that comes early sets itself again.

    def _start_timer(self) -> None:
        self._deadline = self._loop.time() + self._timeout
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._look)

    def _restart_timer(self) -> None:
        if self._chunks is None or self._complete:
            return
        if self._paused or self.closed:  # the silence of a server that is not listened to is ours
            self._stop_timer()
        else:
            self._start_timer()

    def _stop_timer(self) -> None:
        self._deadline = None
        if self.closed and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self._on_silence()

    def _on_silence(self) -> None:
        late = UpstreamError(
            f"upstream was silent for {self._timeout:g} s",
            code="upstream.timeout",
            retryable=not self._got_bytes,
        )
        self._abort(late)


def malformed(message: str) -> UpstreamError:
    """Return the error for bytes that do not follow the protocol."""
    return UpstreamError(message, code="upstream.malformed")
