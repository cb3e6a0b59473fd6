"""What the parent of several workers and a worker say to each other: JSON lines over a pair of sockets."""

import asyncio
import contextlib
import socket
from typing import Any

import msgspec

from keepstone.policy.load import PolicyFiles

MAX_LINE = 16 << 20


class Hello(msgspec.Struct, tag=True, forbid_unknown_fields=True):
    """Parent to worker, once: what to serve. `settings` are the fields of `Settings`, as text.

    `in_force` are the files of the policy that the others obey, for when what is on disk is invalid.
    """

    settings: dict[str, str | int | float | bool]
    certificate: str = ""
    key: str = ""
    client_ca: str = ""
    clients: str = ""
    minimum: str = ""
    in_force: PolicyFiles = ()


class Leave(msgspec.Struct, tag=True):
    """Parent to worker: take no new connection, let the others end, then go."""


class Ask(msgspec.Struct, tag=True):
    """Either way: what are the metrics? The parent asks one worker, a worker asks for all of them."""

    number: int


class Ready(msgspec.Struct, tag=True):
    """Worker to parent: calls are taken."""

    policy: str
    summary: str
    repaired: str


class InForce(msgspec.Struct, tag=True):
    """Worker to parent: the files of the policy that it obeys from now on."""

    files: PolicyFiles


class Failed(msgspec.Struct, tag=True):
    """Worker to parent: the start failed, by this error."""

    kind: str
    message: str
    hint: str
    code: str


class Report(msgspec.Struct, tag=True):
    """Worker to parent: how far its log has come, in hex the root, and its metrics as Prometheus text."""

    size: int
    root: str
    metrics: str
    number: int = 0


class Answer(msgspec.Struct, tag=True):
    """Parent to worker: the metrics of all."""

    number: int
    metrics: str


Message = Hello | Leave | Ask | Ready | InForce | Failed | Report | Answer
_decoder = msgspec.json.Decoder(Message)
_encode = msgspec.json.Encoder().encode


class Link:
    """One end of the line. `receive` returns None when the other side has gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> "Link":
        """Speak over one socket of a pair."""
        reader, writer = await asyncio.open_unix_connection(sock=end, limit=MAX_LINE)
        return cls(reader, writer)

    def send(self, message: Message) -> None:
        """Send without waiting; a line to nobody is dropped."""
        with contextlib.suppress(OSError, RuntimeError):
            self._writer.write(_encode(message) + b"\n")

    async def receive(self) -> Message | None:
        """Wait for the next message."""
        try:
            line = await self._reader.readline()
        except (OSError, ValueError):
            return None
        return _decoder.decode(line) if line.endswith(b"\n") else None

    async def drain(self) -> None:
        """Wait until what was sent is on its way."""
        await self._writer.drain()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def as_text(settings: Any) -> dict[str, str | int | float | bool]:
    """Return the fields of settings so that `Hello` can carry them."""
    fields = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    return {name: each if isinstance(each, int | float) else str(each) for name, each in fields.items()}
