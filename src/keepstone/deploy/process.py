"""Terraform as a process: it ends with us and in order, it is heard line by line, its silence is noticed.

It writes into files without a name rather than pipes. When we are killed outright, the kernel interrupts it
(on Linux), and it can still write what it has to say while it notes what it made and lets go of the state; a
broken pipe would kill it in the midst of that.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from keepstone.deploy.disk import told

SILENT_S = 15.0
"""After so long without a word somebody is told, and again each time it has passed."""
_LOOK_S = 0.05
_PR_SET_PDEATHSIG = 1  # prctl(2)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run gave: its exit code, and all that it wrote."""

    code: int
    out: bytes
    err: str


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears a run: each line, for how many seconds there was none, that it was told to end."""

    line: Callable[[str], None]
    silence: Callable[[float], object]
    ending: Callable[[], None]


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str], listener: Listener) -> Ended:
    """Run Terraform to its end; interrupted, interrupt it once, wait until it has ended in order, and raise.

    What `listener` raises interrupts it as well.
    """
    with _files() as (out, err), _interrupts():
        with told(folder, "used by Terraform"):
            process = subprocess.Popen(  # noqa: S603 - the user's own binary, and words of ours
                command,
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # a terminal's interrupt reaches it once, and through us
                preexec_fn=_ending_with_us(os.getpid()),  # noqa: PLW1509 - no thread of ours runs here
            )
        try:
            _listen(process, out, listener)
        finally:
            if process.poll() is None:
                _let_end(process, listener)
        return Ended(process.returncode, _all(out), _all(err).decode(errors="replace"))


def _listen(process: "subprocess.Popen[bytes]", out: BinaryIO, listener: Listener) -> None:
    """Pass on lines as they come, until the process has ended and its last one was heard."""
    rest, read = b"", 0
    heard_at = told_at = time.monotonic()
    while True:
        ended = process.poll() is not None
        fresh = os.pread(out.fileno(), 1 << 20, read)
        read += len(fresh)
        *lines, rest = (rest + fresh).split(b"\n")
        for line in lines:
            listener.line(line.decode(errors="replace"))
        now = time.monotonic()
        if fresh:
            heard_at = told_at = now
        elif ended:
            if rest:
                listener.line(rest.decode(errors="replace"))
            return
        elif now - told_at >= SILENT_S:
            told_at = now
            listener.silence(now - heard_at)
        if not fresh:
            time.sleep(_LOOK_S)


def _let_end(process: "subprocess.Popen[bytes]", listener: Listener) -> None:
    """Interrupt Terraform once, and wait while it finishes what it has begun."""
    _be_deaf()
    process.send_signal(signal.SIGINT)
    with suppress(OSError):  # a terminal that is gone
        listener.ending()
    process.wait()


def _ending_with_us(parent: int) -> Callable[[], None]:
    """Return what the new process does first: hear interrupts, and ask the kernel for one when we are gone.

    Who starts us in the background of a script has us ignore interrupts, and what we start ignores them, too;
    but ours is the only interrupt that it ever gets.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform.startswith("linux") else None

    def ask() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != parent:  # we were gone before it was asked
                os._exit(1)

    return ask


@contextmanager
def _files() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Yield two files without a name, for what is written to stdout and to stderr."""
    with ExitStack() as open_files:
        with told(Path(tempfile.gettempdir()), "written"):
            out, err = (open_files.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        yield out, err


@contextmanager
def _interrupts() -> Iterator[None]:
    """Be told to end as Ctrl-C tells it, and once; what was ignored, as by `nohup`, stays so."""
    before = {each: signal.getsignal(each) for each in _ENDING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    _be_deaf()
    raise KeyboardInterrupt


def _be_deaf() -> None:
    """Hear no further word to end: Terraform would break off at a second one."""
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)


def _all(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
