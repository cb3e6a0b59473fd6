"""Results as Markdown tables: all at once, one call at a time, streams."""

from collections.abc import Iterator, Sequence

from bench.contenders import DIRECT, REFERENCE
from bench.results import Results

BUSY, ALONE = 64, 1


def tables(results: Results) -> str:
    """All tables with a heading each, for the terminal."""
    shown = [
        f"{BUSY} callers at once\n\n{busy_table(results)}",
        f"One caller\n\n{alone_table(results)}",
    ]
    if results.streams:
        shown.append(f"Streams\n\n{stream_table(results)}")
    return "\n\n".join(shown)


def busy_table(results: Results) -> str:
    """What a call costs when many come at once, and how each row compares with Keepstone's."""
    head = [
        "contender",
        "CPU µs / call",
        "CPU ÷ ours",
        "calls / s",
        "our calls/s ÷ its",
        "p50 ms",
        "p99 ms",
        "MB",
    ]
    reference = results.level(REFERENCE, BUSY)
    rows = []
    for name, figures in results.contenders.items():
        level = results.level(name, BUSY)
        if level is not None:
            rows.append(
                [
                    figures.title,
                    f"{level.cpu_us:,.0f}",
                    _times(level.cpu_us, reference.cpu_us if reference else 0),
                    f"{level.per_second:,.0f}",
                    _times(reference.per_second if reference else 0, level.per_second),
                    f"{level.p50_ms:,.2f}",
                    f"{level.p99_ms:,.2f}",
                    f"{figures.peak_mb:,.0f}",
                ]
            )
    return markdown([head, *rows])


def alone_table(results: Results) -> str:
    """What a single caller waits for, and how much of it is the gateway's."""
    head = ["contender", "p50 ms", "p99 ms", "added p50 ms", "added p99 ms", "CPU µs / call"]
    return markdown([head, *_alone(results)])


def _alone(results: Results) -> Iterator[list[str]]:
    direct = results.level(DIRECT, ALONE)
    for name, figures in results.contenders.items():
        level = results.level(name, ALONE)
        if level is None:
            continue
        added = ["-", "-"]
        if direct is not None and name != DIRECT:
            added = [f"{level.p50_ms - direct.p50_ms:,.2f}", f"{level.p99_ms - direct.p99_ms:,.2f}"]
        times = [f"{level.p50_ms:,.2f}", f"{level.p99_ms:,.2f}"]
        yield [figures.title, *times, *added, f"{level.cpu_us:,.0f}"]


def stream_table(results: Results) -> str:
    """How long first text is held beyond the scan window."""
    head = ["contender", "streams", "window, characters", "window, events", "delay p50 ms", "delay p99 ms"]
    rows = [
        [
            delay.title,
            f"{delay.streams:,}",
            f"{delay.window_chars:,}",
            f"{delay.window_events:,}",
            f"{delay.p50_ms:,.2f}",
            f"{delay.p99_ms:,.2f}",
        ]
        for delay in results.streams.values()
    ]
    return markdown([head, *rows])


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head; the first column stands left, the others right."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [_line(row, widths) for row in cells]
    rule = "|" + "|".join("-" * (width + 1) + (":" if at else "-") for at, width in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return "| " + " | ".join(cells) + " |"


def _times(part: float, whole: float) -> str:
    return f"{part / whole:,.2f}" if part and whole else "-"
