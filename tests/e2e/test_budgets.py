"""Limits of money, streams and calls on real gateways, alone and sharing a Valkey; clients are boto3."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.test_crash import until
from tests.e2e.workers import alive, workers_of
from tests.services.valkey import ValkeyServer, valkey

ASK = [{"role": "user", "content": [{"text": "Hello"}]}]


def policy(limits: str, rest: str = "") -> str:
    """A policy for the development model with these limits."""
    return f"""\
version: 1
organisation: {{name: Budgets}}
identities:
  roles:
    application: {{allow: [{{models: ["*"]}}]}}
upstreams:
  dev: {{kind: dev}}
  slow: {{kind: dev, behaviour: slow, delay: 400ms}}
models:
  - {{id: "keepstone.dear", upstreams: [dev]}}
  - {{id: "keepstone.slow", upstreams: [slow]}}
  - {{id: "keepstone.*", upstreams: [dev]}}
limits: [{limits}]
{rest}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Valkey of the test's own."""
    folder = tmp_path / "valkey"
    folder.mkdir()
    with valkey(folder) as running:
        yield running


def converse(gateway: GatewayProcess, model: str = "keepstone.echo", *, tokens: int = 10) -> str:
    """Make a call; the reason for which it was refused, empty when it was answered."""
    return asked(gateway.client(), model, tokens=tokens)


def asked(client: Any, model: str = "keepstone.echo", *, tokens: int = 10) -> str:
    """Make a call by a client that exists; clients are made one at a time."""
    try:
        client.converse(modelId=model, messages=ASK, inferenceConfig={"maxTokens": tokens})
    except client.exceptions.ClientError as error:
        return str(error.response["Error"]["Message"]).rpartition("keepstone: ")[2].rstrip(")")
    return ""


