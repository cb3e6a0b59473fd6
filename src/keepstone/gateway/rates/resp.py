"""One connection to Valkey or Redis: commands leave together, answers come in order, nothing is sent twice.

hiredis packs and parses; this file only waits. An answer that is late fails its waiter and is dropped when it
comes; a server that has been silent for long loses the connection.
"""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import hiredis

from keepstone.core.errors import UsageError

TICK_S = 0.025
STALL_S = 2.0
CONNECT_S = 1.0
_PORT = 6379
_SCHEMES = ("valkey", "valkeys", "redis", "rediss", "unix")


class RatesGone(Exception):  # noqa: N818 - the state, as its readers call it
    """The store does not answer, or not as it should."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the store is: `valkey://user:password@host:6379/0`, `valkeys://` for TLS, or `unix:///path`."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    database: int
    unix: str = ""

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Read a URL; raise `UsageError`, which never quotes it, since it may hold a password."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORT
        except ValueError as error:
            raise UsageError(
                "KEEPSTONE_RATES is not a URL", hint="such as `valkey://127.0.0.1:6379/0`"
            ) from error
        if parts.scheme not in _SCHEMES:
            expected = ", ".join(f"`{each}`" for each in _SCHEMES)
            raise UsageError(f"KEEPSTONE_RATES has an unknown scheme, expected one of {expected}")
        path = parts.path.lstrip("/")
        is_unix = parts.scheme == "unix"
        if not is_unix and (not parts.hostname or not (path or "0").isdecimal()):
            raise UsageError("KEEPSTONE_RATES is not a URL", hint="such as `valkey://127.0.0.1:6379/0`")
        return cls(
            parts.hostname or "",
            port,
            parts.scheme in ("valkeys", "rediss"),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            0 if is_unix else int(path or "0"),
            parts.path if is_unix else "",
        )


class Connection(asyncio.Protocol):
    """An open connection; `closed` is set when it is no more."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader()
        self._waiting: deque[tuple[asyncio.Future[Any] | None, float]] = deque()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._watch: asyncio.TimerHandle | None = None
        self.closed = asyncio.Event()

    def call(self, *words: object, timeout: float) -> asyncio.Future[Any]:
        """Send a command; the future gives its answer or raises `RatesGone`."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._send(hiredis.pack_command(words), future, timeout)  # type: ignore[arg-type]  # any scalars
        return future

    def post(self, packed: bytes) -> None:
        """Send a packed command whose answer nobody waits for."""
        self._send(packed, None, STALL_S)

    def finish(self) -> None:
        """Close once what was sent is on its way."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """Give the connection up."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, packed: bytes, future: asyncio.Future[Any] | None, timeout: float) -> None:
        if self.closed.is_set():
            if future is not None:
                future.set_exception(RatesGone("the connection is closed"))
            return
        self._waiting.append((future, self._loop.time() + timeout))
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(packed)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None and not self.closed.is_set():
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to watch for answers that are late."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport
        self._watch = self._loop.call_later(TICK_S, self._look)

    def data_received(self, data: bytes) -> None:
        """Give each answer to whoever waits for it."""
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not False:
                future, _ = self._waiting.popleft()
                if future is None or future.done():
                    continue
                if isinstance(answer, hiredis.ReplyError):
                    future.set_exception(RatesGone(str(answer).partition(" ")[0]))
                else:
                    future.set_result(answer)
        except (hiredis.ProtocolError, IndexError):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail everybody who waits."""
        if self._watch is not None:
            self._watch.cancel()
        self.closed.set()
        waiting, self._waiting = self._waiting, deque()
        for future, _ in waiting:
            if future is not None and not future.done():
                future.set_exception(RatesGone("the connection is lost"))

    def _look(self) -> None:
        now = self._loop.time()
        for future, deadline in self._waiting:
            if deadline > now:
                break
            if future is not None and not future.done():
                future.set_exception(RatesGone("the store is too slow"))
        if self._waiting and now - self._waiting[0][1] > STALL_S:
            self.close()
            return
        self._watch = self._loop.call_later(TICK_S, self._look)


async def connect(address: Address) -> Connection:
    """Open a connection and log in; raise `RatesGone` when that cannot be done in time."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_S):
            if address.unix:
                _, connection = await loop.create_unix_connection(Connection, address.unix)
            else:
                context = ssl.create_default_context() if address.tls else None
                _, connection = await loop.create_connection(
                    Connection, address.host, address.port, ssl=context
                )
    except (OSError, TimeoutError) as error:
        raise RatesGone(type(error).__name__) from error
    if address.password:
        user = (address.user,) if address.user else ()
        await connection.call("AUTH", *user, address.password, timeout=CONNECT_S)
    if address.database:
        await connection.call("SELECT", address.database, timeout=CONNECT_S)
    return connection
