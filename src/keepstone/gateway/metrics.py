"""Prometheus metrics of the gateway: counts and times, no caller's name, no content.

Label values come from closed sets or from the policy document, so no caller can make their number grow.
"""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The gateway's metrics in a registry of their own; children are looked up once and kept."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        make = {"registry": self.registry, "namespace": "keepstone"}
        calls = Counter("calls", "calls answered", ["operation", "model", "outcome", "reason"], **make)
        seconds = Histogram("call_seconds", "from request to answer", ["operation"], buckets=SECONDS, **make)
        overhead = Histogram(
            "overhead_seconds", "the call without the upstream", ["operation"], buckets=SECONDS, **make
        )
        tokens = Counter("tokens", "tokens used", ["model", "direction"], **make)
        findings = Counter("findings", "spans found in content", ["where", "type", "action"], **make)
        failures = Counter("upstream_failures", "attempts that failed", ["upstream", "code"], **make)
        self.calls = cache(calls.labels)
        self.seconds = cache(seconds.labels)
        self.overhead = cache(overhead.labels)
        self.tokens = cache(tokens.labels)
        self.findings = cache(findings.labels)
        self.failures = cache(failures.labels)
        self.failovers = Counter("failovers", "calls answered by a later upstream", **make)
        self.uninspected = Counter(
            "uninspected_parts", "images and documents let through because the policy says so", **make
        )
        self.in_flight = Gauge("calls_in_flight", "calls being served", **make)
        self.reloads = Counter("policy_reloads", "reloads of the policy", ["outcome"], **make)
        self.ledger_size = Gauge("ledger_records", "records in the ledger", **make)
        self.ledger_failures = Counter("ledger_failures", "records that could not be made durable", **make)

    def render(self) -> bytes:
        """Return the Prometheus text format."""
        return generate_latest(self.registry)
