"""What the demo leaves: a table in the terminal and a page to open, without any outside resource."""

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from keepstone import __version__
from keepstone.cli.demo_scenes import Result
from keepstone.cli.output import emit

WIDTH = 58


def show(results: Sequence[Result], output_format: str) -> None:
    """Print the results."""
    if output_format == "json":
        emit(
            [
                {
                    "scene": result.title,
                    "sent": result.sent,
                    "expected": result.expected,
                    "outcome": result.outcome.verdict,
                    "seen": result.outcome.seen,
                    "because": result.because,
                    "request_id": result.outcome.request_id,
                    "as_expected": result.as_expected,
                }
                for result in results
            ],
            output_format,
        )
        return
    emit(
        [
            {
                "": "✓" if result.as_expected else "✗",
                "scene": result.title,
                "what the client saw": result.outcome.verdict,
                "because": _short(result.because),
            }
            for result in results
        ],
        output_format,
    )


def write_page(path: Path, results: Sequence[Result], policy_hash: str) -> Path:
    """Write the page and return its path."""
    environment = Environment(
        loader=PackageLoader("keepstone.cli"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["code"] = _code
    page = environment.get_template("demo.html").render(
        results=results,
        policy_hash=policy_hash,
        version=__version__,
        good=sum(result.as_expected for result in results),
    )
    path.write_text(page, encoding="utf-8")
    return path


def _code(text: str) -> Markup:
    """Escape a text and show what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1].rstrip()}…"
