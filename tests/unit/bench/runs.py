"""Runs to judge: every contender with plausible figures, and what a test changes of them."""

from bench.contenders import CONTENDERS
from bench.load import Level
from bench.machine import Machine
from bench.results import Delay, Figures, Results

CPU_US = {
    "nginx": 9,
    "proxy": 20,
    "floor": 50,
    "passthrough": 90,
    "strict": 140,
    "bounded": 150,
    "tls": 160,
    "workers": 150,
    "ferrogw": 420,
    "portkey": 1500,
    "litellm": 9000,
}


def level(cpu_us: float, p50_ms: float = 1.0, p99_ms: float = 2.0, others: float = 0.01) -> Level:
    return Level(1000, cpu_us, p50_ms, p99_ms, 1000.0, 0.9, others)


def results(
    without: tuple[str, ...] = (),
    streams: dict[str, Delay] | None = None,
    others: float = 0.01,
    **cpu_us: float,
) -> Results:
    """A run in which every bar is met, but for contenders left `without` and other figures of CPU."""
    contenders = {}
    for contender in CONTENDERS:
        if contender.name not in without:
            spent = cpu_us.get(contender.name, CPU_US[contender.name])
            alone = level(spent * 2, p50_ms=0.1 if contender.name == "nginx" else 0.4)
            figures = Figures(contender.title, 100.0, {"1": alone, "64": level(spent, others=others)})
            contenders[contender.name] = figures
    held = {name: Delay(name, 100, 1, 100, 0.5, 1.5) for name in ("strict", "full")}
    return Results(
        date="2026-01-01",
        machine=Machine("a processor", 2, "Linux", 0.1),
        versions={"uvicorn": "0.54.0"},
        seconds=8,
        rounds=3,
        request_bytes=4100,
        answer_bytes=1300,
        contenders=contenders,
        streams=held if streams is None else streams,
    )
