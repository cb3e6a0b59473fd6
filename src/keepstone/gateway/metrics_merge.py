"""Metrics of several workers made into one scrape: whoever is asked, the answer is of all of them.

Counters and histograms are summed, also over workers that have ended, so that nothing ever goes backwards.
Of the gauges, those that are amounts are summed over the living; the others say which worker they are of.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

SUMMED = frozenset(
    {
        "keepstone_calls_in_flight",
        "keepstone_ledger_copy_behind_records",
        "keepstone_ledger_records",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
    }
)
"""Gauges that are amounts, of which the sum over workers has a meaning."""
_LASTING = ("counter", "histogram")
_PASSING = ("_created",)

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class _Family:
    documentation: str
    kind: str
    samples: dict[Key, float] = field(default_factory=dict)


class Merged:
    """Collects workers' texts; `text` renders them as one."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}

    def add(self, text: str, worker: str, *, ended: bool = False) -> None:
        """Take what one worker says; of one that has ended only what lasts."""
        for metric in text_string_to_metric_families(text):
            lasting = metric.type in _LASTING
            if metric.name.endswith(_PASSING) or (ended and not lasting):
                continue
            family = self._families.setdefault(metric.name, _Family(metric.documentation, metric.type))
            adds_up = lasting or metric.name in SUMMED
            for sample in metric.samples:
                if sample.name.endswith(_PASSING):
                    continue
                labels = sample.labels if adds_up else {**sample.labels, "worker": worker}
                key = (sample.name, tuple(sorted(labels.items())))
                family.samples[key] = family.samples.get(key, 0.0) + sample.value

    def gauge(self, name: str, documentation: str, values: Mapping[str, float]) -> None:
        """Add a gauge of the parent's own, one value for each worker."""
        family = self._families.setdefault(name, _Family(documentation, "gauge"))
        for worker, value in values.items():
            family.samples[name, (("worker", worker),)] = value

    def counter(self, name: str, documentation: str, value: float) -> None:
        """Add a counter of the parent's own; `name` is without `_total`."""
        family = self._families.setdefault(name, _Family(documentation, "counter"))
        family.samples[f"{name}_total", ()] = value

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, as the client library's registry asks for them."""
        for name, family in self._families.items():
            metric = Metric(name, family.documentation, family.kind)
            metric.samples = [
                Sample(sample, dict(labels), value) for (sample, labels), value in family.samples.items()
            ]
            yield metric

    def text(self) -> str:
        """Return the Prometheus text format."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry).decode()


def lasting(texts: Iterable[str]) -> str:
    """Return the counters and histograms of workers that have ended, as one text to keep."""
    merged = Merged()
    for text in texts:
        merged.add(text, "", ended=True)
    return merged.text()
