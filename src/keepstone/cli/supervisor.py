"""The parent of several workers: it starts them, replaces them, and keeps the view of their logs.

It binds one socket for each worker and keeps all of them open for as long as it lives, so a caller who knocks
while a worker is being replaced waits a moment and is served by the successor. It serves no call itself.

    SIGTERM, SIGINT   every worker lets its calls end; then the parent ends, too
    SIGHUP            every worker reads the policy again
    SIGUSR2           every worker is replaced, one by one, the new one ready before the old one leaves
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from keepstone.cli.control import Answer, Ask, Failed, Hello, InForce, Leave, Link, Ready, Report, as_text
from keepstone.core import errors
from keepstone.core.errors import KeepstoneError, LedgerCorrupt, LedgerError
from keepstone.core.settings import Settings
from keepstone.gateway.metrics_merge import Merged, lasting
from keepstone.gateway.tls import TlsFiles
from keepstone.ledger.disk import make_folder
from keepstone.ledger.key import LedgerKey
from keepstone.ledger.merkle import EMPTY_ROOT
from keepstone.ledger.view import MAIN, SHARDS, Reached, View, current, write_view
from keepstone.policy.load import PolicyFiles

START_S = 60.0
GOODBYE_S = 320.0
VIEW_S = 1.0
ASK_S = 1.0
PAUSE_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)
"""How long to wait before a worker is started again, by how often it has failed shortly after a start."""
SETTLED_S = 30.0
LOG = logging.getLogger("keepstone")


@dataclass(slots=True)
class _Worker:
    """One process and what is known of it."""

    number: int
    shard: str
    process: asyncio.subprocess.Process
    link: Link
    started: float
    ready: "asyncio.Future[Ready]"
    leaving: bool = False
    metrics: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Supervisor:
    """Runs `settings.workers` workers until it is told to stop."""

    def __init__(self, settings: Settings, listeners: Sequence[socket.socket], tls: TlsFiles | None) -> None:
        self._settings = settings
        self._listeners = listeners
        self._tls = tls
        self._key = LedgerKey.load_or_create(settings.keys)
        self._view = View(self._key.name, {})
        self._reached: dict[str, Reached] = {}
        self._workers: list[_Worker] = []
        self._failures = [0] * len(listeners)
        self._broken: set[str] = set()
        self._before = ""  # the counts of workers that have ended
        self._in_force: PolicyFiles = ()  # of the policy that was reloaded last
        self._restarts = 0
        self._asked = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._stopping = False
        self._rolling: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, ready: Callable[[Ready], Awaitable[None]]) -> None:
        """Start all workers, call `ready` once all take calls, and serve until a signal has ended them."""
        make_folder(self._settings.ledger / SHARDS)
        self._view = current(self._settings.ledger, self._key)
        self._obey()
        try:
            first = [await self._start(number) for number in range(len(self._listeners))]
            told = [await self._until_ready(worker) for worker in first]
            keeping = asyncio.create_task(self._keep_view())
            await ready(told[0])
            await asyncio.gather(*(self._mind(worker.number, worker) for worker in first))
            keeping.cancel()
        finally:
            await self._end_all()
            self._write_view()
            await self._say_last()

    def _obey(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._tell_all, signal.SIGHUP)
        loop.add_signal_handler(signal.SIGUSR2, self._roll_soon)

    def _stop(self) -> None:
        self._stopping = True
        self._tell_all(signal.SIGTERM)

    def _tell_all(self, number: signal.Signals) -> None:
        for worker in self._workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.send_signal(number)

    # --- one worker

    async def _start(self, number: int, in_force: PolicyFiles = ()) -> _Worker:
        """Start a process on its socket, with a log that nobody writes; the view knows of the log before.

        With a policy `in_force` it starts even while the one on disk is invalid.
        """
        shard = self._free_shard()
        if shard not in self._view.logs:
            self._view = self._view.after({shard: Reached(0, EMPTY_ROOT)})
            await asyncio.to_thread(write_view, self._settings.ledger, self._key, self._view)
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = (theirs.fileno(), self._listeners[number].fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "keepstone.cli.worker", *map(str, inherited)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=inherited,
                start_new_session=True,  # Ctrl-C is for the parent
            )
        link = await Link.over(ours)
        loop = asyncio.get_running_loop()
        worker = _Worker(number, shard, process, link, time.monotonic(), loop.create_future())
        self._workers.append(worker)
        settings = as_text(self._settings) | {"worker": number, "shard": shard}
        link.send(Hello(settings, in_force=in_force, **_as_text(self._tls)))
        self._spawn(self._listen(worker))
        return worker

    def _free_shard(self) -> str:
        taken = {worker.shard for worker in self._workers} | self._broken
        names = [MAIN, *(f"w{number}" for number in range(1, len(taken) + 2))]
        return next(name for name in names if name not in taken)

    async def _until_ready(self, worker: _Worker) -> Ready:
        """Wait until a worker takes calls; raise what it failed with."""
        try:
            async with asyncio.timeout(START_S):
                told = await asyncio.shield(worker.ready)
        except TimeoutError as error:
            worker.process.kill()
            raise LedgerError(f"worker {worker.number} was not ready after {START_S:g} s") from error
        if told.repaired:
            LOG.warning("worker %d: ledger: %s", worker.number, told.repaired)
        return told

    async def _listen(self, worker: _Worker) -> None:
        """Hear a worker out until it has ended."""
        while (message := await worker.link.receive()) is not None:
            match message:
                case Ready():
                    worker.ready.set_result(message)
                case InForce(files):
                    self._in_force = files
                case Failed(kind, text, hint, code):
                    known = getattr(errors, kind, KeepstoneError)
                    worker.ready.set_exception(known(text, hint=hint, code=code))
                case Report(size, root, metrics, number):
                    worker.metrics = metrics
                    if size:
                        self._reached[worker.shard] = Reached(size, bytes.fromhex(root))
                    if number in self._waiting and not self._waiting[number].done():
                        self._waiting[number].set_result(None)
                case Ask(number):
                    self._spawn(self._answer(worker, number))
                case _:
                    pass
        status = await worker.process.wait()
        worker.link.close()
        self._workers.remove(worker)
        self._before = lasting([self._before, worker.metrics])
        if not worker.ready.done():
            worker.ready.set_exception(KeepstoneError(f"worker {worker.number} ended with status {status}"))
        worker.ready.exception()  # somebody may have given up waiting for it
        worker.ended.set()

    async def _mind(self, number: int, worker: _Worker) -> None:
        """Start a successor each time the worker of this number ends unasked."""
        while True:
            await worker.ended.wait()
            successor = next((each for each in self._workers if each.number == number), None)
            if successor is not None:  # it was replaced in good order
                worker = successor
                continue
            if self._stopping:
                return
            lived = time.monotonic() - worker.started
            self._failures[number] = 0 if lived > SETTLED_S else self._failures[number] + 1
            self._restarts += 1
            LOG.warning("worker %d ended unasked with status %s", number, worker.process.returncode)
            worker = await self._start_again(number)

    async def _start_again(self, number: int) -> _Worker:
        while True:
            await asyncio.sleep(PAUSE_S[min(self._failures[number], len(PAUSE_S) - 1)])
            worker = await self._start(number, self._in_force)
            try:
                await self._until_ready(worker)
            except KeepstoneError as error:
                LOG.error("worker %d does not start: %s", number, error.message)  # noqa: TRY400
                if error.code == LedgerCorrupt.code:
                    self._broken.add(worker.shard)  # it stays as evidence; `verify` fails until it is mended
                self._failures[number] += 1
                if self._stopping:
                    return worker
                await worker.ended.wait()
            else:
                return worker

    # --- all of them

    def _roll_soon(self) -> None:
        if self._rolling is None or self._rolling.done():
            self._rolling = asyncio.create_task(self._roll())

    async def _roll(self) -> None:
        """Replace every worker, one after the other; the first successor that fails ends it."""
        for number in range(len(self._listeners)):
            old = next((each for each in self._workers if each.number == number and not each.leaving), None)
            if old is None or self._stopping:
                continue  # it is being started anyway
            new = await self._start(number)
            try:
                await self._until_ready(new)
            except KeepstoneError as error:
                LOG.error("worker %d is not replaced: %s", number, error.message)  # noqa: TRY400
                return
            await self._let_go(old)
            LOG.info("worker %d is replaced, %d of %d", number, number + 1, len(self._listeners))

    async def _let_go(self, worker: _Worker) -> None:
        worker.leaving = True
        worker.link.send(Leave())
        try:
            async with asyncio.timeout(GOODBYE_S):
                await worker.ended.wait()
        except TimeoutError:
            LOG.error("worker %d does not leave and is ended", worker.number)  # noqa: TRY400
            worker.process.kill()
            await worker.ended.wait()

    async def _end_all(self) -> None:
        """Make sure that no worker outlives the parent."""
        self._stopping = True
        workers = list(self._workers)
        self._tell_all(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                for worker in workers:
                    await worker.ended.wait()
        for worker in list(self._workers):
            worker.process.kill()
            await worker.process.wait()

    async def _keep_view(self) -> None:
        while True:
            await asyncio.sleep(VIEW_S)
            await asyncio.to_thread(self._write_view)

    def _write_view(self) -> None:
        """State how far the logs have come, if they have; a full disk is tried again."""
        view = self._view.after(self._reached)
        if view == self._view:
            return
        try:
            write_view(self._settings.ledger, self._key, view)
        except LedgerError as error:
            LOG.error("%s", error.message)  # noqa: TRY400 - the cause is in the message
        else:
            self._view = view

    async def _say_last(self) -> None:
        """Copy and anchor what the workers have published when they ended."""
        from keepstone.wiring.outside import say_last  # only the end needs what this imports

        try:
            await say_last(self._settings)
        except KeepstoneError as error:
            LOG.error("the end could not be copied or anchored: %s", error.message)  # noqa: TRY400

    async def _answer(self, asker: _Worker, number: int) -> None:
        """Ask all workers for their metrics and give the sum to the one that was asked."""
        loop = asyncio.get_running_loop()
        waiting: list[asyncio.Future[None]] = []
        for worker in self._workers:
            self._asked += 1
            waiting.append(loop.create_future())
            self._waiting[self._asked] = waiting[-1]
            worker.link.send(Ask(self._asked))
        await asyncio.wait(waiting, timeout=ASK_S)  # of one that is silent, its last report counts
        for key in [key for key, each in self._waiting.items() if each in waiting]:
            del self._waiting[key]
        asker.link.send(Answer(number, self._sum()))

    def _sum(self) -> str:
        merged = Merged()
        merged.add(self._before, "", ended=True)
        for worker in self._workers:
            merged.add(worker.metrics, f"{worker.number}{'-leaving' if worker.leaving else ''}")
        up = {str(number): 0.0 for number in range(len(self._listeners))}
        up |= {str(each.number): 1.0 for each in self._workers if each.metrics and not each.leaving}
        merged.gauge("keepstone_worker_up", "workers that serve", up)
        merged.counter("keepstone_worker_restarts", "workers that ended unasked", self._restarts)
        return merged.text()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _as_text(tls: TlsFiles | None) -> dict[str, str]:
    """Return the files as a `Hello` names them."""
    if tls is None:
        return {}
    return {
        "certificate": str(tls.certificate),
        "key": str(tls.key),
        "client_ca": str(tls.client_ca or ""),
        "clients": tls.clients,
        "minimum": tls.minimum,
    }
