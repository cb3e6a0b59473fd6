"""What a contender is, and what the harness must know to start and to ask it."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from bench import payload
from bench.process import Child

WORK = Path(__file__).parent / ".work"
KEYSTONE = "bench/.work/keepstone/bin/keepstone up --policy {policy} --home {home} --port {port}"
CONVERSE_PATH = f"/model/{payload.MODEL.replace(':', '%3A')}/converse"
CHAT_PATH = "/v1/chat/completions"


class Settings(NamedTuple):
    """What a contender is told: where the upstream listens, where to lay files, the command of Keepstone."""

    upstream: int
    folder: Path
    command: str


class Launch(NamedTuple):
    """How a contender is started and asked; `headers` may read the running child's output.

    `home` is where it keeps a record, if it does; `inspects` says that it must stop what its policy forbids.
    """

    command: list[str]
    env: Mapping[str, str]
    port: int
    ready: str
    headers: Callable[[Child], Mapping[str, str]] = lambda _: {}
    path: str = CONVERSE_PATH
    body: bytes = payload.CONVERSE_REQUEST
    answer: bytes = payload.CONVERSE_ANSWER
    home: Path | None = None
    inspects: bool = False
    scheme: str = "http"

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://127.0.0.1:{self.port}"


class Contender(NamedTuple):
    """A row of the tables; `levels` are the concurrencies at which it is measured."""

    name: str
    title: str
    launch: Callable[[Settings], Launch]
    levels: tuple[int, ...] = (1, 64)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
