"""Requests and answers as the simulators pass them, and the spoiling of answers that tests ask for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.simulators.behaviour import Behaviour
from tests.simulators.eventstream import corrupted


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came over the wire: raw path, query apart, headers in order and letter case."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: one part, or the events of a stream (sent in chunks)."""

    status: int
    headers: dict[str, str]
    parts: tuple[bytes, ...]
    stream: bool = False


def spoiled(answer: Answer, behaviour: Behaviour) -> Answer:
    """The answer with its JSON cut in half, or with a wrong checksum, where the behaviour says so."""
    if behaviour.malformed_json and not answer.stream:
        whole = b"".join(answer.parts)
        return replace(answer, parts=(whole[: len(whole) // 2],))
    framed = answer.headers["Content-Type"].endswith(".eventstream")
    if behaviour.corrupt_event is not None and framed:
        parts = list(answer.parts)
        parts[behaviour.corrupt_event] = corrupted(parts[behaviour.corrupt_event])
        return replace(answer, parts=tuple(parts))
    return answer


def writes(data: bytes, size: int | None) -> Iterator[bytes]:
    """The bytes in network writes of the given size."""
    step = size or max(len(data), 1)
    for at in range(0, len(data), step):
        yield data[at : at + step]
