"""CPU per call by contender as an SVG: points on a logarithmic scale, readable on light and on dark."""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW = 780, 290, 80, 62, 28
_STYLE = """
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px } .note { fill: #57606a; font-size: 12px }
  .grid { stroke: #d0d7de } .stem { stroke-width: 2 } .ours { stroke: #0969da; fill: #0969da }
  .other { stroke: #8c959f; fill: #8c959f } .paper { fill: #ffffff }
  .mine { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } .grid { stroke: #3d444d } .paper { fill: #0d1117 }
    .ours { stroke: #4493f8; fill: #4493f8 } .other { stroke: #9198a1; fill: #9198a1 }
  }
"""


class Point(NamedTuple):
    """A row of the picture; `ours` rows stand out."""

    title: str
    cpu_us: float
    ours: bool


def chart(points: Sequence[Point], connections: int) -> str:
    """The picture; there is at least one point."""
    low = math.floor(math.log10(min(point.cpu_us for point in points)))
    high = max(low + 1, math.ceil(math.log10(max(point.cpu_us for point in points))))
    bottom = _TOP + _ROW * len(points)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 34}" role="img">',
        f"<style>{_STYLE}</style>",
        f"<title>{escape(_told(points))}</title>",
        f'<rect class="paper" width="{_WIDTH}" height="{bottom + 34}"/>',
        f'<text class="title" x="16" y="26">CPU per call of 4 KB, {connections} callers at once</text>',
        '<text class="note" x="16" y="44">µs of user and system time; logarithmic, less is better</text>',
    ]
    for power in range(low, high + 1):
        x = _x(10**power, low, high)
        parts.append(f'<line class="grid" x1="{x}" y1="{_TOP}" x2="{x}" y2="{bottom}"/>')
        parts.append(
            f'<text class="note" x="{x}" y="{bottom + 18}" text-anchor="middle">{10**power:,}</text>'
        )
    for row, point in enumerate(points):
        parts += _row(point, _TOP + _ROW * row + _ROW // 2, _x(point.cpu_us, low, high))
    return "\n".join([*parts, "</svg>", ""])


def _row(point: Point, y: int, x: float) -> list[str]:
    kind, weight = ("ours", ' class="mine"') if point.ours else ("other", "")
    return [
        f'<text{weight} x="{_LEFT - 14}" y="{y + 4}" text-anchor="end">{escape(point.title)}</text>',
        f'<line class="stem {kind}" x1="{_LEFT}" y1="{y}" x2="{x}" y2="{y}"/>',
        f'<circle class="{kind}" cx="{x}" cy="{y}" r="5"/>',
        f'<text{weight} x="{x + 11}" y="{y + 4}">{point.cpu_us:,.0f}</text>',
    ]


def _x(value: float, low: int, high: int) -> float:
    """Where a value stands from left to right."""
    share = (math.log10(value) - low) / (high - low)
    return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _told(points: Sequence[Point]) -> str:
    """The picture in words, for whoever cannot see it."""
    return "CPU µs per call: " + "; ".join(f"{point.title} {point.cpu_us:,.0f}" for point in points)
