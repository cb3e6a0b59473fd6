"""Runs a gateway under uvicorn: watches the policy, obeys signals, stops without dropping a call."""

import asyncio
import errno
import gc
import json
import logging
import resource
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
import uvloop

from keepstone.core.errors import KeepstoneError, LedgerError, UsageError
from keepstone.core.settings import Settings
from keepstone.gateway.listener import BoundedHttp
from keepstone.gateway.tls import TlsFiles
from keepstone.gateway.tls_context import ServingContext
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.load import overlay_path
from keepstone.wiring.service import Service, open_service

GC_THRESHOLDS = (100_000, 20, 20)  # calls leave hardly a cycle behind
SWITCH_S = 0.001
"""How long a background thread waits for the interpreter before it insists; Python's default is 5 ms. While
it waits, the event loop pays each time it lets go of the interpreter, which it does several times a call."""
GRACE_S = 30
LEAVE_S = 300.0
"""How long a worker that was replaced waits for its last calls."""
WATCH_S = 0.5
HANG_UP_S = 0.25
PRUNE_S = 24 * 3600
LOCATE_S = 0.1
NOTICE_S = 0.5
LOG = logging.getLogger("keepstone")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, message, and the request id where there is one; never content."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = getattr(record, "request", None)
        if request:
            line["request"] = request
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = type(record.exc_info[1]).__name__
            line["where"] = _where(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _where(error: BaseException) -> list[str]:
    """Return file and line of each frame; the error's text may hold content and stays out."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return frames


class _Server(uvicorn.Server):
    """A uvicorn server whose gateway refuses new calls as soon as a signal asks it to stop."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._drain_s = service.settings.drain

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals in the event loop; uvicorn would raise them again before the ledger is closed."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Be unready for a while if so set, then refuse new calls and let running ones end.

        A second signal ends the while, a third one the running calls.
        """
        gateway = self._service.gateway
        if self._drain_s and not gateway.leaving:
            self.take_leave()
            asyncio.get_running_loop().call_later(self._drain_s, self._stop, sig, frame)
        else:
            self._stop(sig, frame)

    def _stop(self, sig: int, frame: FrameType | None) -> None:
        self._service.gateway.draining = True
        super().handle_exit(sig, frame)

    def take_leave(self) -> None:
        """Let each connection end with its next answer; new ones are still taken."""
        self._service.gateway.leaving = True
        BoundedHttp.leaving = True
        for connection in self.server_state.connections:
            if isinstance(connection, BoundedHttp):
                connection.take_leave()

    async def leave(self) -> None:
        """Take no new connection, wait until the others have ended by themselves, then stop.

        Another process listens on the same socket. An idle connection ends when its time is over, as always,
        so no caller meets a closed door that was open before.
        """
        for each in self.servers:
            each.close()
        self.take_leave()
        deadline = time.monotonic() + LEAVE_S
        while self.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110 - as uvicorn does
            await asyncio.sleep(0.05)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let running calls end; do not wait for idle clients, which keep connections and say no goodbye."""
        farewell = asyncio.create_task(self._hang_up())
        try:
            await super().shutdown(sockets)
        finally:
            farewell.cancel()

    async def _hang_up(self) -> None:
        """Drop what is closing and has nothing left to send: TLS would wait half a minute for the peer."""
        while True:
            await asyncio.sleep(HANG_UP_S)
            if self._service.gateway.in_flight:
                continue
            for connection in list(self.server_state.connections):
                transport = connection.transport
                if transport.is_closing() and not transport.get_write_buffer_size():
                    transport.abort()


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Take the address before anything is opened, so that a taken port is told at once.

    Of several `shared` sockets on one address, the system gives each its share of the connections.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        hint = "choose another with `--port`, or `--port 0` for any free one"
        hint = hint if taken else "`--host` and `--port` name an address of this machine"
        reason = (error.strerror or "failed").lower()
        raise UsageError(f"cannot listen on `{host}:{port}`: {reason}", hint=hint) from error
    listener.set_inheritable(True)
    return listener


@dataclass(slots=True)
class Serving:
    """A gateway that takes calls."""

    service: Service
    server: _Server
    failure: Exception | None = None
    _farewell: "asyncio.Task[None] | None" = None

    def leave(self) -> None:
        """Take no new connections, let the others end by themselves, then stop."""
        if self._farewell is None:
            self._farewell = asyncio.create_task(self.server.leave())

    def stop(self) -> None:
        """Stop as by a signal."""
        self.server.handle_exit(signal.SIGTERM, None)


Ready = Callable[[Serving], Awaitable[None]]


def serve(
    settings: Settings,
    policy: CompiledPolicy,
    listener: socket.socket,
    *,
    tls: TlsFiles | None,
    ready: Ready,
) -> None:
    """Serve until a signal, over TLS if given files; `ready` is called once when calls are taken."""
    log_to_stderr(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_told(settings, policy, listener, tls=tls, ready=ready))


async def serve_until_told(
    settings: Settings,
    policy: CompiledPolicy,
    listener: socket.socket,
    *,
    tls: TlsFiles | None,
    ready: Ready,
    patience: float = 0.0,
) -> Serving:
    """Serve until told to stop, and return what served, closed; wait `patience` seconds for a held ledger."""
    config = uvicorn.Config(
        "keepstone",
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=settings.keep_alive,  # type: ignore[arg-type]  # a timer takes fractions
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    _allow_many_connections()
    context = ServingContext.of(tls) if tls else None  # before the ledger: a start that fails writes nothing
    service = await _open(settings, policy, patience)
    config.app = service.gateway
    if context is not None:
        config.load()
        config.ssl = context
    gc.collect()
    gc.freeze()  # what start-up made lives as long as the process: no collection need look at it
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_S)
    serving = Serving(service, _Server(config, service))
    loop = asyncio.get_running_loop()
    reload_now = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, reload_now.set)
    background = [
        loop.create_task(_watch(service, settings, context, reload_now)),
        loop.create_task(_announce(serving, ready)),
        loop.create_task(_retain(service)),
        loop.create_task(_locate(service)),
        loop.create_task(_take_notices(service)),
        loop.create_task(service.speak_outside()),
    ]
    try:
        await serving.server.serve(sockets=[listener])
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await service.close()
    if serving.failure is not None:
        raise serving.failure
    return serving


