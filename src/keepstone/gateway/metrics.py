"""Prometheus metrics of the gateway: counts and times, no caller's name, no content.

Label values come from closed sets or from the policy document, so no caller can make their number grow.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from keepstone.core.exchange import TokenUsage

CALL_LABELS = ("operation", "model", "outcome", "reason")
NAMESPACE = "keepstone"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Times:
    """How long something took: counts by upper bound, and the sum in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def buckets(self) -> list[tuple[str, float]]:
        """Return upper bounds with how many took at most that long."""
        found, so_far = [], 0
        for bound, count in zip((*map(str, map(float, SECONDS)), "+Inf"), self.counts, strict=True):
            so_far += count
            found.append((bound, float(so_far)))
        return found


class Answered:
    """What is counted when a call is answered, for one set of labels."""

    __slots__ = ("calls", "overhead", "seconds")

    def __init__(self, seconds: Times, overhead: Times) -> None:
        self.calls = 0
        self.seconds = seconds
        self.overhead = overhead


class Answers:
    """Counts every answered call at a fifth of the client library's cost; the event loop's thread only."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, str, str], Answered] = {}
        self._times: dict[str, tuple[Times, Times]] = {}
        self._tokens: dict[str, list[int]] = {}
        self._costs: dict[tuple[str, str], int] = {}

    def add(self, labels: tuple[str, str, str, str], seconds: float, overhead: float) -> None:
        """Count a call with the values of `CALL_LABELS`, how long it took, and that without the upstream."""
        answered = self._answered.get(labels)
        if answered is None:
            times = self._times.setdefault(labels[0], (Times(), Times()))
            answered = self._answered[labels] = Answered(*times)
        answered.calls += 1
        for span, took in ((answered.seconds, seconds), (answered.overhead, overhead)):
            span.counts[bisect_left(SECONDS, took)] += 1
            span.total += took

    def add_tokens(self, model: str, usage: TokenUsage) -> None:
        """Count the tokens that a model has read and written."""
        tokens = self._tokens.get(model)
        if tokens is None:
            tokens = self._tokens[model] = [0, 0]
        tokens[0] += usage.input
        tokens[1] += usage.output

    def add_cost(self, model: str, currency: str, billionths: int) -> None:
        """Count money that a model has cost."""
        key = (model, currency)
        self._costs[key] = self._costs.get(key, 0) + billionths

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as the client library's registry asks for them."""
        calls = CounterMetricFamily(f"{NAMESPACE}_calls", "calls answered", labels=CALL_LABELS)
        for labels, answered in self._answered.items():
            calls.add_metric(labels, answered.calls)
        yield calls
        used = CounterMetricFamily(f"{NAMESPACE}_tokens", "tokens used", labels=("model", "direction"))
        for model, tokens in self._tokens.items():
            for direction, count in zip(("input", "output"), tokens, strict=True):
                used.add_metric((model, direction), count)
        yield used
        spent = CounterMetricFamily(f"{NAMESPACE}_cost", "money spent", labels=("model", "currency"))
        for key, billionths in self._costs.items():
            spent.add_metric(key, billionths / 1e9)
        yield spent
        texts = (
            ("call_seconds", "from request to answer"),
            ("overhead_seconds", "the call without the upstream"),
        )
        for position, (name, text) in enumerate(texts):
            family = HistogramMetricFamily(f"{NAMESPACE}_{name}", text, labels=["operation"])
            for operation, times in self._times.items():
                family.add_metric([operation], times[position].buckets(), times[position].total)
            yield family


