"""The outermost door: whatever fails behind it, the caller gets an answer, and nothing of why."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest

from keepstone.core.clock import SystemClock
from keepstone.gateway.app import Gateway
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.stages import Stores
from tests.unit.gateway.calls import active

SECRET = "kari.nordmann@example.org"


def fails(*_args, **_keywords):
    raise RuntimeError(SECRET)


class Broken:
    """A part of which every use fails."""

    failure = ""

    async def __call__(self, *_args):
        fails()

    identify = record = keep = fails


@pytest.fixture
def loop():
    with asyncio.Runner() as runner:
        yield runner


def gateway(loop, *, sign_in=None):
    async def made():
        stores = Stores(Broken(), Budget(), Metrics(), SystemClock())
        return Gateway(replace(active(), sign_in=sign_in), stores, Broken(), Broken())

    return loop.run(made())


def served(loop, app, method, path, headers=()):
    """Return status, headers and body of a request."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
    }
    loop.run(app(scope, receive, send))
    start, *rest = sent
    return start["status"], dict(start["headers"]), b"".join(each["body"] for each in rest)


def failures(app):
    return app._metrics.registry.get_sample_value("keepstone_page_failures_total")


def test_a_page_that_fails(loop):
    app = gateway(loop)
    assert served(loop, app, "GET", "/health/live")[0] == 200
    app.scrape = Broken()
    status, headers, body = served(loop, app, "GET", "/metrics")
    assert (status, int(headers[b"content-length"])) == (500, len(body))
    assert SECRET not in body.decode()
    assert failures(app) == 1


def test_a_session_that_fails(loop):
    app = gateway(loop, sign_in=SimpleNamespace())
    app.sessions = Broken()
    for method in ("GET", "POST"):
        assert served(loop, app, method, "/session")[0] == 500
    assert failures(app) == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/model/m/converse"), ("POST", "/v1/messages"), ("GET", "/foundation-models"), ("PUT", "/x")],
)
def test_a_call_that_fails_and_cannot_be_recorded(loop, method, path):
    app = gateway(loop)
    status, headers, body = served(loop, app, method, path, [(b"authorization", b"Bearer ks_a_b")])
    assert status == 500
    assert headers[b"x-keepstone-reason"] == b"internal"
    assert b"failed to serve this call" in body
    assert SECRET not in body.decode()
    assert failures(app) == 1


def test_a_page_that_fails_amid_its_answer_is_not_begun_again(loop):
    app = gateway(loop, sign_in=SimpleNamespace())

    async def half(_sign_in, _scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        fails()

    app.sessions = half
    assert served(loop, app, "GET", "/session") == (200, {}, b"")
    assert failures(app) == 1
