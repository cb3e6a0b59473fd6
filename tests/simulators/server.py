"""The HTTP/1.1 server under the simulators: threads, real sockets, faults at the byte level.

A simulator is a function from what was received and the call's behaviour to an `Answer`; this room plays it.
A simulator that raises has a bug, and leaving its `with` block raises it again.
"""

import socket
import socketserver
import ssl
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Self

from tests.simulators.behaviour import Behaviour
from tests.simulators.wire import Answer, Received, spoiled, writes

Inside = Callable[[Callable[[], socketserver.ThreadingTCPServer]], socketserver.ThreadingTCPServer]
"""How a server is opened at its place, such as in a network namespace."""


class Simulator(ABC):
    """A server on 127.0.0.1, or where `at` puts it, while its `with` block lasts."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.disconnects = 0
        self.connections = 0
        self._tls = tls
        self._next: deque[Behaviour] = deque()
        self._usual = Behaviour()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._bugs: list[BaseException] = []
        self._stopped = threading.Event()
        self._address = ("127.0.0.1", 0)
        self._inside: Inside = lambda opens: opens()

    def at(self, host: str, inside: Inside) -> Self:
        """Lets it listen on another host's address, once it is entered."""
        self._address, self._inside = (host, 0), inside
        return self

    @abstractmethod
    def answer(self, received: Received, behaviour: Behaviour) -> Answer:
        """What this server says to a request."""

    @property
    def url(self) -> str:
        """Where it listens, without a trailing slash."""
        return f"{'https' if self._tls else 'http'}://{self._address[0]}:{self._address[1]}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._address[1]

    def behave(self, *behaviours: Behaviour) -> None:
        """Scripts the next calls, one behaviour each; afterwards the usual one applies again."""
        with self._lock:
            self._next.extend(behaviours)

    def usually(self, behaviour: Behaviour) -> None:
        """Changes what every call without a script of its own gets."""
        with self._lock:
            self._usual = behaviour

    def reset(self) -> None:
        """Forgets scripts and what was received."""
        with self._lock:
            self._next.clear()
            self._usual = Behaviour()
            self.requests.clear()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuses connections (ECONNREFUSED) for the block's time, and drops those that are open."""
        self._listener.shutdown()
        self._listener.server_close()
        self.drop_connections()
        with socket.socket() as held:  # bound, not listening: nobody else gets the port
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(self._address)
            yield
        self._listen()

    def drop_connections(self) -> None:
        """Closes every open connection, such as a pooled one of the client."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # below TLS, whose state is the thread's

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._listener.shutdown()
        self._listener.server_close()
        self.drop_connections()
        if kind is None and self._bugs:
            raise AssertionError(f"the simulator has a bug: {self._bugs[0]!r}") from self._bugs[0]

    def _listen(self) -> None:
        self._listener = self._inside(lambda: _Listener(self._address, self))
        host, port = self._listener.server_address[:2]
        self._address = (str(host), int(port))
        threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, received: Received) -> Behaviour:
        """Notes a request and gives the behaviour that it meets."""
        with self._lock:
            self.requests.append(received)
            return self._next.popleft() if self._next else self._usual

    def opened(self, connection: socket.socket) -> None:
        """Notes a connection."""
        with self._lock:
            self.connections += 1
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forgets a connection."""
        with self._lock:
            self._open.discard(connection)

    def failed(self, error: BaseException) -> None:
        """Notes what a connection's thread died of: the client's leaving, or a bug of the simulator."""
        with self._lock:
            if isinstance(error, OSError):
                self.disconnects += 1
            else:
                self._bugs.append(error)

    def wait(self, seconds: float) -> None:
        """Sleeps, but not beyond the simulator's own end."""
        if seconds > 0:
            self._stopped.wait(seconds)

    def secured(self, connection: socket.socket) -> socket.socket:
        """The connection in TLS, where the simulator speaks it; the handshake waits for the first read."""
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], simulator: Simulator) -> None:
        self.simulator = simulator
        super().__init__(address, _Connection)

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        return self.simulator.secured(connection), address

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: `_Connection.handle` has noted the error already."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60.0
    server: _Listener

    def setup(self) -> None:
        self.simulator = self.server.simulator
        self.simulator.opened(self.request)
        super().setup()

    def handle(self) -> None:
        try:
            super().handle()
        except Exception as error:  # noqa: BLE001 - the outermost door of a thread; kept and raised at exit
            self.simulator.failed(error)
            self.close_connection = True

    def finish(self) -> None:
        self.simulator.closed(self.request)
        with suppress(OSError, ValueError):
            super().finish()

    def do_POST(self) -> None:
        length = self.headers["Content-Length"] or ("0" if self.command == "GET" else None)
        if self.headers["Transfer-Encoding"] or length is None:
            self.send_error(411)
            self.close_connection = True
            return
        body = self.rfile.read(int(length))
        path, _, query = self.path.partition("?")
        received = Received(self.command, path, query, tuple(self.headers.items()), body)
        behaviour = self.simulator.take(received)
        if behaviour.dead:
            self.close_connection = True
            return
        answer = self.simulator.answer(received, behaviour)
        self.simulator.wait(behaviour.delay)
        self._play(spoiled(answer, behaviour), behaviour)

    do_GET = do_POST  # noqa: N815 - the name that http.server asks for

    def _play(self, answer: Answer, behaviour: Behaviour) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.stream:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            length = len(b"".join(answer.parts)) + behaviour.content_length_off_by
            self.send_header("Content-Length", str(length))
        self.end_headers()
        whole = self._send(answer, behaviour)
        if whole and answer.stream:
            self.wfile.write(b"0\r\n\r\n")
        if not whole or behaviour.content_length_off_by:
            self.close_connection = True

    def _send(self, answer: Answer, behaviour: Behaviour) -> bool:
        left = behaviour.cut_after
        for number, part in enumerate(answer.parts):
            if number == behaviour.cut_after_events:
                return False
            if number:
                self.simulator.wait(behaviour.event_delay)
            rest = part if left is None else part[:left]
            for piece in writes(rest, behaviour.write_size):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if answer.stream else piece)
            if left is not None:
                left -= len(rest)
                if len(rest) < len(part):
                    return False
        return True

    def version_string(self) -> str:
        return "simulator"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Nothing: tests read `requests` instead."""
