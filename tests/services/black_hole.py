"""Addresses at which nothing answers, as behind a firewall that drops packets."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def black_hole() -> Iterator[str]:
    """Yield an address whose queue of connections is full: the kernel drops whoever knocks."""
    with ExitStack() as open_sockets:
        server = open_sockets.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        host, port = server.getsockname()
        for _ in range(4):
            knocking = open_sockets.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex((host, port))
        yield f"{host}:{port}"


@contextmanager
def nobody() -> Iterator[str]:
    """Yield an address that refuses connections."""
    with socket.socket() as taken:  # bound, so that nobody else gets it, and not listening
        taken.bind(("127.0.0.1", 0))
        yield "{}:{}".format(*taken.getsockname())
