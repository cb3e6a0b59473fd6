"""`keepstone top`: rates from differences, quantiles as Prometheus has them, and no gateway without words."""

import json
import ssl
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from keepstone.cli.main import main
from keepstone.cli.top import Load, Scrape, add, parse, quantile, summary
from keepstone.core.exchange import TokenUsage
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.tls import local_certificate

INF = float("inf")


@pytest.mark.parametrize(
    ("buckets", "share", "expected"),
    [
        ({}, 0.5, None),
        ({0.1: 0, INF: 0}, 0.5, None),
        ({0.1: 10, 0.2: 10, INF: 10}, 0.5, 0.05),
        ({0.1: 10, 0.2: 20, INF: 20}, 0.5, 0.1),
        ({0.1: 0, 0.2: 10, INF: 10}, 0.99, 0.199),
        ({0.1: 1, 0.2: 1, INF: 100}, 0.99, 0.2),
        ({0.1: 99, 0.2: 100, INF: 100}, 0.99, 0.1),
    ],
)
def test_quantiles(buckets, share, expected):
    assert quantile(buckets, share) == pytest.approx(expected)


def scrape(at, calls, refused=0, in_flight=0):
    """What a gateway says after so many calls."""
    metrics = Metrics()
    for _ in range(calls):
        metrics.answers.add(("Converse", "m", "allow", "allowed"), 0.02, 0.001)
    for _ in range(refused):
        metrics.answers.add(("Converse", "", "refuse", "model_unknown"), 0.02, 0.001)
    if calls:
        metrics.answers.add_tokens("m", TokenUsage(10 * calls, 0))
    metrics.in_flight.set(in_flight)
    return Scrape(at, parse(metrics.render().decode()))


def test_several_gateways_add_up():
    load = Load()
    add(load, scrape(0, 0), scrape(2, 10, refused=4, in_flight=3))
    add(load, scrape(0, 5), scrape(2, 11, in_flight=1))
    found = summary(load)
    assert found["calls_per_second"] == 10
    assert found["refusals_per_second"] == {"model_unknown": 2}
    assert found["models_per_second"] == {"m": 8, "(none)": 2}
    assert found["tokens_per_second"] == {"input": 80}
    assert found["in_flight"] == 4
    assert 10 < found["latency_p50_ms"] < found["latency_p99_ms"] <= 25


def test_a_restarted_gateway_begins_at_nought():
    load = Load()
    add(load, scrape(0, 100), scrape(1, 7))
    assert summary(load)["calls_per_second"] == 7


def test_the_first_look_has_no_rates():
    load = Load()
    add(load, None, scrape(0, 100, in_flight=2))
    found = summary(load)
    assert (found["calls_per_second"], found["latency_p50_ms"], found["in_flight"]) == (0, None, 2)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["top"], 2, "no gateway is named"),
        (["top", "localhost:8080"], 2, "not an http or https URL"),
        (["top", "http://127.0.0.1:1", "--format", "json"], 2, "goes with `--once`"),
        (["top", "https://127.0.0.1:1", "--ca-bundle", __file__], 2, "CA bundle"),
        (
            ["top", "http://127.0.0.1:1", "--once"],
            3,
            "`http://127.0.0.1:1` could not be reached: connection ref",
        ),
    ],
)
def test_what_cannot_be_shown_is_told(arguments, status, said, capsys, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", raising=False)
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""


def test_no_gateway_has_no_figures_in_json_either(capsys):
    assert main(["top", "http://127.0.0.1:1", "--once", "--format", "json"]) == 3
    assert json.loads(capsys.readouterr().out) == {"gateways": 1, "unanswered": 1}


class Other(BaseHTTPRequestHandler):
    """A server that is none of ours; `/nothing` it does not even have."""

    def do_GET(self):
        self.send_response(404 if self.path.startswith("/nothing") else 200)
        self.end_headers()
        self.wfile.write(b"python_info 1.0\n")

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("path", "tls", "said"),
    [
        ("", False, "is no Keepstone gateway"),
        ("/nothing", False, "could not be reached: it answered `404`"),
        ("", True, "its certificate is not trusted (self-signed certificate"),
    ],
)
def test_what_answers_but_not_as_it_should(path, tls, said, capsys, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        if tls:
            files = local_certificate(tmp_path, "127.0.0.1", b"", datetime.now(UTC))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(files.certificate, files.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}{path}"
            assert main(["top", url, "--once"]) == 3
        finally:
            server.shutdown()
            thread.join()
    err = capsys.readouterr().err
    assert said in err
    assert ("--ca-bundle" in err) == tls
