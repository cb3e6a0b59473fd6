"""A pooled HTTP/1.1 client for upstreams: httptools parses, asyncio carries, TLS verifies.

Deliberately small: one origin per pool, no redirects, no cookies, no proxies, no content coding. It exists
because it costs a third of the general clients' CPU on the hot path (docs/benchmarks.md, ADR 0005). Rules
against request and response smuggling: header values with CR, LF or NUL never leave; a connection is used
again only after a response whose end is unambiguous, with no byte behind it; anything else closes it.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

from keepstone.core.errors import UpstreamError

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
STREAM_HIGH_WATER = 256 * 1024

Headers = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Response:
    """A status, lower-case headers, and a body that was collected or is still arriving."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    chunks: "Chunks | None" = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a pool connects to, and how patiently; seconds."""

    url: str
    connect_timeout: float = 3.0
    timeout: float = 120.0
    max_connections: int = 256
    ca_bundle: str = ""
    host: str = field(init=False)
    port: int = field(init=False)
    tls: bool = field(init=False)
    base_path: str = field(init=False)

    def __post_init__(self) -> None:
        message = f"`{self.url[:100]}` is not an http or https URL"
        try:
            parts = urlsplit(self.url)
            port = parts.port
        except ValueError as error:
            raise UpstreamError(message, code="upstream.url") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UpstreamError(message, code="upstream.url")
        tls = parts.scheme == "https"
        object.__setattr__(self, "host", parts.hostname)
        object.__setattr__(self, "port", port or (443 if tls else 80))
        object.__setattr__(self, "tls", tls)
        object.__setattr__(self, "base_path", parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """Return the `Host` header: the port stands in it unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class _Connection(asyncio.Protocol):
    """One connection; the pool gives it one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timeout = 0.0
        self._used = False
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
        self._transport = transport  # type: ignore[assignment]  # create_connection gives a Transport

    def data_received(self, data: bytes) -> None:
        if self._head is None or self._complete:
            self._abort(_malformed("upstream sent data that nobody asked for"))
            return
        self._got_bytes = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._abort(_malformed("upstream tried to switch protocols"))
        except httptools.HttpParserError as error:
            ours = error.__context__  # what a callback raised
            self._abort(
                ours if isinstance(ours, UpstreamError) else _malformed("upstream's answer is not valid HTTP")
            )
        else:
            self._check_head(len(data))
            self._restart_timer()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
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
                self._abort(_malformed("upstream's headers are too large"))

    # --- httptools callbacks

    def on_message_begin(self) -> None:
        if self._complete:
            raise _malformed("upstream sent a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _malformed("upstream's headers are too large")
        if not self._head_done:  # RFC 9110 6.5.1: trailers are no headers
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._parser.get_status_code() < 200:  # an interim answer: the real one follows
            self._headers.clear()
            return
        self._head_done = True
        if self._head is not None and not self._head.done() and self._chunks is not None:
            self._head.set_result(None)

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._chunks is None:
            if self._body_bytes > MAX_BODY_BYTES:
                raise _malformed("upstream's answer is too large")
            self._body.append(data)
            return
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > STREAM_HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        if not self._head_done:
            return
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()  # the parser forgets it right after this
        self._stop_timer()
        if self._head is not None and not self._head.done():
            self._head.set_result(None)
        self._wake()

    # --- one exchange

    async def exchange(self, data: bytes, *, timeout: float, stream: bool) -> Response:
        """Send one encoded request and wait for its whole answer, or for its head if `stream`."""
        if self._used:
            self._reset()
        self._used = True
        self._timeout = timeout
        self._chunks = deque() if stream else None
        self._head = self._loop.create_future()
        if self.closed or self._transport is None:
            raise UpstreamError("upstream closed an idle connection", code="upstream.closed", retryable=True)
        self._transport.write(data)
        self._start_timer()
        try:
            await self._head
        except asyncio.CancelledError:
            self._close()
            raise
        status = self._parser.get_status_code()
        return Response(status, self._headers, b"".join(self._body))

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
                raise _malformed("upstream's answer is too large")
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

    def _start_timer(self) -> None:
        self._timer = self._loop.call_later(self._timeout, self._on_silence)

    def _restart_timer(self) -> None:
        if self._chunks is None or self._complete:
            return
        self._stop_timer()
        if not self._paused and not self.closed:  # the silence of a server that is not listened to is ours
            self._start_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_silence(self) -> None:
        late = UpstreamError(
            f"upstream was silent for {self._timeout:g} s",
            code="upstream.timeout",
            retryable=not self._got_bytes,
        )
        self._abort(late)


class HttpPool:
    """Keeps connections to one origin and sends requests over them."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._idle: deque[_Connection] = deque()
        self._closed = False
        self._slots = asyncio.Semaphore(origin.max_connections)
        self._tls = _tls_context(origin.ca_bundle) if origin.tls else None

    async def post(self, path: str, headers: Headers, body: bytes, *, stream: bool = False) -> Response:
        """POST `body` to the origin; raise `UpstreamError` when no whole answer came.

        With `stream`, a 2xx answer has `chunks`; any other is collected. A pooled connection that the server
        had closed meanwhile is replaced once, silently: nothing was answered on it.
        """
        data = encode_request(self.origin.authority, path, headers, body)
        await self._slot()
        kept = False
        try:
            connection, response = await self._exchange(data, stream=stream)
            if stream and response.status < 300:
                response.chunks = Chunks(self, connection)
                kept = True
                return response
            try:
                if stream:
                    response.body = await connection.collect()
            finally:
                self.give_back(connection)
            return response
        finally:
            if not kept:
                self._slots.release()

    async def _slot(self) -> None:
        """Wait for one of the connections that may be open; not for ever: another upstream may be free."""
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self.origin.timeout):
                await self._slots.acquire()
        except TimeoutError as error:
            message = (
                f"all {self.origin.max_connections} connections to the upstream were in use "
                f"for {self.origin.timeout:g} s"
            )
            raise UpstreamError(message, code="upstream.busy") from error

    async def _exchange(self, data: bytes, *, stream: bool) -> tuple[_Connection, Response]:
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                continue
            try:
                return connection, await self._on(connection, data, stream=stream)
            except UpstreamError as error:
                if error.code != "upstream.closed" or not error.retryable:
                    raise
                break
        connection = await self._connect()
        return connection, await self._on(connection, data, stream=stream)

    async def _on(self, connection: _Connection, data: bytes, *, stream: bool) -> Response:
        return await connection.exchange(data, timeout=self.origin.timeout, stream=stream)

    def end_stream(self, connection: _Connection) -> None:
        """Take back the connection and the slot of a stream that is over."""
        self.give_back(connection)
        self._slots.release()

    def give_back(self, connection: _Connection) -> None:
        """Keep a connection for the next request, or close it."""
        if connection.reusable and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        origin = self.origin
        try:
            async with asyncio.timeout(origin.connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop),
                    origin.host,
                    origin.port,
                    ssl=self._tls,
                    server_hostname=origin.host if self._tls else None,
                )
        except TimeoutError as error:
            message = f"no connection to `{origin.authority}` within {origin.connect_timeout:g} s"
            raise UpstreamError(message, code="upstream.connect", retryable=True) from error
        except ssl.SSLCertVerificationError as error:
            message = f"the certificate of `{origin.authority}` does not verify"
            hint = "name your certificate authority in `ca_bundle`"
            raise UpstreamError(message, hint=hint, code="upstream.tls") from error
        except (OSError, UnicodeError) as error:  # a name that cannot be a host's fails to encode
            message = f"cannot connect to `{origin.authority}`"
            raise UpstreamError(message, code="upstream.connect", retryable=True) from error
        return connection

    async def close(self) -> None:
        """Close the idle connections; those in use are closed when their answer is there."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


class Chunks:
    """The chunks of one streamed answer; its end, or `aclose`, frees the connection and the slot."""

    def __init__(self, pool: HttpPool, connection: _Connection) -> None:
        self._pool = pool
        self._connection = connection
        self._over = False

    def __aiter__(self) -> "Chunks":
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        try:
            chunk = await self._connection.next_chunk()
        except BaseException:  # a cut, or a cancelled call
            self._end()
            raise
        if not chunk:
            self._end()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Give up what has not arrived yet."""
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._pool.end_stream(self._connection)


def _malformed(message: str) -> UpstreamError:
    return UpstreamError(message, code="upstream.malformed")


def encode_request(authority: str, path: str, headers: Headers, body: bytes) -> bytes:
    """Return the bytes of a POST; raise `UpstreamError` for a value that could smuggle a second request."""
    lines = [f"POST {path} HTTP/1.1", f"host: {authority}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if any("\r" in line or "\n" in line or "\0" in line for line in lines) or " " in path:
        raise UpstreamError("a request header holds a control character", code="upstream.request")
    try:
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body
    except UnicodeEncodeError:  # not chained: the error quotes the text, which may hold a token
        message = "a request header holds a character that is not Latin-1"
    raise UpstreamError(message, code="upstream.request")


def _tls_context(ca_bundle: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except (OSError, ssl.SSLError) as error:
            message = f"cannot read the certificate authorities in `{ca_bundle}`"
            raise UpstreamError(message, code="upstream.tls") from error
    return context
