"""HTTP towards callers: uvicorn's own protocol, with bounds where it has none.

uvicorn bounds neither the size of a request's head nor the time it may take, and it goes on reading the body
of a request that was answered already. Strangers could hold memory and connections that way. Each connection
has one timer; a request costs three assignments.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from keepstone.gateway.identify.certificate import PEER, PeerCertificate, read_certificate
from keepstone.gateway.intake import WHOLE
from keepstone.gateway.patience import CONNECTION, Bell, Gone

MAX_HEAD_BYTES = 64 * 1024
HEAD_S = 10.0
"""A connection's first head must be whole after this time, a later one after at most twice of it."""
LINGER_S = 5.0
"""How long an answered caller may go on sending; cutting it off at once would lose it the answer."""
GATHER_BYTES = 64 * 1024
"""What was written within one turn leaves at once when it is this much: the transport then tells the writer
to stop where the caller reads slowly."""


class GatheredTransport(asyncio.Transport):
    """A transport that sends what is written within one turn of the event loop together.

    uvicorn writes the head and the body of an answer one by one: a system call and a segment more.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes | bytearray | memoryview] = []
        self._gathered = 0
        # what reads and asks goes to the real one directly
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send at the end of this turn, or when much has gathered."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        self._gathered += len(data)
        if self._gathered >= GATHER_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._parts:
            data, self._parts, self._gathered = b"".join(self._parts), [], 0
            self._transport.write(data)

    def close(self) -> None:
        """Send what is left, then close."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._parts, self._gathered = [], 0
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Return how many bytes have not been given to the system yet."""
        return self._gathered + self._transport.get_write_buffer_size()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another protocol."""
        self._transport.set_protocol(protocol)


class BoundedHttp(HttpToolsProtocol):
    """One connection of a caller."""

    leaving: ClassVar[bool] = False
    """This process takes its leave: each answer is the last one on its connection, and says so."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_head = True  # also between requests
        self._head_bytes = 0
        self._heads = 0
        self._heads_then = 0
        self._timer: asyncio.TimerHandle | None = None
        self.gone = False
        self.bell: Bell | None = None
        self._peer: PeerCertificate | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Start to watch the head."""
        super().connection_made(GatheredTransport(transport, self.loop))
        self._timer = self.loop.call_later(HEAD_S, self._look)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        if certificate:
            self._peer = read_certificate(certificate)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer, which would keep the connection in memory; tell the call that waits."""
        self.gone = True
        if self.bell is not None:
            self.bell.left()
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        self._leave_scopes()

    def _leave_scopes(self) -> None:
        """Take this connection out of its calls' scopes: a circle would stay until the collector comes by."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        for scope in (self.scope, cycle.scope if cycle is not None else None):
            if scope is not None and CONNECTION in scope:
                scope[CONNECTION] = Gone()  # type: ignore[literal-required]

    def data_received(self, data: bytes) -> None:
        """Parse; refuse a head that has grown too long."""
        before, heads = self._in_head, self._heads
        super().data_received(data)
        if before and self._in_head and heads == self._heads:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's head is too long.")

    def on_headers_complete(self) -> None:
        """Note that the head is whole, then let uvicorn start the call."""
        self._in_head, self._head_bytes = False, 0
        self._heads += 1
        if self._peer is not None:
            self.scope[PEER] = self._peer  # type: ignore[literal-required]  # ASGI allows others
        super().on_headers_complete()
        if self.leaving:
            self.cycle.keep_alive = False

    def take_leave(self) -> None:
        """Let the answer under way be the last one, if its head can still say so."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note that the next bytes are another request's, and tell the gateway that it need not wait."""
        self._in_head = True
        self.scope[WHOLE] = True  # type: ignore[literal-required]  # ASGI allows others
        self.scope[CONNECTION] = self  # type: ignore[literal-required]
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give a caller that still sends the body of an answered request a while to stop."""
        super().on_response_complete()
        if not self._in_head and not self.transport.is_closing():
            self.loop.call_later(LINGER_S, self._abandon, self._heads)

    def _abandon(self, heads: int) -> None:
        if not self._in_head and heads == self._heads:
            self.transport.abort()

    def _look(self) -> None:
        """Give up a connection whose head was unfinished at the last look already."""
        begun = self._head_bytes > 0 or self._heads == 0
        if self._in_head and begun and self._heads == self._heads_then:
            self.transport.abort()
            return
        self._heads_then = self._heads if self._in_head and begun else -1
        self._timer = self.loop.call_later(HEAD_S, self._look)
