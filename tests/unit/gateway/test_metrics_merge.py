"""One scrape of several workers: sums that never go backwards."""

from prometheus_client.parser import text_string_to_metric_families

from keepstone.gateway.metrics import Metrics
from keepstone.gateway.metrics_merge import Merged, lasting


def worker(calls, in_flight=0):
    """The text of a worker that has answered some calls."""
    metrics = Metrics()
    for _ in range(calls):
        metrics.answers.add(("Converse", "m", "allow", "allowed"), 0.02, 0.001)
    metrics.failovers.inc(calls)
    metrics.reloads.labels("loaded").inc()
    metrics.in_flight.set(in_flight)
    return metrics.render().decode()


def samples(text):
    """Every sample by its name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


CALLS = (
    "keepstone_calls_total",
    ("model", "m"),
    ("operation", "Converse"),
    ("outcome", "allow"),
    ("reason", "allowed"),
)
BUCKET = ("keepstone_call_seconds_bucket", ("le", "0.025"), ("operation", "Converse"))


def test_counts_are_summed_and_outlive_a_worker():
    gone = lasting(["", worker(3, in_flight=5)])
    gone = lasting([gone, worker(2)])
    merged = Merged()
    merged.add(gone, "", ended=True)
    merged.add(worker(10, in_flight=1), "0")
    merged.add(worker(20, in_flight=2), "1")
    merged.gauge("keepstone_worker_up", "workers that serve", {"0": 1, "1": 1})
    merged.counter("keepstone_worker_restarts", "workers that ended unasked", 2)
    found = samples(merged.text())
    assert found[CALLS] == found[BUCKET] == found[("keepstone_failovers_total",)] == 35
    assert found[("keepstone_calls_in_flight",)] == 3
    assert found[("keepstone_policy_reloads_total", ("outcome", "loaded"))] == 4
    assert found[("keepstone_worker_restarts_total",)] == 2
    assert found["keepstone_worker_up", ("worker", "1")] == 1
    assert ("process_start_time_seconds", ("worker", "0")) in found


def test_one_worker_says_what_it_says_alone():
    merged = Merged()
    merged.add(worker(7), "0")
    alone = {k: v for k, v in samples(worker(7)).items() if k[0].endswith(("_total", "_bucket", "_sum"))}
    found = samples(merged.text())
    assert {k: found[k] for k in alone if not k[0].startswith("process_")} == {
        k: v for k, v in alone.items() if not k[0].startswith("process_")
    }
