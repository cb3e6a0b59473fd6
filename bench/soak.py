"""Whether memory stays flat under a million calls: `python -m bench.soak`, after a `bench/run`.

The gateway governs and records every call, strictly; its resident memory is sampled twenty times on the way.
What was seen is kept in bench/.work/soak.json, for the report. Exit status 1 when the last quarter's mean is
more than 5 % above the second quarter's.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench import nginx
from bench.bars import MOST_GROWTH, SOAK_CALLS
from bench.checks import await_ready, must_answer
from bench.contenders import CONTENDERS, REFERENCE
from bench.launch import KEYSTONE, WORK, Settings, free_port
from bench.load import Target, measure
from bench.process import Child, running
from bench.results import Soak

SAMPLES = 20
CONNECTIONS = 64

FILE = WORK / "soak.json"


def main() -> int:
    """Load until the calls are made, print a line for each sample, keep them, judge."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="memory over many calls")
    parser.add_argument("--calls", type=int, default=SOAK_CALLS, help="how many to make")
    parser.add_argument("--command", default=KEYSTONE, help="starts Keepstone: {policy}, {home}, {port}")
    parser.add_argument("--json", type=Path, default=FILE, help="where the samples go")
    options = parser.parse_args()
    soak = Soak(datetime.now(UTC).strftime("%Y-%m-%d"), soaked(options.command, options.calls))
    options.json.write_bytes(msgspec.json.format(msgspec.json.encode(soak), indent=2) + b"\n")
    early, late = soak.early_mb(), soak.late_mb()
    print(f"second quarter {early:.1f} MB, last quarter {late:.1f} MB: {late / early - 1:+.1%}")
    return int(late > early * (1 + MOST_GROWTH))


def soaked(command: str, calls: int) -> list[tuple[float, float]]:
    """The samples of a gateway that was started afresh: calls so far, MB resident."""
    logs = WORK / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    port = free_port()
    contender = next(each for each in CONTENDERS if each.name == REFERENCE)
    with running("upstream", nginx.upstream(WORK / "upstream", port), logs, {}) as upstream:
        await_ready("upstream", upstream, f"http://127.0.0.1:{port}", "/")
        launch = contender.launch(Settings(port, WORK, command))
        body = WORK / "soak.body.json"
        body.write_bytes(launch.body)
        with running("soak", launch.command, logs, launch.env) as child:
            await_ready("soak", child, launch.base, launch.ready)
            headers = dict(launch.headers(child))
            must_answer("soak", launch, headers)
            return list(_sampled(Target(f"{launch.base}{launch.path}", body, headers), child, calls))


def _sampled(target: Target, child: Child, wanted: int) -> Iterator[tuple[float, float]]:
    """Make about a twentieth of the calls, look at the memory, and so on."""
    calls, rate = 0.0, 500.0
    while calls < wanted:
        seconds = max(1, round(wanted / SAMPLES / rate))
        level = measure(target, child, connections=CONNECTIONS, seconds=seconds)
        calls, rate = calls + level.calls, level.per_second
        size = _resident_mb(child.pid)
        print(f"{calls:10,.0f} calls  {size:6.1f} MB  {level.cpu_us:.0f} µs CPU a call", flush=True)
        yield calls, size


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    sys.exit(main())
