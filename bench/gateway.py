"""Measures each contender in turn on the same fake upstream: `bench/run`, or `python -m bench.gateway`.

A figure is the median over the rounds, memory the largest; streams come last. Before it is timed, a contender
must answer rightly, and Keepstone must also refuse what its policy refuses and, afterwards, have every call
in a ledger that verifies. A wrong answer during the load ends the run with status 3.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from bench import nginx, payload
from bench.checks import await_ready, must_answer, must_have_recorded
from bench.contenders import CONTENDERS
from bench.launch import KEYSTONE, WORK, Contender, Settings, free_port
from bench.load import Level, Target, measure
from bench.machine import machine, versions
from bench.process import BenchError, running
from bench.results import Delay, Figures, Results
from bench.streams import FLOWS, measured
from bench.table import tables

WARM_CONNECTIONS = 16


class Plan(NamedTuple):
    """What to run."""

    contenders: tuple[Contender, ...]
    seconds: float
    rounds: int
    streams: int
    command: str


def run(plan: Plan, work: Path) -> Results:
    """Runs the plan; talks on stderr."""
    logs = work / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    port = free_port()
    settings = Settings(port, work, plan.command)
    taken: dict[str, list[Figures]] = {contender.name: [] for contender in plan.contenders}
    before = machine()
    with running("upstream", nginx.upstream(work / "upstream", port), logs, {}) as upstream:
        await_ready("upstream", upstream, f"http://127.0.0.1:{port}", "/")
        for number in range(plan.rounds):
            for contender in plan.contenders:
                print(f"round {number + 1}/{plan.rounds}: {contender.title}", file=sys.stderr)
                taken[contender.name].append(_loaded(contender, settings, plan.seconds, logs))
    return Results(
        date=datetime.now(UTC).strftime("%Y-%m-%d"),
        machine=before,
        versions=versions(WORK),
        seconds=plan.seconds,
        rounds=plan.rounds,
        request_bytes=len(payload.CONVERSE_REQUEST),
        answer_bytes=len(payload.CONVERSE_ANSWER),
        contenders={name: _median(rounds) for name, rounds in taken.items()},
        streams=_streams(plan, settings),
    )


def _streams(plan: Plan, settings: Settings) -> dict[str, Delay]:
    """The streams of those who take part; none if none are asked for."""
    names = {contender.name for contender in plan.contenders}
    found: dict[str, Delay] = {}
    for flow in FLOWS if plan.streams else ():
        if flow.contender in names:
            print(f"streams: {flow.title}", file=sys.stderr)
            found[flow.name] = measured(flow, settings, plan.streams)
    return found


def _loaded(contender: Contender, settings: Settings, seconds: float, logs: Path) -> Figures:
    launch = contender.launch(settings)
    body = settings.folder / f"{contender.name}.body.json"
    body.write_bytes(launch.body)
    with running(contender.name, launch.command, logs, launch.env) as child:
        await_ready(contender.name, child, launch.base, launch.ready)
        headers = dict(launch.headers(child))
        must_answer(contender.name, launch, headers)
        target = Target(f"{launch.base}{launch.path}", body, headers)
        warm = measure(target, child, connections=WARM_CONNECTIONS, seconds=max(1.0, seconds / 5))
        levels = {
            str(connections): measure(target, child, connections=connections, seconds=seconds)
            for connections in contender.levels
        }
        must_answer(contender.name, launch, headers)
        figures = Figures(contender.title, child.peak_mb(), levels)
    if launch.home:
        calls = warm.calls + sum(level.calls for level in levels.values())
        must_have_recorded(launch.home, int(calls))
    return figures


def _median(rounds: list[Figures]) -> Figures:
    levels = {
        key: Level(
            *(median(getattr(one.levels[key], field) for one in rounds) for field in Level.__struct_fields__)
        )
        for key in rounds[0].levels
    }
    return Figures(rounds[0].title, max(one.peak_mb for one in rounds), levels)


def _arguments(given: Sequence[str] | None) -> tuple[Plan, Path]:
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(
        prog="bench/run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="contenders to measure")
    parser.add_argument("--seconds", type=float, default=8.0, help="of load at each concurrency")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--streams", type=int, default=300, help="of each kind; 0 leaves them out")
    parser.add_argument("--command", default=KEYSTONE, help="starts Keepstone: {policy}, {home}, {port}")
    parser.add_argument("--json", type=Path, default=WORK / "results.json", help="where the results go")
    options = parser.parse_args(given)
    chosen = tuple(contender for contender in CONTENDERS if contender.name in options.only)
    plan = Plan(chosen, options.seconds, options.rounds, options.streams, options.command)
    return plan, options.json


def main(given: Sequence[str] | None = None) -> int:
    """Runs, saves and prints; 0, or 3 when the figures could not be had."""
    plan, out = _arguments(given)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the children are ended
    try:
        results = run(plan, WORK)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 3
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
    print(tables(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
