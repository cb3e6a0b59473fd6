"""One of several workers: `python -m keepstone.cli.worker LINK LISTENER`, started by the parent only.

It serves like a lone gateway, on a socket that the parent keeps open, and tells the parent once a second how
far its log has come and what its metrics are. When the parent goes away, it lets its calls end and goes too.
"""

import asyncio
import contextlib
import gc
import logging
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from keepstone.cli.control import Answer, Ask, Failed, Hello, InForce, Leave, Link, Ready, Report
from keepstone.core.errors import KeepstoneError
from keepstone.core.settings import Settings
from keepstone.ledger.view import Reached, reached
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.load import PolicyFiles, load_files

if TYPE_CHECKING:
    from keepstone.cli.server import Serving

REPORT_S = 1.0
ANSWER_S = 2.0
ORPHAN_S = 5.0
LOG = logging.getLogger("keepstone")


def settings_of(hello: Hello) -> Settings:
    """Return the settings that the parent has sent."""
    fields = dict(hello.settings)
    paths = {name: Path(str(fields.pop(name))) for name in ("home", "policy")}
    return replace(Settings(**paths), **fields)  # type: ignore[arg-type]  # the parent has made them so


class Worker:
    """The worker's end of the line to its parent."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._asked = 0
        self._before = Reached(0, b"")

    async def run(self, serving: "Serving") -> None:
        """Report and obey until the parent goes away."""
        service = serving.service
        service.gateway.scrape = self.scrape
        self._link.send(
            Ready(service.gateway.active.policy.hash, service.recorder_summary, service.ledger.repaired)
        )
        service.told = self._obeys
        self._obeys(service.gateway.active.policy)
        reporting = asyncio.create_task(self._report_often(serving))
        try:
            while (message := await self._link.receive()) is not None:
                match message:
                    case Leave():
                        serving.leave()
                    case Ask(number):
                        self._report(serving, number)
                    case Answer(number, metrics):
                        if (future := self._waiting.pop(number, None)) is not None and not future.done():
                            future.set_result(metrics.encode())
                    case _:
                        pass
        finally:
            reporting.cancel()
        serving.stop()  # nobody would start a successor or keep the view

    def _obeys(self, policy: CompiledPolicy) -> None:
        self._link.send(InForce(policy.files))

    async def _report_often(self, serving: "Serving") -> None:
        ledger = serving.service.ledger
        while True:
            await asyncio.sleep(REPORT_S)
            self._report(serving)
            if ledger.failure is None:
                self._before = reached(ledger)

    def _report(self, serving: "Serving", number: int = 0) -> None:
        """Say what is certainly on the disk: with a bounded window, what was there a report ago."""
        ledger, bounded = serving.service.ledger, serving.service.durability.window_ns > 0
        self._say(serving, self._before if bounded else reached(ledger), number)

    def last_words(self, serving: "Serving") -> None:
        """Report once more after the ledger was closed: all of it is on the disk now."""
        ledger = serving.service.ledger
        self._say(serving, reached(ledger) if ledger.failure is None else self._before, 0)

    def _say(self, serving: "Serving", until: Reached, number: int) -> None:
        metrics = serving.service.metrics.render().decode()
        self._link.send(Report(until.size, until.root.hex(), metrics, number))

    async def scrape(self) -> bytes:
        """Return the metrics of all workers, our own if the parent does not answer."""
        self._asked += 1
        number = self._asked
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._link.send(Ask(number))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await future
        finally:
            self._waiting.pop(number, None)


def _policy(settings: Settings, in_force: PolicyFiles) -> CompiledPolicy:
    """Read the policy; where it is invalid, a successor goes on with the one in force, as the others do."""
    from keepstone.wiring.active import read_policy

    try:
        return read_policy(settings)
    except KeepstoneError as error:
        if not in_force:
            raise
        LOG.error(  # noqa: TRY400
            "the policy on disk is refused, this worker starts with the one in force: %s", error.message
        )
        return compile_policy(load_files(in_force))


async def _main(link_fd: int, listener_fd: int) -> int:
    from keepstone.cli.server import log_to_stderr, serve_until_told
    from keepstone.gateway.tls import TlsFiles

    link = await Link.over(socket.socket(fileno=link_fd))
    hello = await link.receive()
    if not isinstance(hello, Hello):
        return 3
    settings = settings_of(hello)
    log_to_stderr(settings.log_level)
    client_ca = Path(hello.client_ca) if hello.client_ca else None
    files = Path(hello.certificate), Path(hello.key), None, client_ca, hello.clients, hello.minimum
    tls = TlsFiles(*files) if hello.certificate else None
    worker = Worker(link)
    tasks: list[asyncio.Task[None]] = []

    async def ready(serving: "Serving") -> None:
        tasks.append(asyncio.create_task(worker.run(serving)))

    try:
        policy = await asyncio.to_thread(_policy, settings, hello.in_force)
        serving = await serve_until_told(
            settings, policy, socket.socket(fileno=listener_fd), tls=tls, ready=ready, patience=ORPHAN_S * 2
        )
    except KeepstoneError as error:
        link.send(Failed(type(error).__name__, error.message, error.hint, error.code))
        await asyncio.sleep(0)
        return 3
    worker.last_words(serving)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with contextlib.suppress(OSError):
        await link.drain()
    return 0


def main() -> int:
    """Serve until told to stop; return the exit status."""
    import uvloop

    gc.set_threshold(100_000, 20, 20)  # as in `main.py`
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_main(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    sys.exit(main())
