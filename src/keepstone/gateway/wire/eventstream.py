"""The codec of `application/vnd.amazon.eventstream`: one frame per event, checked by two CRC32s.

A frame is: total length, headers length, CRC32 of these eight bytes, headers, payload, CRC32 of all before.
The decoder waits for nothing and reads nothing: bytes go in, events come out, and any chunking of the same
bytes gives the same events and then the same error.
"""

from functools import lru_cache
from struct import Struct
from typing import Literal
from zlib import crc32

import msgspec

from keepstone.core.errors import WireError

MAX_HEADERS = 128 * 1024  # the limit of AWS
MAX_PAYLOAD = 16 * 1024 * 1024  # AWS allows 24 MiB; no Bedrock event comes near

_PRELUDE = Struct(">III")
_LENGTHS = Struct(">II")
_U32 = Struct(">I")
_U16 = Struct(">H")
_OVERHEAD = _PRELUDE.size + _U32.size
_STRING = 7
_FIXED_SIZE = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}  # header value types of fixed length
_SIZED = (6, 7)  # bytes and string: two bytes of length, then the value


class WireEvent(msgspec.Struct, frozen=True):
    """One frame's meaning: an event or an exception, its type, and its payload as it came."""

    kind: Literal["event", "exception"]
    type: str
    payload: bytes


def encode_event(event_type: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """Return the frame of the event `event_type`."""
    return _frame(_header_block("event", event_type, content_type), payload)


def encode_exception(exception_type: str, payload: bytes) -> bytes:
    """Return the frame of a modelled exception, such as `throttlingException`, that ends a stream."""
    return _frame(_header_block("exception", exception_type, "application/json"), payload)


class EventDecoder:
    """Turns bytes into events; after the first broken frame it gives no event any more."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._error: WireError | None = None

    def feed(self, data: bytes) -> list[WireEvent]:
        """Return the events that `data` completes.

        Raises `WireError` for a broken frame; when whole events stand before it, they are returned first and
        the error is raised by the next call, so that chunking cannot change what is seen.
        """
        if self._error is not None:
            raise self._error
        self._buffer += data
        events: list[WireEvent] = []
        try:
            used = self._take_frames(events)
        except WireError as error:
            self._error = error
            self._buffer.clear()
            if not events:
                raise
            return events
        del self._buffer[:used]
        return events

    def close(self) -> None:
        """Raise `WireError` when the stream ended inside a frame or after a broken one."""
        if self._error is not None:
            raise self._error
        if self._buffer:
            raise WireError(
                f"stream ended inside a frame after `{len(self._buffer)}` bytes", code="wire.truncated"
            )

    def _take_frames(self, events: list[WireEvent]) -> int:
        buffer, offset = self._buffer, 0
        while len(buffer) - offset >= _PRELUDE.size:
            total, headers_length = _checked_prelude(buffer, offset)
            if len(buffer) - offset < total:
                break
            frame = bytes(buffer[offset : offset + total])
            events.append(_decode_frame(frame, headers_length))
            offset += total
        return offset


def _checked_prelude(buffer: bytearray, offset: int) -> tuple[int, int]:
    total, headers_length, checksum = _PRELUDE.unpack_from(buffer, offset)
    if crc32(buffer[offset : offset + _LENGTHS.size]) != checksum:
        raise WireError("the prelude's checksum does not match", code="wire.prelude_checksum")
    if headers_length > MAX_HEADERS:
        raise WireError(f"headers of `{headers_length}` bytes exceed `{MAX_HEADERS}`", code="wire.too_large")
    payload_length = total - headers_length - _OVERHEAD
    if payload_length < 0:
        raise WireError(f"a frame of `{total}` bytes cannot hold its headers", code="wire.length")
    if payload_length > MAX_PAYLOAD:
        raise WireError(
            f"a payload of `{payload_length}` bytes exceeds `{MAX_PAYLOAD}`", code="wire.too_large"
        )
    return total, headers_length


def _decode_frame(frame: bytes, headers_length: int) -> WireEvent:
    (checksum,) = _U32.unpack_from(frame, len(frame) - _U32.size)
    if crc32(frame[: -_U32.size]) != checksum:
        raise WireError("the message's checksum does not match", code="wire.message_checksum")
    end = _PRELUDE.size + headers_length
    block, payload = frame[_PRELUDE.size : end], frame[end : -_U32.size]
    # Only small blocks are remembered: a hostile server must not fill the memory with large ones.
    meaning = _meaning_cached(block) if headers_length <= 512 else _meaning(block)
    if meaning[2]:
        payload = msgspec.json.encode({"message": meaning[2]})
    return WireEvent(meaning[0], meaning[1], payload)


def _meaning(block: bytes) -> tuple[Literal["event", "exception"], str, str]:
    """Return kind, type, and the message that an unmodelled error carries in its headers."""
    headers = _parse_headers(block)
    match headers.get(":message-type"):
        case "event":
            return "event", headers.get(":event-type", ""), ""
        case "exception":
            return "exception", headers.get(":exception-type", ""), ""
        case "error":
            message = headers.get(":error-message") or "the server gave no message"
            return "exception", headers.get(":error-code", ""), message
        case _:
            raise WireError("expected `:message-type` `event`, `exception` or `error`", code="wire.headers")


_meaning_cached = lru_cache(maxsize=256)(_meaning)


def _parse_headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    position = 0
    while position < len(block):
        name_end = position + 1 + block[position]
        if name_end >= len(block):
            raise WireError("a header's name runs past the headers", code="wire.headers")
        kind = block[name_end]
        start, end = _value_bounds(block, name_end + 1, kind)
        if kind == _STRING:
            headers[_text(block[position + 1 : name_end])] = _text(block[start:end])
        position = end
    return headers


def _value_bounds(block: bytes, start: int, kind: int) -> tuple[int, int]:
    if kind in _SIZED:
        if start + _U16.size > len(block):
            raise WireError("a header's length runs past the headers", code="wire.headers")
        (size,) = _U16.unpack_from(block, start)
        start += _U16.size
    elif kind in _FIXED_SIZE:
        size = _FIXED_SIZE[kind]
    else:
        raise WireError(f"header value type `{kind}` is unknown", code="wire.headers")
    if start + size > len(block):
        raise WireError("a header's value runs past the headers", code="wire.headers")
    return start, start + size


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise WireError("a header is not UTF-8", code="wire.headers") from error


@lru_cache(maxsize=128)
def _header_block(message_type: str, name: str, content_type: str) -> bytes:
    headers = (
        (f":{message_type}-type", name),
        (":content-type", content_type),
        (":message-type", message_type),
    )
    return b"".join(_string_header(key, value) for key, value in headers)


def _string_header(name: str, value: str) -> bytes:
    raw = value.encode()
    return bytes([len(name)]) + name.encode() + bytes([_STRING]) + _U16.pack(len(raw)) + raw


def _frame(headers: bytes, payload: bytes) -> bytes:
    lengths = _LENGTHS.pack(len(headers) + len(payload) + _OVERHEAD, len(headers))
    message = b"".join((lengths, _U32.pack(crc32(lengths)), headers, payload))
    return message + _U32.pack(crc32(message))
