"""Child processes that never outlive the benchmark, and what /proc says they cost."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


class BenchError(Exception):
    """A benchmark that cannot be trusted, or cannot be run; told on stderr, exit status 3."""


class Child:
    """A server under measurement: the process, what it started, and its output in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.pid = process.pid
        self.log = log
        self._process = process

    def must_run(self) -> None:
        """Raises with the end of the log if the process has ended."""
        if self._process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise BenchError(f"`{self.log.stem}` ended with {self._process.returncode}:\n{tail}")

    def cpu_seconds(self) -> float:
        """CPU time of the whole tree so far, with that of children that have ended and been waited for."""
        return cpu_seconds(self.pid)

    def peak_mb(self) -> float:
        """Peak resident memory, summed over the tree's processes, in MB (10^6 bytes)."""
        return sum(_peak_kib(pid) for pid in _tree(self.pid)) * 1024 / 1e6


@contextmanager
def running(name: str, command: Sequence[str], logs: Path, env: Mapping[str, str]) -> Iterator[Child]:
    """Runs a command for the block's time, in a process group of its own that is killed afterwards."""
    log = logs / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **env},
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - the benchmark has no threads
        )
    try:
        yield Child(process, log)
    finally:
        _end(process)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all that it started, with that of children that have ended."""
    return sum(_cpu_ticks(each) for each in _tree(pid)) / TICKS_PER_SECOND


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel ends the child when the benchmark is killed outright."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            process.poll()
            if not _group_lives(process.pid):
                return
            time.sleep(0.05)


def _tree(pid: int) -> list[int]:
    parents = {int(p.name): _stat(int(p.name))[1] for p in Path("/proc").iterdir() if p.name.isdigit()}
    tree = [pid]
    for each in tree:  # grows while it is walked
        tree += [child for child, parent in parents.items() if parent == str(each)]
    return tree


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on; zeros for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ["X"] + ["0"] * 40


def _cpu_ticks(pid: int) -> int:
    return sum(int(ticks) for ticks in _stat(pid)[11:15])  # utime, stime, cutime, cstime


def _peak_kib(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
