"""What is kept of one call, where the policy keeps content."""

import msgspec
from msgspec import Struct, field


class Kept(Struct):
    """What is kept of one call so far; `streamed` holds the texts of a streamed answer by channel."""

    subject: str
    request: bytes = b""
    answer: bytes = b""
    streamed: dict[str, list[str]] = field(default_factory=dict)

    def stream(self, channel: str, text: str) -> None:
        """Keep a piece of a streamed answer."""
        if text:
            self.streamed.setdefault(channel, []).append(text)

    def response(self) -> bytes:
        """Return the answer: as it was, or a stream's texts by channel."""
        if self.streamed:
            return msgspec.json.encode({name: "".join(parts) for name, parts in self.streamed.items()})
        return self.answer
