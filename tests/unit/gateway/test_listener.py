"""What one turn of the event loop writes leaves together, within a bound."""

import asyncio

import pytest

from keepstone.gateway.listener import GATHER_BYTES, GatheredTransport


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
