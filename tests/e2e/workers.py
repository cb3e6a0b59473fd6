"""What tests of several workers need: who they are, and callers who count every failure."""

import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.conversation import user
from tests.e2e.gateway_process import GatewayProcess

BODY = json.dumps({"messages": user("hello")}).encode()
PATH = "/model/keepstone.dev/converse"


def workers_of(gateway: GatewayProcess) -> list[int]:
    """The process ids of a parent's workers."""
    assert gateway.process is not None
    parent = str(gateway.process.pid)
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdecimal() else []
        except OSError:
            continue
        if len(state) > 1 and state[1] == parent and state[0] != "Z":
            found.append(int(entry.name))
    return sorted(found)


def alive(pid: int) -> bool:
    """Say whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Callers:
    """Keep-alive clients that call without pause, never retry, and keep what went wrong."""

    def __init__(self, gateway: GatewayProcess, count: int = 8, *, pause: float = 0.0) -> None:
        self.answered: dict[str, int] = {}
        self.failures: list[str] = []
        self.over = threading.Event()
        self._address = gateway.address
        self._headers = {"authorization": f"Bearer {gateway.first_key}"}
        self._pause = pause
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def _call(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=20)
        while not self.over.is_set():
            try:
                connection.request("POST", PATH, BODY, self._headers)
                answer = connection.getresponse()
                self.answered[answer.headers["x-amzn-requestid"]] = answer.status
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()  # and the next one opens it again
                time.sleep(0.01)
            time.sleep(self._pause)
        connection.close()

    def start(self) -> None:
        """Let them begin."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Let them end."""
        self.over.set()
        for thread in self._threads:
            thread.join()


@contextmanager
def calling(gateway: GatewayProcess, count: int = 8, *, pause: float = 0.0) -> Iterator[Callers]:
    """A crowd that calls for the block's time."""
    callers = Callers(gateway, count, pause=pause)
    callers.start()
    try:
        yield callers
    finally:
        callers.join()
