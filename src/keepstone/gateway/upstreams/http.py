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

from msgspec import Struct

from keepstone.core.errors import UpstreamError
from keepstone.gateway.upstreams.connection import Connection

Headers = Sequence[tuple[str, str]]


class Response(Struct):
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


class HttpPool:
    """Keeps connections to one origin and sends requests over them."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._idle: deque[Connection] = deque()
        self._closed = False
        self._authority = origin.authority
        self._free = origin.max_connections
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._tls = _tls_context(origin.ca_bundle) if origin.tls else None

    async def post(self, path: str, headers: Headers, body: bytes, *, stream: bool = False) -> Response:
        """POST `body` to the origin; raise `UpstreamError` when no whole answer came.

        With `stream`, a 2xx answer has `chunks`; any other is collected. A pooled connection that the server
        had closed meanwhile is replaced once, silently: nothing was answered on it.
        """
        data = encode_request(self._authority, path, headers, body)
        if self._free:
            self._free -= 1
        else:
            await self._slot()
        kept = False
        try:
            connection = self._kept()
            response: Response | None = None
            if connection is not None:
                try:
                    response = Response(*await connection.exchange(data, self.origin.timeout, stream=stream))
                except UpstreamError as error:
                    if error.code != "upstream.closed" or not error.retryable:
                        raise
            if connection is None or response is None:
                connection = await self._connect()
                response = Response(*await connection.exchange(data, self.origin.timeout, stream=stream))
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
                self._leave()

    async def _slot(self) -> None:
        """Wait for one of the connections that may be open; not for ever: another upstream may be free."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(self.origin.timeout):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # its turn came as it gave up: the next one's, then
                self._leave()
            if not isinstance(error, TimeoutError):
                raise
            message = (
                f"all {self.origin.max_connections} connections to the upstream were in use "
                f"for {self.origin.timeout:g} s"
            )
            raise UpstreamError(message, code="upstream.busy") from error

    def _kept(self) -> Connection | None:
        """Return the connection that was used last and is still open."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    def _leave(self) -> None:
        """Free a slot, or hand it to whoever has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def end_stream(self, connection: Connection) -> None:
        """Take back the connection and the slot of a stream that is over."""
        self.give_back(connection)
        self._leave()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, or close it."""
        if connection.reusable and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        origin = self.origin
        try:
            async with asyncio.timeout(origin.connect_timeout):
                _, connection = await loop.create_connection(
                    lambda: Connection(loop),
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

    def __init__(self, pool: HttpPool, connection: Connection) -> None:
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


def encode_request(authority: str, path: str, headers: Headers, body: bytes) -> bytes:
    """Return the bytes of a POST; raise `UpstreamError` for a value that could smuggle a second request."""
    lines = [f"POST {path} HTTP/1.1", f"host: {authority}", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\n".join(lines)
    if head.count("\n") >= len(lines) or "\r" in head or "\0" in head or " " in path:
        raise UpstreamError("a request header holds a control character", code="upstream.request")
    try:
        return head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body
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
