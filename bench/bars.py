"""The bars that Keepstone has set itself, judged by what a run has measured.

A bar is met, not met, or it could not be told, with the reason: what did not take part is never a success.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from bench.contenders import DIRECT, FERROGW, FLOOR, LITELLM, PASSTHROUGH, PORTKEY, PROXY, REFERENCE, WORKERS
from bench.results import Results, Soak
from bench.table import ALONE, BUSY

MOST_CPU_US = 150
PEERS = ((LITELLM, "LiteLLM", 55), (PORTKEY, "Portkey", 9), (FERROGW, "the Go peer", 2))
MOST_ADDED_MS = {50: 0.4, 99: 3.0}
MOST_STREAM_MS = 1.0
MOST_PASSTHROUGH = 2.0
LEAST_SCALING = 0.9
SOAK_CALLS = 1_000_000
MOST_GROWTH = 0.05


class Met(StrEnum):
    """Whether a bar is met."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "could not tell"


class Bar(NamedTuple):
    """A promise, the figure it is judged by, and the verdict."""

    promise: str
    figure: str
    met: Met


def bars(results: Results, soak: Soak | None) -> list[Bar]:
    """Every bar, in the order of the promise."""
    found = [_cpu(results), *_peers(results), *_added(results)]
    return [
        *found,
        _server(results),
        _streams(results),
        _passthrough(results),
        _memory(soak),
        _workers(results),
    ]


def _judged(promise: str, figure: str, *, kept: bool) -> Bar:
    return Bar(promise, figure, Met.YES if kept else Met.NO)


def _missing(promise: str, *names: str) -> Bar:
    return Bar(promise, f"not in this run: {', '.join(names)}", Met.UNKNOWN)


def _cpu(results: Results) -> Bar:
    promise = f"at most {MOST_CPU_US} µs CPU per call"
    ours = results.level(REFERENCE, BUSY)
    if ours is None:
        return _missing(promise, REFERENCE)
    return _judged(promise, f"{ours.cpu_us:,.0f} µs", kept=ours.cpu_us <= MOST_CPU_US)


def _peers(results: Results) -> Iterator[Bar]:
    ours = results.level(REFERENCE, BUSY)
    for name, title, least in PEERS:
        promise = f"at most 1/{least} of the CPU of {title}"
        theirs = results.level(name, BUSY)
        if ours is None or theirs is None:
            yield _missing(promise, *([name] if ours else [REFERENCE]))
            continue
        ratio = theirs.cpu_us / ours.cpu_us
        calls = ours.per_second / theirs.per_second
        yield _judged(promise, f"1/{ratio:.1f}, and {calls:.1f} times the calls/s", kept=ratio >= least)


def _added(results: Results) -> Iterator[Bar]:
    ours, direct, proxy = (results.level(name, ALONE) for name in (REFERENCE, DIRECT, PROXY))
    for share, most in MOST_ADDED_MS.items():
        promise = f"at most {most:g} ms added to p{share}, one caller, record durable first"
        if ours is None or direct is None:
            yield _missing(promise, *([DIRECT] if ours else [REFERENCE]))
            continue
        field = f"p{share}_ms"
        added = getattr(ours, field) - getattr(direct, field)
        figure = f"{added:.2f} ms"
        if proxy is not None:
            figure += f" ({getattr(ours, field) - getattr(proxy, field):.2f} over the bare proxy)"
        yield _judged(promise, figure, kept=added <= most)


def _server(results: Results) -> Bar:
    promise = "on a maintained HTTP server"
    version = results.versions.get("uvicorn")
    return _judged(promise, f"uvicorn {version}", kept=True) if version else _missing(promise, "uvicorn")


def _streams(results: Results) -> Bar:
    promise = f"first text of a stream at most {MOST_STREAM_MS:g} ms beyond the scan window (p50)"
    waiting, full = results.streams.get("strict"), results.streams.get("full")
    if waiting is None or full is None:
        return _missing(promise, "streams")
    figure = f"{waiting.p50_ms:.2f} ms; {full.p50_ms:.2f} ms when the first event fills the window"
    return _judged(promise, figure, kept=max(waiting.p50_ms, full.p50_ms) <= MOST_STREAM_MS)


def _passthrough(results: Results) -> Bar:
    promise = f"pass-through within {MOST_PASSTHROUGH:g} times the CPU of the bare ASGI floor"
    ours, floor = results.level(PASSTHROUGH, BUSY), results.level(FLOOR, BUSY)
    if ours is None or floor is None:
        return _missing(promise, *([FLOOR] if ours else [PASSTHROUGH]))
    ratio = ours.cpu_us / floor.cpu_us
    figure = f"{ratio:.1f} times ({ours.cpu_us:,.0f} and {floor.cpu_us:,.0f} µs)"
    return _judged(promise, figure, kept=ratio <= MOST_PASSTHROUGH)


def _memory(soak: Soak | None) -> Bar:
    promise = f"memory flat over {SOAK_CALLS:,} calls: at most {MOST_GROWTH:.0%} more"
    if soak is None:
        return Bar(promise, "not measured in this run", Met.UNKNOWN)
    early, late = soak.early_mb(), soak.late_mb()
    figure = (
        f"{early:.1f} MB, then {late:.1f} MB: {late / early - 1:+.1%} ({soak.date}, {soak.calls:,.0f} calls)"
    )
    if soak.calls < SOAK_CALLS:
        return Bar(promise, figure, Met.UNKNOWN)
    return _judged(promise, figure, kept=late <= early * (1 + MOST_GROWTH))


def _workers(results: Results) -> Bar:
    promise = f"near-linear over two workers: at least {LEAST_SCALING:g} of the calls per CPU second of one"
    one, two = results.level(REFERENCE, BUSY), results.level(WORKERS, BUSY)
    if one is None or two is None:
        return _missing(promise, *([WORKERS] if one else [REFERENCE]))
    share = one.cpu_us / two.cpu_us
    calls = two.per_second / one.per_second
    figure = f"{share:.2f}; {calls:.2f} times the calls/s, on a machine {two.busy:.0%} busy"
    return _judged(promise, figure, kept=share >= LEAST_SCALING)
