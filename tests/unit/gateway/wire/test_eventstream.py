"""The event-stream codec, against botocore's parser and under hostile bytes."""

from struct import pack
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.errors import WireError
from keepstone.gateway.wire.eventstream import (
    MAX_HEADERS,
    MAX_PAYLOAD,
    EventDecoder,
    WireEvent,
    encode_event,
    encode_exception,
)

names = st.sampled_from(["messageStart", "contentBlockDelta", "metadata", "chunk"])
events = st.lists(st.tuples(st.booleans(), names, st.binary(max_size=200)).map(lambda e: (*e,)), max_size=6)


def encoded(items):
    return b"".join(encode_exception(t, p) if exc else encode_event(t, p) for exc, t, p in items)


def expected(items):
    return [WireEvent("exception" if exc else "event", t, p) for exc, t, p in items]


def frame(headers: bytes, payload: bytes = b"") -> bytes:
    lengths = pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = lengths + pack(">I", crc32(lengths)) + headers + payload
    return message + pack(">I", crc32(message))


def header(name: str, value: bytes, kind: int = 7) -> bytes:
    size = pack(">H", len(value)) if kind in (6, 7) else b""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + size + value


@given(events)
def test_botocore_reads_what_we_write(items) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encoded(items))
    read = [(e.headers[":message-type"], e.payload) for e in buffer]
    assert read == [("exception" if exc else "event", p) for exc, _, p in items]


@given(events, st.data())
def test_any_chunking_gives_the_same_events(items, data) -> None:
    raw = encoded(items)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    decoder = EventDecoder()
    got = []
    for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        got += decoder.feed(raw[start:end])
    decoder.close()
    assert got == expected(items)


def drain(raw: bytes, size: int):
    decoder, got = EventDecoder(), []
    try:
        for start in range(0, len(raw), size):
            got += decoder.feed(raw[start : start + size])
        decoder.close()
    except WireError as error:
        return got, error.code
    return got, ""


@given(events, st.binary(min_size=1, max_size=64), st.data())
def test_damage_is_a_typed_error_whatever_the_chunking(items, junk, data) -> None:
    raw = encoded(items)
    place = data.draw(st.integers(0, len(raw)))
    broken = raw[:place] + junk + raw[place:]
    whole, whole_code = drain(broken, len(broken))
    got, code = drain(broken, data.draw(st.integers(1, 40)))
    assert (got, code) == (whole, whole_code)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_else(raw) -> None:
    events, code = drain(raw, 7)
    assert events == []
    assert code.startswith("wire.") if raw else code == ""


@given(st.binary(max_size=80))
def test_arbitrary_headers_raise_nothing_else(headers) -> None:
    events, code = drain(frame(headers), 1000)
    assert len(events) + bool(code) == 1
    assert code in ("", "wire.headers")
    assert {event.kind for event in events} <= {"event", "exception"}


def prelude(total: int, headers: int) -> bytes:
    lengths = pack(">II", total, headers)
    return lengths + pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (prelude(0xFFFFFFFF, 0), "wire.too_large"),
        (prelude(MAX_PAYLOAD + 17, 0), "wire.too_large"),
        (prelude(MAX_HEADERS + 100, MAX_HEADERS + 1), "wire.too_large"),
        (prelude(15, 0), "wire.length"),
        (prelude(16, 1), "wire.length"),
        (pack(">III", 16, 0, 1), "wire.prelude_checksum"),
        (encode_event("a", b"x")[:-1] + b"\0", "wire.message_checksum"),
        (encode_event("a", b"x")[:-1], "wire.truncated"),
        (frame(b""), "wire.headers"),
        (frame(header(":message-type", b"ping")), "wire.headers"),
        (frame(header(":message-type", b"\xff")), "wire.headers"),
        (frame(b"\x05ab"), "wire.headers"),
        (frame(b"\x01a\x07\x00"), "wire.headers"),
        (frame(b"\x01a\x07\x00\x09abc"), "wire.headers"),
        (frame(b"\x01a\x0a"), "wire.headers"),
    ],
)
def test_broken_frames(raw, code) -> None:
    assert drain(raw, len(raw)) == ([], code)


def test_headers_of_every_type_are_stepped_over() -> None:
    others = b"".join(
        header(f"h{kind}", bytes(size), kind)
        for kind, size in {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 6: 3, 8: 8, 9: 16}.items()
    )
    raw = frame(others + header(":message-type", b"event") + header(":event-type", b"chunk"), b"{}")
    assert drain(raw, 5) == ([WireEvent("event", "chunk", b"{}")], "")


def test_an_unmodelled_error_becomes_an_exception_with_a_message() -> None:
    headers = {":message-type": b"error", ":error-code": b"InternalError", ":error-message": b"oh"}
    raw = frame(b"".join(header(name, value) for name, value in headers.items()))
    assert drain(raw, 9) == ([WireEvent("exception", "InternalError", b'{"message":"oh"}')], "")


def test_events_before_a_broken_frame_are_not_lost() -> None:
    decoder = EventDecoder()
    assert decoder.feed(encode_event("chunk", b"1") + bytes(20)) == [WireEvent("event", "chunk", b"1")]
    with pytest.raises(WireError):
        decoder.feed(b"")
    with pytest.raises(WireError):
        decoder.close()