def a_stream_opens(client: Any, within: float) -> bool:
    """Wait until a limit on streams has room."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            client.converse_stream(modelId="keepstone.echo", messages=ASK)["stream"].close()
        except client.exceptions.ThrottlingException:
            time.sleep(0.1)
        else:
            return True
    return False


def metric(gateway: GatewayProcess, name: str) -> float:
    """The value of a metric, by its name with labels."""
    line = next((each for each in gateway.get("/metrics")[1].splitlines() if each.startswith(name + " ")), "")
    return float(line.rpartition(" ")[2] or 0)


def test_money_is_limited_recorded_and_counted(start: Start) -> None:
    price = '{model: "keepstone.dear", input: 1000, output: 1000, since: 2026-01-01}'
    limits = "{name: purse, scope: organisation, cost: 0.10, per: month, zone: Europe/Oslo, alert_at: [50]}"
    gateway = start(policy=policy(limits, f"prices: [{price}]"))
    assert converse(gateway, "keepstone.echo") == "price_unknown"
    spent = [converse(gateway, "keepstone.dear") for _ in range(20)]
    assert spent[0] == ""
    assert spent[-1] == "cost_limit_spent"
    records = [each for each in gateway.records() if each.get("cost")]
    assert len(records) == spent.count("")
    for record in records:
        used = record["tokens"]["input"] + record["tokens"]["output"]
        assert record["cost"] == {"billionths": used * 1_000_000, "currency": "USD"}
    total = sum(each["cost"]["billionths"] for each in records) / 1e9
    assert 0.05 < total <= 0.10
    counted = metric(gateway, 'keepstone_cost_total{currency="USD",model="keepstone.dear"}')
    assert counted == pytest.approx(total)
    alerts = [each["detail"] for each in gateway.records() if each.get("event") == "limit.reached"]
    assert [(each["limit"], each["unit"], each["percent"]) for each in alerts] == [("purse", "cost", "50")]
    assert metric(gateway, 'keepstone_limit_alerts_total{limit="purse",percent="50",unit="cost"}') == 1
    assert "limit `purse` of 0.1 USD per month in Europe/Oslo is used to 50 %" in gateway.log.read_text()
    assert gateway.verify().returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_spent_stays_spent_after_a_restart_and_a_kill(start: Start, workers: str) -> None:
    price = '{model: "keepstone.dear", input: 1000, output: 1000, since: 2026-01-01}'
    limits = "{name: purse, scope: organisation, cost: 0.10, per: month, zone: Europe/Oslo}"
    gateway = start("--workers", workers, policy=policy(limits, f"prices: [{price}]"))
    spent = [converse(gateway, "keepstone.dear") for _ in range(40)]
    assert spent[0] == ""
    assert spent[-1] == "cost_limit_spent"
    for end in (gateway.stop, gateway.kill):
        pids = workers_of(gateway) if workers != "1" else []
        end()
        until(lambda gone=pids: not any(map(alive, gone)), seconds=20)
        gateway.start()
        assert {converse(gateway, "keepstone.dear") for _ in range(8)} == {"cost_limit_spent"}
        assert "records count as spent" in gateway.log.read_text()
    pages = gateway.get("/metrics")[1]
    found = re.findall(r"^keepstone_limits_refilled_records\S* (\S+)$", pages, re.MULTILINE)
    assert len(found) == int(workers)
    assert min(map(float, found)) >= spent.count("")
    assert not re.search(r"^keepstone_limits_refill_incomplete\S* 1", pages, re.MULTILINE)


def test_a_policy_may_let_models_without_a_price_pass_and_counts_them(start: Start) -> None:
    limits = "{name: purse, cost: 1}"
    gateway = start(policy=policy(limits, "rates: {unpriced: allow}"))
    assert converse(gateway) == ""
    assert metric(gateway, "keepstone_unpriced_calls_total") == 1


def test_streams_at_once_are_limited_and_come_back(start: Start) -> None:
    gateway = start(policy=policy("{name: open, streams: 1}"))
    client = gateway.client()
    first = client.converse_stream(modelId="keepstone.slow", messages=ASK)
    with pytest.raises(client.exceptions.ThrottlingException, match="concurrency_limit_spent"):
        client.converse_stream(modelId="keepstone.slow", messages=ASK)
    assert converse(gateway) == ""  # no stream
    assert any("messageStop" in event for event in list(first["stream"]))
    for event in client.converse_stream(modelId="keepstone.echo", messages=ASK)["stream"]:
        assert "contentBlockDelta" in event or event


def test_a_stream_that_its_caller_leaves_is_given_back(start: Start) -> None:
    gateway = start(policy=policy("{name: open, streams: 1}"))
    client = gateway.client()
    client.converse_stream(modelId="keepstone.slow", messages=ASK)["stream"].close()
    assert a_stream_opens(client, 5)


def test_two_gateways_share_limits_through_valkey(start: Start, server: ValkeyServer) -> None:
    text = policy("{name: few, scope: organisation, window: 10m, requests: 10, streams: 1, alert_at: [80]}")
    both = [start(policy=text, name=name, extra={"KEEPSTONE_RATES": server.url}) for name in ("one", "two")]
    for gateway in both:
        assert metric(gateway, "keepstone_rates_connected") == 1
    held = both[0].client().converse_stream(modelId="keepstone.slow", messages=ASK)
    other = both[1].client()
    with pytest.raises(other.exceptions.ThrottlingException, match="concurrency_limit_spent"):
        other.converse_stream(modelId="keepstone.slow", messages=ASK)
    assert any("messageStop" in event for event in list(held["stream"]))
    clients = [each.client() for each in both]
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: asked(clients[number % 2]), range(30)))
    assert sorted(set(said)) == ["", "request_limit_spent"]
    assert said.count("") == 9  # and the stream
    alerts = [each for gateway in both for each in gateway.records() if each.get("event") == "limit.reached"]
    assert sorted(each["detail"]["unit"] for each in alerts) == ["requests", "streams"]


def test_workers_of_one_gateway_share_limits_through_valkey(start: Start, server: ValkeyServer) -> None:
    text = policy("{name: few, scope: organisation, window: 10m, requests: 12}")
    gateway = start("--workers", "2", policy=text, extra={"KEEPSTONE_RATES": server.url})
    clients = [gateway.client() for _ in range(6)]  # each has connections of its own, so both workers serve
    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(lambda number: asked(clients[number % 6]), range(60)))
    assert said.count("") == 12
    assert said.count("request_limit_spent") == 48


@pytest.mark.parametrize(
    ("setting", "while_gone"),
    [("refuse", {"rates_unavailable"}), ("allow", {""}), ("local", {"", "request_limit_spent"})],
)
def test_valkey_is_killed_and_comes_back_under_load(
    start: Start, server: ValkeyServer, setting: str, while_gone: set[str]
) -> None:
    limits = "{name: few, scope: organisation, window: 10m, requests: 40}"
    text = policy(limits, f"rates: {{when_unavailable: {setting}, local_share: 50}}")
    both = [start(policy=text, name=name, extra={"KEEPSTONE_RATES": server.url}) for name in ("one", "two")]
    clients = [each.client() for each in both]
    said = [asked(clients[number % 2]) for number in range(20)]
    assert said == [""] * 20
    server.kill()
    time.sleep(0.3)
    during = [asked(clients[number % 2]) for number in range(30)]
    assert set(during) == while_gone
    server.start()
    deadline = time.monotonic() + 15
    while not all(metric(gateway, "keepstone_rates_connected") == 1 for gateway in both):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    after = [asked(clients[number % 2]) for number in range(50)]
    passed = (said + during + after).count("")
    if setting == "allow":
        assert passed == 50  # all that came while nobody counted, which left nothing
    else:
        assert passed == 40  # the store came back empty, and yet not one too many
    gone = sum(metric(each, f'keepstone_rates_unavailable_total{{outcome="{setting}"}}') for each in both)
    assert gone >= 30


def test_a_killed_gateway_gives_its_streams_back(start: Start, server: ValkeyServer) -> None:
    text = policy("{name: open, scope: organisation, streams: 1}")
    extra = {"KEEPSTONE_RATES": server.url}
    one, two = [start(policy=text, name=name, extra=extra) for name in ("one", "two")]
    held = one.client().converse_stream(modelId="keepstone.slow", messages=ASK)
    one.kill()
    held["stream"].close()
    client = two.client()
    with pytest.raises(client.exceptions.ThrottlingException):
        client.converse_stream(modelId="keepstone.echo", messages=ASK)
    assert a_stream_opens(client, 25)


def test_a_password_in_the_url_is_never_shown(start: Start, server: ValkeyServer) -> None:
    server.command("CONFIG", "SET", "requirepass", "wrong-horse")
    url = server.url.replace("//", "//:battery-staple@")
    gateway = start(policy=policy("{name: few, requests: 5}"), extra={"KEEPSTONE_RATES": url})
    assert converse(gateway) == "rates_unavailable"
    assert "battery-staple" not in gateway.log.read_text() + gateway.get("/metrics")[1] + str(
        gateway.records()
    )