class Breakers:
    """Asks for the breakers' states when somebody looks."""

    STATES: ClassVar = {"closed": 0.0, "half_open": 0.5, "open": 1.0}

    def __init__(self) -> None:
        self.source: Callable[[], Iterable[tuple[str, str, str]]] = tuple

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge; no model stands for the upstream itself."""
        text = "circuit breakers: 0 closed, 0.5 one call tries, 1 open"
        family = GaugeMetricFamily(f"{NAMESPACE}_breaker_state", text, labels=("upstream", "model"))
        for upstream, model, state in self.source():
            family.add_metric([upstream, model], self.STATES[state])
        yield family


class Metrics:
    """The gateway's metrics in a registry of their own; children are looked up once and kept."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.answers = Answers()
        self.breakers = Breakers()
        self.registry.register(self.answers)
        self.registry.register(self.breakers)
        self._count_calls()
        self._count_upstreams()
        self._count_limits()
        self._count_policy()
        self._count_ledger()

    def _count_calls(self) -> None:
        """Declare what becomes of calls and their content."""
        counter, gauge = self._counter, self._gauge
        self.findings = cache(counter("findings", "spans found in content", "where", "type", "action").labels)
        self.uninspected = counter("uninspected_parts", "images and documents that the policy lets through")
        self.unscanned = counter("unscanned_stream_chars", "characters that left before they were scanned")
        self.cached = cache(counter("cache", "calls that the cache was asked about", "result").labels)
        self.unkept = counter("content_not_kept", "calls that went on although their content was not kept")
        self.in_flight = gauge("calls_in_flight", "calls being served")
        self.page_failures = counter(
            "page_failures", "pages, and answers of failed calls, that failed inside the gateway"
        )
        self.spans = cache(counter("telemetry_spans", "spans for the collector", "outcome").labels)

    def _count_upstreams(self) -> None:
        """Declare how upstreams answer, and what was tried again or elsewhere."""
        counter = self._counter
        self.failures = cache(counter("upstream_failures", "attempts that failed", "upstream", "code").labels)
        self.failovers = counter("failovers", "calls answered by a later upstream")
        self.retries = cache(counter("retries", "calls sent again to the same upstream", "upstream").labels)
        self.withheld = cache(
            counter("retries_withheld", "retries that the retry budget did not allow", "upstream").labels
        )
        self.cancelled = cache(
            counter("calls_cancelled", "upstream calls given up: late, or the caller left", "reason").labels
        )
        self.hedges = cache(counter("hedges", "calls for which two upstreams were asked", "winner").labels)
        self.trials = cache(
            counter("trial_calls", "calls of models on trial", "model", "arm", "outcome").labels
        )
        self.trial_seconds = cache(
            counter("trial_seconds", "time until their answers", "model", "arm").labels
        )
        self.trial_tokens = cache(
            counter("trial_tokens", "tokens that they used", "model", "arm", "direction").labels
        )
        self.assumed_destinations = counter(
            "assumed_destinations", "calls whose destinations stand in the shipped table, not in AWS's answer"
        )

    def _count_limits(self) -> None:
        """Declare what limits do, and the store that gateways share."""
        counter, gauge = self._counter, self._gauge
        self.alerts = counter("limit_alerts", "limits that reached a threshold", "limit", "unit", "percent")
        self.unpriced = counter("unpriced_calls", "calls let through under a limit of money without a price")
        self.refilled = gauge("limits_refilled_records", "records that a start found in limits' windows")
        self.refill_incomplete = gauge(
            "limits_refill_incomplete", "1 when a start could not find all that limits had spent"
        )
        self.rates_gone = counter("rates_unavailable", "calls while the shared store was gone", "outcome")
        self.rates_connected = gauge(
            "rates_connected", "1 while the shared store of limits answers, 0 without one"
        )

    def _count_policy(self) -> None:
        """Declare the policy, the keys and the database that deciding needs."""
        counter = self._counter
        self.reloads = counter("policy_reloads", "reloads of the policy", "outcome")
        self.key_fetches = cache(
            counter(
                "key_fetches", "fetches of an identity provider's signing keys", "provider", "outcome"
            ).labels
        )
        self.store = cache(counter("store_outages", "what an unanswered database led to", "effect").labels)

    def _count_ledger(self) -> None:
        """Declare the ledger, its copy, its anchors and the roll call."""
        counter, gauge = self._counter, self._gauge
        self.ledger_size = gauge("ledger_records", "records in the ledger")
        self.ledger_failures = counter("ledger_failures", "records that could not be made durable")
        self.copy_behind = gauge(
            "ledger_copy_behind_records", "published records that the copy does not hold"
        )
        self.copy_failures = counter(
            "ledger_copy_failures", "attempts to copy the ledger that failed", "code"
        )
        self.anchor_failures = counter(
            "ledger_anchor_failures", "checkpoints that could not be anchored", "anchor", "code"
        )
        self.anchored_at = gauge("ledger_anchored_at_seconds", "when an anchor was told last", "anchor")
        self.machine_report_failures = counter(
            "machine_report_failures", "reports of this machine's ledger that the database did not take"
        )

    def render(self) -> bytes:
        """Return the Prometheus text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=NAMESPACE, registry=self.registry)
