"""How long the first text of a stream is held beyond what the scan needs to see.

A governed stream holds text back until the scan window of its policy is full: until then, nobody could say
whether what has come is the beginning of something that must not pass. That wait belongs to the policy and to
the model's speed. What the gateway adds is measured here:

    delay = (the caller has read the first event with text) - (the model has written the event with which the
            scan window is full)

Which event that is follows from the text and the policy alone; the policy's own scanner is asked, in this
process. Without a window it is the first event with text. One stream at a time; the model writes its first
text together with the message's start, so that where the first event fills the window (or there is none), the
delay holds everything that a call costs on its way in, and its opening record. Every stream must arrive as it
was written, and none of its text before its window is full.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

import msgspec

from bench import payload
from bench.checks import await_ready
from bench.contenders import CONTENDERS, DIRECT, PASSTHROUGH, REFERENCE
from bench.governed import Way
from bench.launch import CONVERSE_PATH, Settings, free_port
from bench.process import BenchError, running
from bench.results import Delay
from bench.stream_model import StreamModel
from keepstone.gateway.wire.eventstream import EventDecoder
from keepstone.guard.stream import StreamScanner
from keepstone.policy.load import load
from keepstone.wiring.active import compile_guardrails

PATH = f"{CONVERSE_PATH}-stream"
WARM = 10
_LONGEST_S = 10.0
_PIECES = 8
_TEXT = payload.said(payload.CONVERSE_ANSWER)


class Flow(NamedTuple):
    """A row of the table: who is asked (the model itself, if it is no gateway), characters in each event."""

    name: str
    contender: str
    title: str
    policy: str
    chars: int

    def pieces(self) -> list[str]:
        """The text of the events."""
        return [_TEXT[at : at + self.chars] for at in range(0, _PIECES * self.chars, self.chars)]


FLOWS = (
    Flow("direct", DIRECT, "no gateway", "", 20),
    Flow("passthrough", PASSTHROUGH, "Keepstone, pass-through", "passthrough", 20),
    Flow("strict", REFERENCE, "Keepstone, everything on", "strict", 20),
    Flow("full", REFERENCE, "the same, window full at the first event", "strict", 120),
)


def measured(flow: Flow, settings: Settings, streams: int) -> Delay:
    """Stream so often, one after the other; `settings.upstream` is not asked."""
    pieces = flow.pieces()
    first = window_event(flow.policy, pieces)
    delays = sorted(asyncio.run(_streamed(flow, settings, WARM + streams))[WARM:])
    return Delay(
        flow.title,
        streams,
        first + 1 if flow.policy else 0,
        sum(len(piece) for piece in pieces[: first + 1]) if flow.policy else 0,
        median(delays) / 1e6,
        percentile(delays, 99) / 1e6,
    )


def window_event(policy: str, pieces: Sequence[str]) -> int:
    """Which piece, counted from 0, fills the scan window of a policy of the benchmark."""
    if not policy:
        return 0
    guardrail = compile_guardrails(load(Way(policy, policy).source()).document)["default"]
    scanner = StreamScanner(guardrail)
    for at, piece in enumerate(pieces):
        if scanner.feed(piece):
            return at
    raise BenchError(f"{len(pieces)} pieces do not fill the scan window of `{policy}`")


def percentile(ordered: Sequence[int], share: int) -> int:
    """The least of the values that `share` percent of them do not exceed."""
    return ordered[-(-len(ordered) * share // 100) - 1]


async def _streamed(flow: Flow, settings: Settings, streams: int) -> list[int]:
    """Start the model, ask it or a gateway before it, and return the delay of each stream in ns."""
    model = StreamModel(flow.pieces())
    port = free_port()
    async with await asyncio.start_server(model.serve, "127.0.0.1", port):
        if flow.policy:
            found = await _governed(flow, settings._replace(upstream=port), model, streams)
        else:
            found = await Caller(port, {}, "".join(flow.pieces())).delays(model, streams, 0)
        await model.ended()
    return found


async def _governed(flow: Flow, settings: Settings, model: StreamModel, streams: int) -> list[int]:
    contender = next(each for each in CONTENDERS if each.name == flow.contender)
    launch = contender.launch(settings)
    first = window_event(flow.policy, flow.pieces())
    with running(f"stream-{flow.name}", launch.command, settings.folder / "logs", launch.env) as child:
        await asyncio.to_thread(await_ready, flow.name, child, launch.base, launch.ready)
        caller = Caller(launch.port, launch.headers(child), "".join(flow.pieces()))
        return await caller.delays(model, streams, first)


class Caller:
    """Streams over one connection that is kept."""

    def __init__(self, port: int, headers: Mapping[str, str], text: str) -> None:
        self._port = port
        self._text = text
        body = payload.CONVERSE_REQUEST
        lines = [f"POST {PATH} HTTP/1.1", f"host: 127.0.0.1:{port}", f"content-length: {len(body)}"]
        lines += ["content-type: application/json", *(f"{name}: {value}" for name, value in headers.items())]
        self._request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def delays(self, model: StreamModel, streams: int, first: int) -> list[int]:
        """How long the first text took from the event `first` on, stream by stream."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        found = []
        try:
            for _ in range(streams):
                writer.write(self._request)
                seen = await asyncio.wait_for(self._read(reader), _LONGEST_S)
                if seen < model.written[first]:
                    raise BenchError("text arrived before its scan window was full")
                found.append(seen - model.written[first])
        finally:
            writer.close()
        return found

    async def _read(self, reader: asyncio.StreamReader) -> int:
        """Read one stream and return the instant at which its first text was there."""
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or b"chunked" not in head.lower():
            raise BenchError(f"a stream was answered with {head[:300]!r}")
        decoder, seen, text = EventDecoder(), 0, ""
        while chunk := await _chunk(reader):
            now = time.monotonic_ns()
            for event in decoder.feed(chunk):
                if event.kind == "exception":
                    raise BenchError(f"a stream ended with `{event.type}`: {event.payload[:300]!r}")
                if event.type == "contentBlockDelta":
                    seen = seen or now
                    text += msgspec.json.decode(event.payload)["delta"]["text"]
        if text != self._text:
            raise BenchError(f"a stream arrived changed: {text[:300]!r}")
        return seen


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    """One chunk of a chunked body; empty at its end."""
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]
