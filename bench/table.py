"""Results as a Markdown table, with each contender's cost beside Keepstone's."""

from bench.results import Figures, Results

_HEAD = ("contender", "c", "CPU µs / call", "p50 ms", "p99 ms", "calls / s", "peak MB")
REFERENCE = "strict"


def table(results: Results) -> str:
    """The table for the terminal and for docs/benchmarks.md."""
    reference = results.contenders.get(REFERENCE)
    head = [*_HEAD, *(("CPU, times ours", "calls/s, ours times") if reference else ())]
    rows = [row for figures in results.contenders.values() for row in _rows(figures, reference)]
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [_line(row, widths) for row in cells]
    rule = (
        "|" + "|".join("-" * (width + 1) + ("-" if not at else ":") for at, width in enumerate(widths)) + "|"
    )
    return "\n".join([lines[0], rule, *lines[1:]])


def _line(row: list[str], widths: list[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
    return "| " + " | ".join(cells) + " |"


def _rows(figures: Figures, reference: Figures | None) -> list[list[str]]:
    rows = []
    for at, (connections, level) in enumerate(figures.levels.items()):
        row = [
            "" if at else figures.title,
            connections,
            f"{level.cpu_us:,.0f}",
            f"{level.p50_ms:,.2f}",
            f"{level.p99_ms:,.2f}",
            f"{level.per_second:,.0f}",
            "" if at else f"{figures.peak_mb:,.0f}",
        ]
        if reference:
            ours = reference.levels[connections]
            row += [_times(level.cpu_us, ours.cpu_us), _times(ours.per_second, level.per_second)]
        rows.append(row)
    return rows


def _times(part: float, whole: float) -> str:
    return f"{part / whole:,.2f}" if whole else "-"
