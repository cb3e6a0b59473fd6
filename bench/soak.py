"""Whether memory stays flat under a million calls: `python -m bench.soak [CALLS]`, after a `bench/run`.

The gateway governs and records every call, strictly; its resident memory is sampled twenty times on the way.
Exit status 1 when the last quarter's mean is more than 5 % above the second quarter's.
"""

import sys
from pathlib import Path
from statistics import mean

from bench.checks import await_ready, must_answer
from bench.contenders import CONTENDERS, KEYSTONE, WORK, Settings, free_port, nginx
from bench.load import Target, measure
from bench.process import Child, running

SAMPLES = 20
CONNECTIONS = 64
GROWTH = 1.05


def main() -> int:
    """Load until the calls are made, print a line for each sample, judge."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    logs = WORK / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    port = free_port()
    contender = next(each for each in CONTENDERS if each.name == "strict")
    with running("upstream", nginx(WORK / "upstream", port), logs, {}) as upstream:
        await_ready("upstream", upstream, f"http://127.0.0.1:{port}", "/")
        launch = contender.launch(Settings(port, WORK, KEYSTONE))
        body = WORK / "soak.body.json"
        body.write_bytes(launch.body)
        with running("soak", launch.command, logs, launch.env) as child:
            await_ready("soak", child, launch.base, launch.ready)
            headers = dict(launch.headers(child))
            must_answer("soak", launch, headers)
            target = Target(f"{launch.base}{launch.path}", body, headers)
            sizes = _sampled(target, child, wanted)
    quarter = len(sizes) // 4
    early, late = mean(sizes[quarter : 2 * quarter]), mean(sizes[-quarter:])
    print(f"second quarter {early:.1f} MB, last quarter {late:.1f} MB: {late / early - 1:+.1%}")
    return int(late > early * GROWTH)


def _sampled(target: Target, child: Child, wanted: int) -> list[float]:
    """Return the resident memory in MB after each twentieth of the calls."""
    sizes: list[float] = []
    calls, rate = 0.0, 500.0
    while calls < wanted:
        level = measure(
            target, child, connections=CONNECTIONS, seconds=max(1, round(wanted / SAMPLES / rate))
        )
        calls, rate = calls + level.calls, level.per_second
        sizes.append(_resident_mb(child.pid))
        print(f"{calls:10,.0f} calls  {sizes[-1]:6.1f} MB  {level.cpu_us:.0f} µs CPU a call", flush=True)
    return sizes


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS:"))


if __name__ == "__main__":
    sys.exit(main())
