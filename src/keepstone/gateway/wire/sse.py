"""Server-sent events, read incrementally and within bounds (WHATWG HTML, 9.2.6).

Lines end with LF or CRLF; a lone CR, which no model server writes, is part of its line.
"""

from keepstone.core.errors import WireError

MAX_EVENT = 1024 * 1024


class SseParser:
    """Turns bytes into the data of events; any chunking of the same bytes gives the same data."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of each event that `chunk` completes; raise `WireError` for one too long."""
        self._line += chunk
        *lines, rest = self._line.split(b"\n")
        self._line = rest
        done: list[bytes] = []
        for line in lines:
            self._take(bytes(line.removesuffix(b"\r")), done)
        if self._size + len(self._line) > MAX_EVENT:
            raise _too_long()
        return done

    def close(self) -> list[bytes]:
        """Return the data of a last event that no blank line ended."""
        done: list[bytes] = []
        if self._line:
            self._take(bytes(self._line.removesuffix(b"\r")), done)
            self._line.clear()
        self._take(b"", done)
        return done

    def _take(self, line: bytes, done: list[bytes]) -> None:
        if self._first:
            line, self._first = line.removeprefix(b"\xef\xbb\xbf"), False
        if not line:
            if self._data:
                done.append(b"\n".join(self._data))
            self._data, self._size = [], 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
            if self._size > MAX_EVENT:
                raise _too_long()


def _too_long() -> WireError:
    return WireError(f"a server-sent event exceeds `{MAX_EVENT}` bytes", code="wire.too_large")
