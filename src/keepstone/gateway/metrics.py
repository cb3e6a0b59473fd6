"""Prometheus metrics of the gateway: counts and times, no caller's name, no content.

Label values come from closed sets or from the policy document, so no caller can make their number grow.
"""

from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

CALL_LABELS = ("operation", "model", "outcome", "reason")
NAMESPACE = "keepstone"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


@dataclass(frozen=True, slots=True)
class Answered:
    """What is counted when a call is answered."""

    calls: Counter
    seconds: Histogram
    overhead: Histogram


class Metrics:
    """The gateway's metrics in a registry of their own; children are looked up once and kept."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        counter, gauge = self._counter, self._gauge
        self._calls = counter("calls", "calls answered", *CALL_LABELS)
        self._seconds = self._times("call_seconds", "from request to answer")
        self._overhead = self._times("overhead_seconds", "the call without the upstream")
        self.tokens = cache(counter("tokens", "tokens used", "model", "direction").labels)
        self.answered = cache(self._answered)
        self.findings = cache(counter("findings", "spans found in content", "where", "type", "action").labels)
        self.failures = cache(counter("upstream_failures", "attempts that failed", "upstream", "code").labels)
        self.failovers = counter("failovers", "calls answered by a later upstream")
        self.uninspected = counter("uninspected_parts", "images and documents that the policy lets through")
        self.in_flight = gauge("calls_in_flight", "calls being served")
        self.reloads = counter("policy_reloads", "reloads of the policy", "outcome")
        self.ledger_size = gauge("ledger_records", "records in the ledger")
        self.ledger_failures = counter("ledger_failures", "records that could not be made durable")

    def _answered(self, operation: str, model: str, outcome: str, reason: str) -> "Answered":
        return Answered(
            self._calls.labels(operation, model, outcome, reason),
            self._seconds.labels(operation),
            self._overhead.labels(operation),
        )

    def render(self) -> bytes:
        """Return the Prometheus text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, namespace=NAMESPACE, registry=self.registry)

    def _times(self, name: str, text: str) -> Histogram:
        return Histogram(
            name, text, ["operation"], namespace=NAMESPACE, registry=self.registry, buckets=SECONDS
        )
