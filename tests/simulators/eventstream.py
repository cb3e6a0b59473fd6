"""`application/vnd.amazon.eventstream` frames, written from the format's description.

A frame: total length, headers length, CRC32 of those eight bytes, headers, payload, CRC32 of all before it;
big-endian. A header: length of name (1 byte), name, type 7 (string), length (2 bytes), value.
"""

import json
import struct
from typing import Any
from zlib import crc32


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame with string headers."""
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    checked = prelude + struct.pack(">I", crc32(prelude)) + packed + payload
    return checked + struct.pack(">I", crc32(checked))


def event(name: str, members: dict[str, Any]) -> bytes:
    """An event whose payload is JSON, padded under `p` as Bedrock pads its own against traffic analysis."""
    padded = {**members, "p": "abcdefghijklmnopqrstuvwxyz"[: 4 + len(str(members)) % 20]}
    return frame(_names("event", name), json.dumps(padded, separators=(",", ":")).encode())


def exception(name: str, members: dict[str, Any]) -> bytes:
    """An exception inside a stream; the name starts with a small letter there."""
    return frame(_names("exception", name[0].lower() + name[1:]), json.dumps(members).encode())


def corrupted(whole: bytes) -> bytes:
    """The same frame with its last checksum wrong."""
    return whole[:-1] + bytes([whole[-1] ^ 0xFF])


def _names(kind: str, name: str) -> dict[str, str]:
    return {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}


def _header(name: str, value: str) -> bytes:
    raw, text = name.encode(), value.encode()
    return struct.pack(">B", len(raw)) + raw + struct.pack(">BH", 7, len(text)) + text