def _allow_many_connections() -> None:
    """Let this process have as many descriptors as the system grants; the default is low."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a system that grants less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _open(settings: Settings, policy: CompiledPolicy, patience: float) -> Service:
    """Open the service; a predecessor that is about to go may still hold the ledger."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return await open_service(settings, policy)
        except LedgerError as error:
            if error.code != "ledger.locked" or time.monotonic() >= deadline:
                raise
        await asyncio.sleep(0.1)


async def _announce(serving: Serving, ready: Ready) -> None:
    while not serving.server.started:  # noqa: ASYNC110 - uvicorn has a flag and no event
        await asyncio.sleep(0.005)
    try:
        await ready(serving)
    except Exception as error:  # noqa: BLE001 - a start that fails half-way is no start; `serve` says why
        serving.failure = error
        serving.stop()


async def _watch(
    service: Service, settings: Settings, context: ServingContext | None, reload_now: asyncio.Event
) -> None:
    """Reload what has changed, or all on SIGHUP; what is not valid changes nothing."""
    certificates = context.paths if context else ()
    seen = _stamps(_policy_files(settings)), _stamps(certificates)
    while True:
        told = True
        try:
            async with asyncio.timeout(WATCH_S):
                await reload_now.wait()
        except TimeoutError:
            told = False
        reload_now.clear()
        before = seen
        seen = await asyncio.to_thread(lambda: (_stamps(_policy_files(settings)), _stamps(certificates)))
        if context is not None and (told or seen[1] != before[1]):
            await _reload_certificate(context)
        if told or seen[0] != before[0]:
            await _reload_policy(service)


async def _reload_certificate(context: ServingContext) -> None:
    try:
        await asyncio.to_thread(context.reload)
    except KeepstoneError as error:
        LOG.error("the changed certificate is refused, the old one stays: %s", error.message)  # noqa: TRY400
    else:
        LOG.info("the certificate was read again")


async def _reload_policy(service: Service) -> None:
    try:
        policy_hash = await service.reload()
    except KeepstoneError as error:
        LOG.error("the changed policy is refused, the old one stays in force: %s", error.message)  # noqa: TRY400
    else:
        LOG.info("policy %s is in force", policy_hash)
        if service.needs_restart:
            LOG.warning("`record` of the policy has changed, which takes a restart to apply")


async def _take_notices(service: Service) -> None:
    """Record what commands such as `keepstone ledger erase` have done, within a second."""
    while True:
        try:
            await service.take_notices()
        except KeepstoneError as error:
            LOG.error("a command's notice could not be recorded: %s", error.message)  # noqa: TRY400
        await asyncio.sleep(NOTICE_S)


async def _retain(service: Service) -> None:
    """Prune what is older than the policy's retention, at start and then once a day."""
    while True:
        try:
            removed = await service.prune()
            if removed:
                LOG.info(
                    "%d records and sealed parts are older than the policy's retention and were removed",
                    removed,
                )
        except KeepstoneError as error:
            LOG.error("retention could not be applied: %s", error.message)  # noqa: TRY400
        await asyncio.sleep(PRUNE_S)


async def _locate(service: Service) -> None:
    """Keep up to date where inference profiles compute and which consents are given, where a policy asks."""
    while True:
        guard = service.gateway.active.residency
        if guard is not None:
            try:
                await guard.refresh(service.clock.wall_ns())
            except Exception:  # the next round tries again; meanwhile what is unknown is refused
                LOG.exception("what residency rests on could not be brought up to date")
        await asyncio.sleep(LOCATE_S)


def _policy_files(settings: Settings) -> list[Path]:
    files = [settings.policy]
    if settings.environment:
        files.append(overlay_path(settings.policy, settings.environment))
    return files


def _stamps(files: Iterable[Path]) -> list[tuple[int, int] | None]:
    return [_stamp(file) for file in files]


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def log_to_stderr(level: str) -> None:
    """Write the log of this process as JSON lines to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", "botocore", "alembic", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
