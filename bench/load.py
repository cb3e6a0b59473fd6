"""Load by wrk: one fixed request at a given concurrency, its latencies, and no error tolerated."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.machine import ticks
from bench.process import TICKS_PER_SECOND, BenchError, Child, cpu_seconds, die_with_parent

_SCRIPT = Path(__file__).with_name("load.lua")


class Target(msgspec.Struct, frozen=True):
    """What is asked: URL, file of the body, headers."""

    url: str
    body: Path
    headers: Mapping[str, str]


class _Summary(msgspec.Struct, frozen=True):
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    bad_status: int
    broken: int


class Level(msgspec.Struct, frozen=True):
    """Figures at one concurrency: answered calls, CPU of the server per call, latencies, throughput.

    `busy` is the share of the whole machine that was in use meanwhile; `others` is the part of it that was
    neither the benchmark's nor that of anything it started.
    """

    calls: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    per_second: float
    busy: float
    others: float


def measure(target: Target, child: Child, *, connections: int, seconds: float) -> Level:
    """Loads the target for some seconds; raises if a single answer was wrong or a connection broke."""
    before, own_before, machine_before = child.cpu_seconds(), cpu_seconds(os.getpid()), ticks()
    summary = _wrk(target, connections, seconds)
    machine_after = ticks()
    own = (cpu_seconds(os.getpid()) - own_before) * TICKS_PER_SECOND
    spent = child.cpu_seconds() - before
    child.must_run()
    if not summary.requests or summary.bad_status or summary.broken:
        raise BenchError(
            f"`{target.url}` at {connections} connections: {summary.requests} answers, of which "
            f"{summary.bad_status} with an error status; {summary.broken} broken connections or timeouts"
        )
    return Level(
        calls=summary.requests,
        cpu_us=spent / summary.requests * 1e6,
        p50_ms=summary.p50_ms,
        p99_ms=summary.p99_ms,
        per_second=summary.requests / summary.seconds,
        busy=machine_after.busy_since(machine_before),
        others=machine_after.others_since(machine_before, own),
    )


def _wrk(target: Target, connections: int, seconds: float) -> _Summary:
    headers = [part for pair in target.headers.items() for part in pair]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
    command += ["-s", str(_SCRIPT), target.url, "--", str(target.body), *headers]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        preexec_fn=die_with_parent,
    )
    last = done.stdout.strip().rsplit("\n", 1)[-1]
    if done.returncode or not last.startswith("{"):
        raise BenchError(f"wrk failed: {(done.stderr or done.stdout)[-1000:]}")
    return msgspec.json.decode(last, type=_Summary)
