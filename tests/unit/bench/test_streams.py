"""Which event of a stream fills the scan window, and which delay is the 99th percentile's."""

import asyncio

import pytest
from bench.process import BenchError
from bench.stream_model import StreamModel
from bench.streams import FLOWS, Caller, percentile, window_event


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_flow_fills_its_window(flow) -> None:
    assert 0 <= window_event(flow.policy, flow.pieces()) < len(flow.pieces())


def test_a_window_fills_later_in_smaller_pieces_and_at_once_in_a_long_one() -> None:
    flows = {flow.name: flow for flow in FLOWS}
    assert window_event("strict", flows["strict"].pieces()) > 0
    assert window_event("strict", flows["full"].pieces()) == 0
    assert window_event("", ["a"]) == 0


def test_a_text_that_is_too_short_is_told() -> None:
    with pytest.raises(BenchError, match="do not fill"):
        window_event("strict", ["short"])


@pytest.mark.parametrize(
    ("count", "share", "value"), [(100, 99, 99), (100, 50, 50), (300, 99, 297), (1, 99, 1), (10, 99, 10)]
)
def test_percentiles(count, share, value) -> None:
    assert percentile(range(1, count + 1), share) == value


def streamed(pieces, text, first, streams=3):
    async def run():
        model = StreamModel(pieces)
        async with await asyncio.start_server(model.serve, "127.0.0.1", 0) as server:
            caller = Caller(server.sockets[0].getsockname()[1], {}, text)
            try:
                return await caller.delays(model, streams, first)
            finally:
                await model.ended()

    return asyncio.run(run())


def test_the_delay_is_told_from_the_event_that_fills_the_window() -> None:
    delays = streamed(["some ", "text"], "some text", 0)
    assert len(delays) == 3
    assert all(0 < each < 5_000_000_000 for each in delays)


@pytest.mark.parametrize(
    ("text", "first", "message"), [("other text", 0, "arrived changed"), ("some text", 1, "before its scan")]
)
def test_a_stream_that_is_not_as_it_should_be_ends_the_run(text, first, message) -> None:
    with pytest.raises(BenchError, match=message):
        streamed(["some ", "text"], text, first)
