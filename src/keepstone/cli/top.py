"""`keepstone top`: what gateways are doing now, from their `/metrics`, live or once."""

import ssl
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from keepstone.cli.output import emit, format_option, talk
from keepstone.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

_UNKNOWN = 3
_FETCH_S = 5.0
_SHOWN = 12

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]


@dataclass(slots=True)
class Scrape:
    """The samples of one gateway at one moment, seconds on a clock that never goes back."""

    at: float
    samples: Samples


@dataclass(slots=True)
class Load:
    """What happened between two scrapes, of one gateway or of several."""

    seconds: float = 0.0
    calls: float = 0.0
    refused: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    models: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    tokens: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    buckets: dict[str, dict[float, float]] = field(
        default_factory=lambda: {"call": defaultdict(float), "overhead": defaultdict(float)}
    )
    in_flight: float = 0.0
    records: float = 0.0
    unrecorded: float = 0.0
    workers_missing: float = 0.0


@click.command(
    epilog="""\b
Examples:
  keepstone top
  keepstone top https://10.0.0.5:8443 https://10.0.0.6:8443 --ca-bundle ca.pem
  keepstone top --once --format json

\b
Exit status: 0 all gateways answered, 2 usage, 3 one did not."""
)
@click.argument("urls", metavar="[URL]...", nargs=-1)
@click.option("--every", type=click.FloatRange(0.2, 60), default=2.0, show_default=True, help="Seconds.")
@click.option(
    "--once", is_flag=True, help="Look twice, `--every` seconds apart, show the difference and end."
)
@click.option("--ca-bundle", type=click.Path(exists=True, dir_okay=False), help="Authorities to trust, PEM.")
@format_option
def top(urls: tuple[str, ...], every: float, once: bool, ca_bundle: str | None, output_format: str) -> int:
    """Show calls, refusals, tokens, latency and failures of one gateway or several, live.

    Without a URL, AWS_ENDPOINT_URL_BEDROCK_RUNTIME and AWS_CA_BUNDLE name the gateway.
    """
    import os

    found = urls or tuple(filter(None, [os.environ.get("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "")]))
    if not found:
        raise UsageError("no gateway is named", hint="give its URL, or set AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
    bundle = ca_bundle or os.environ.get("AWS_CA_BUNDLE", "")
    gateways = [Gateway(url, bundle) for url in found]
    if output_format == "json" and not once:
        raise UsageError("`--format json` goes with `--once`")
    if once:
        return _once(gateways, every, output_format)
    return _live(gateways, every)


class Gateway:
    """One gateway that is looked at again and again; `trouble` says why it does not answer."""

    def __init__(self, url: str, bundle: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"`{url[:100]}` is not an http or https URL")
        self.url = url.rstrip("/")
        self.trouble = ""
        self.untrusted = False
        self._tls = _trusting(bundle) if url.startswith("https") else None
        self._last: Scrape | None = None

    def look(self, load: Load) -> bool:
        """Add what has happened since the last look; say whether that could be told."""
        before, self._last = self._last, self._fetch()
        if self._last is None:
            return False
        add(load, before, self._last)
        return before is not None

    def _fetch(self) -> Scrape | None:
        try:
            with urllib.request.urlopen(  # noqa: S310 - the scheme was looked at
                f"{self.url}/metrics", timeout=_FETCH_S, context=self._tls
            ) as answer:
                text = answer.read().decode()
            samples = parse(text)
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            self.untrusted = isinstance(reason, ssl.SSLCertVerificationError)
            self.trouble = f"`{self.url}` could not be reached: {_why(error)}"
            return None
        if not samples:
            self.trouble = f"`{self.url}` is no Keepstone gateway: its `/metrics` has nothing of one"
            return None
        self.trouble, self.untrusted = "", False
        return Scrape(time.monotonic(), samples)


def _trusting(bundle: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=bundle or None)
    except OSError as error:
        hint = "expected authorities in PEM, such as `.keepstone/tls/ca-bundle.pem`"
        raise UsageError(f"the CA bundle `{bundle}` cannot be used", hint=hint) from error


def _why(error: Exception) -> str:
    """Return the cause in words."""
    reason = getattr(error, "reason", None) or error
    match reason:
        case _ if isinstance(error, urllib.error.HTTPError):
            return f"it answered `{error.code}`"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({reason.verify_message.lower()})"
        case ssl.SSLError():
            return "TLS failed; is it served over plain HTTP?"
        case TimeoutError():
            return f"no answer within {_FETCH_S:g} s"
        case OSError() if reason.strerror:
            return reason.strerror.lower()
        case _:
            return type(reason).__name__


def parse(text: str) -> Samples:
    """Return the samples of a scrape."""
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("keepstone_")
    }


def add(load: Load, before: Scrape | None, now: Scrape) -> None:
    """Add one gateway's difference; a counter that went backwards began anew, so all of it is new."""
    if before is not None:
        load.seconds = max(load.seconds, now.at - before.at)
    for (name, labels), value in now.samples.items():
        told = dict(labels)
        if name == "keepstone_calls_in_flight":
            load.in_flight += value
        elif name == "keepstone_ledger_records":
            load.records += value
        elif name == "keepstone_worker_up":
            load.workers_missing += 1 - value
        elif before is not None:
            old = before.samples.get((name, labels), 0.0)
            _count(load, name, told, value - old if value >= old else value)


def _count(load: Load, name: str, labels: dict[str, str], value: float) -> None:
    match name:
        case "keepstone_calls_total":
            load.calls += value
            load.models[labels["model"] or "(none)"] += value
            if labels["outcome"] == "refuse" and value:
                load.refused[labels["reason"]] += value
        case "keepstone_tokens_total":
            load.tokens[labels["direction"]] += value
        case "keepstone_upstream_failures_total" if value:
            load.failures[f"{labels['upstream']} {labels['code']}"] += value
        case "keepstone_call_seconds_bucket":
            load.buckets["call"][float(labels["le"])] += value
        case "keepstone_overhead_seconds_bucket":
            load.buckets["overhead"][float(labels["le"])] += value
        case "keepstone_ledger_failures_total":
            load.unrecorded += value
        case _:
            pass


def quantile(buckets: dict[float, float], share: float) -> float | None:
    """Return the time that `share` of the calls took at most, by linear interpolation as Prometheus does it.

    None when there was no call; of a call beyond the last bound, that bound.
    """
    bounds = sorted(buckets)
    if not bounds or not buckets[bounds[-1]]:
        return None
    rank, lower, below = share * buckets[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            inside = buckets[bound] - below
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * ((rank - below) / inside if inside else 0.0)
        lower, below = bound, buckets[bound]
    return lower


def summary(load: Load) -> dict[str, Any]:
    """Return the figures, rates in one second, times in milliseconds; None for what nobody did."""
    span = load.seconds or 1.0

    def rates(counts: dict[str, float]) -> dict[str, float]:
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return {name: round(count / span, 2) for name, count in ranked if count}

    def milliseconds(which: str, share: float) -> float | None:
        found = quantile(load.buckets[which], share)
        return None if found is None else round(found * 1000, 2)

    return {
        "seconds": round(load.seconds, 2),
        "calls_per_second": round(load.calls / span, 2),
        "refusals_per_second": rates(load.refused),
        "tokens_per_second": rates(load.tokens),
        "latency_p50_ms": milliseconds("call", 0.5),
        "latency_p99_ms": milliseconds("call", 0.99),
        "overhead_p50_ms": milliseconds("overhead", 0.5),
        "overhead_p99_ms": milliseconds("overhead", 0.99),
        "in_flight": int(load.in_flight),
        "models_per_second": rates(load.models),
        "upstream_failures_per_second": rates(load.failures),
        "ledger_records": int(load.records),
        "unrecorded_per_second": round(load.unrecorded / span, 2),
        "workers_missing": int(load.workers_missing),
    }


def _once(gateways: Sequence[Gateway], every: float, output_format: str) -> int:
    """Show the difference of two looks; of a gateway that did not answer both, why, and no figures."""
    load, answered = _look(gateways)
    if any(not each.trouble for each in gateways):
        time.sleep(every)
        load, answered = _look(gateways)
    silent = len(gateways) - answered
    for each in gateways:
        if each.trouble:
            talk(f"error: {each.trouble}")
    if any(each.untrusted for each in gateways):
        talk("hint: `--ca-bundle` names what to trust, such as `.keepstone/tls/ca-bundle.pem`")
    figures = summary(load) if answered else {}
    if output_format == "json":
        emit({**figures, "gateways": len(gateways), "unanswered": silent}, "json")
    elif answered:
        emit([{"figure": name, "value": _short(value)} for name, value in figures.items()])
    return _UNKNOWN if silent else 0


def _look(gateways: Iterable[Gateway]) -> tuple[Load, int]:
    """Return what has happened since the last look, and of how many gateways that could be told."""
    load, answered = Load(), 0
    for each in gateways:
        answered += each.look(load)
    return load, answered


def _live(gateways: Sequence[Gateway], every: float) -> int:
    from rich.live import Live

    _look(gateways)
    with Live(_screen(summary(Load()), gateways), screen=True, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(every)
                live.update(_screen(summary(_look(gateways)[0]), gateways), refresh=True)
        except KeyboardInterrupt:
            return 0


def _screen(found: dict[str, Any], gateways: Sequence[Gateway]) -> "RenderableType":
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    figures = Table(box=box.SIMPLE_HEAD, show_header=False)
    lists = Table(box=box.SIMPLE_HEAD)
    cells = []
    for name, value in found.items():
        if isinstance(value, dict):
            lists.add_column(name.replace("_", " "))
            cells.append("\n".join(f"{rate:>10,.2f}  {what}" for what, rate in list(value.items())[:_SHOWN]))
        else:
            alarm = name in ("unrecorded_per_second", "workers_missing") and value
            figures.add_row(name.replace("_", " "), Text(_short(value), style="bold red" if alarm else ""))
    lists.add_row(*map(Text, cells))
    head = Text(f"keepstone top: {', '.join(each.url for each in gateways)}  (Ctrl-C ends)", style="bold")
    troubles = [Text(each.trouble, style="bold red") for each in gateways if each.trouble]
    return Group(head, *troubles, figures, lists)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {rate:g}" for name, rate in list(value.items())[:_SHOWN])
    return "-" if value is None else f"{value:,}"
