"""A server on loopback that plays bytes: what a well-behaved simulator cannot say."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

CLOSE = None
Step = bytes | float | None
Answer = Sequence[Step]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Scripted:
    """Plays one answer per request; each connection has its own answers, and the last ones repeat."""

    def __init__(self, connections: Sequence[Sequence[Answer]]) -> None:
        self._scripts = connections
        self.connections = 0
        self.requests: list[bytes] = []
        self.sent = 0
        self.open = 0
        self.most = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        self.open += 1
        self.most = max(self.most, self.open)
        served = 0
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = script[min(served, len(script) - 1)]
                served += 1
                for step in answer:
                    if step is CLOSE:
                        return
                    if isinstance(step, bytes):
                        writer.write(step)
                        await writer.drain()
                        self.sent += len(step)
                    elif await left(reader, step):
                        return
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client left
        finally:
            self.open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def serving(
    *connections: Sequence[Answer], tls: ssl.SSLContext | None = None
) -> AsyncIterator[Scripted]:
    """Yield a server; `connections[n]` is what the nth connection is answered."""
    scripted = Scripted(connections)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(scripted.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    scripted.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield scripted
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def until(condition, seconds: float = 2.0) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def left(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait; say whether the client closed the connection meanwhile."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await reader.read(1) == b""
    return False
