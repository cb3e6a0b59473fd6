"""What one turn of the event loop writes leaves together, within a bound."""

import asyncio
import gc

import pytest
import uvicorn

from keepstone.gateway.listener import GATHER_BYTES, BoundedHttp, GatheredTransport


class Wire(asyncio.Transport):
    """A transport that notes what it is told."""

    def __init__(self):
        super().__init__()
        self.writes, self.ends = [], []

    def write(self, data):
        self.writes.append(bytes(data))

    def close(self):
        self.ends.append("closed")

    def abort(self):
        self.ends.append("aborted")

    def is_closing(self):
        return bool(self.ends)

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def writing(use):
    """Run `use(gathered, wire)` in one turn of a loop, let one more pass, return what left by then."""

    async def run():
        wire = Wire()
        use(GatheredTransport(wire, asyncio.get_running_loop()), wire)
        await asyncio.sleep(0)
        return wire.writes

    return asyncio.run(run())


def test_what_one_turn_writes_leaves_together_at_its_end():
    def use(gathered, wire):
        gathered.write(b"head")
        gathered.write(bytearray(b"body"))
        assert wire.writes == []
        assert gathered.get_write_buffer_size() == 8

    assert writing(use) == [b"headbody"]


@pytest.mark.parametrize("size", [1000, GATHER_BYTES - 1, GATHER_BYTES, 3 * GATHER_BYTES])
def test_a_writer_that_never_waits_fills_no_memory(size):
    piece = bytes(size)

    def use(gathered, wire):
        for count in range(1, 201):
            gathered.write(piece)
            assert gathered.get_write_buffer_size() < GATHER_BYTES
            assert gathered.get_write_buffer_size() + sum(map(len, wire.writes)) == count * size

    assert sum(map(len, writing(use))) == 200 * size


def test_closing_sends_what_is_left_and_aborting_does_not():
    def close(gathered, wire):
        gathered.write(b"last")
        gathered.close()
        assert (wire.writes, wire.ends) == ([b"last"], ["closed"])

    def abort(gathered, wire):
        gathered.write(b"last")
        gathered.abort()
        assert (gathered.get_write_buffer_size(), wire.ends) == (0, ["aborted"])

    assert writing(close) == [b"last"]
    assert writing(abort) == []


async def _answer(_scope, _receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def _calls(port: int, times: int) -> None:
    for _ in range(times):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 2)
        await reader.readuntil(b"ok")
        await reader.readuntil(b"ok")
        writer.close()
        await writer.wait_closed()


async def _left_after(times: int) -> list[BoundedHttp]:
    config = uvicorn.Config(_answer, http=BoundedHttp, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    gc.collect()
    gc.disable()
    try:
        await _calls(port, times)
        await asyncio.sleep(0.1)
        return [each for each in gc.get_objects() if isinstance(each, BoundedHttp)]
    finally:
        gc.enable()
        server.should_exit = True
        await serving


def test_a_closed_connection_leaves_memory_without_the_collector() -> None:
    assert asyncio.run(_left_after(10)) == []
