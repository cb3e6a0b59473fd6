"""Traces and metrics as a collector receives them, and a gateway that does not mind when there is none."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics as metric_names

from tests.e2e.conftest import Start
from tests.e2e.conversation import EMAIL
from tests.e2e.test_crash import until
from tests.e2e.workers import BODY, PATH, calling
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.otlp import OtlpCollector, values

pytestmark = pytest.mark.xdist_group("e2e-telemetry")
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    """A collector."""
    with OtlpCollector() as running:
        yield running


def to(collector: OtlpCollector) -> dict[str, str]:
    """What a user exports."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_METRIC_EXPORT_INTERVAL": "500"}


def test_a_call_is_one_trace_by_the_conventions(
    start: Start, bedrock: BedrockSimulator, collector: OtlpCollector
) -> None:
    gateway = start("--plain-http", extra=to(collector))
    head = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    status, answered, _ = gateway.post(f"/model/{MODEL}/converse", BODY, head)
    assert status == 200
    assert gateway.post(f"/model/us.{MODEL}/converse-stream", BODY)[0] == 200
    assert gateway.post("/model/nobody.knows/converse", BODY, head)[0] == 404
    assert gateway.post(PATH, BODY.replace(b"hello", EMAIL.encode()))[0] == 200
    until(lambda: len(collector.spans) == 7)
    spans = [span for span in collector.spans if span.trace_id.hex() == TRACE]
    server, refused = sorted(
        (span for span in spans if span.kind == Span.SPAN_KIND_SERVER),
        key=lambda each: each.start_time_unix_nano,
    )
    (client,) = [span for span in spans if span.kind == Span.SPAN_KIND_CLIENT]
    assert server.parent_span_id.hex() == PARENT
    assert client.parent_span_id == server.span_id
    assert client.name == f"chat {MODEL}"
    assert server.start_time_unix_nano <= client.start_time_unix_nano
    assert client.end_time_unix_nano <= server.end_time_unix_nano
    said = values(client.attributes)
    assert said[names.GEN_AI_OPERATION_NAME] == "chat"
    assert said[names.GEN_AI_PROVIDER_NAME] == "aws.bedrock"
    assert said[names.GEN_AI_REQUEST_MODEL] == MODEL
    assert said[names.GEN_AI_RESPONSE_FINISH_REASONS] == ["end_turn"]
    assert said[names.GEN_AI_USAGE_INPUT_TOKENS] > 0
    assert said[names.GEN_AI_USAGE_OUTPUT_TOKENS] > 0
    assert said[names.GEN_AI_REQUEST_STREAM] is False
    assert said["server.address"] == "127.0.0.1"
    assert values(server.attributes)["keepstone.request.id"] == answered["x-amzn-requestid"]
    assert values(refused.attributes)["error.type"] == "model_unknown"
    (stream,) = [span for span in collector.spans if span.name == f"chat us.{MODEL}"]
    assert values(stream.attributes)[names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] > 0
    assert dict(bedrock.requests[0].headers)["traceparent"] == f"00-{TRACE}-{client.span_id.hex()}-01"

    until(lambda: metric_names.GEN_AI_CLIENT_TOKEN_USAGE in collector.histograms)
    gateway.stop()
    found = collector.histograms
    usage = [
        point
        for point in found[metric_names.GEN_AI_CLIENT_TOKEN_USAGE]
        if point[names.GEN_AI_PROVIDER_NAME] == "aws.bedrock"
    ]
    assert {point[names.GEN_AI_TOKEN_TYPE] for point in usage} == {"input", "output"}
    assert usage[0]["unit"] == "{token}"
    assert usage[0]["bounds"][:3] == [1, 4, 16]
    assert sum(point["count"] for point in found[metric_names.GEN_AI_SERVER_REQUEST_DURATION]) == 3
    assert sum(point["count"] for point in found[metric_names.GEN_AI_CLIENT_OPERATION_DURATION]) == 3
    assert sum(point["count"] for point in found[metric_names.GEN_AI_SERVER_TIME_TO_FIRST_TOKEN]) == 1
    told = b"".join(collector.raw)
    for secret in (b"hello", EMAIL.encode(), b"You said", gateway.first_key.encode(), b"first-key"):
        assert secret not in told, "neither content nor callers"


def test_a_failing_upstream_is_an_error(
    start: Start, bedrock: BedrockSimulator, collector: OtlpCollector
) -> None:
    gateway = start("--plain-http", extra=to(collector))
    gateway.policy.write_text(
        gateway.policy.read_text().replace(
            '"keepstone.*", upstreams: [dev]', '"keepstone.*", upstreams: [failing]'
        )
    )
    until(lambda: gateway.post(PATH, BODY)[0] >= 400, seconds=3)
    until(lambda: any(span.status.code == Status.STATUS_CODE_ERROR for span in collector.spans))
    failed = [span for span in collector.spans if span.status.code == Status.STATUS_CODE_ERROR]
    assert {values(span.attributes)["error.type"] for span in failed} == {"upstream_unavailable"}


def test_a_collector_in_trouble_costs_no_call(start: Start, collector: OtlpCollector) -> None:
    collector.status = 503
    gateway = start(
        "--plain-http", "--workers", "2", extra=to(collector) | {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    )
    with calling(gateway, 4) as callers:
        until(lambda: len(callers.answered) > 200)
        time.sleep(1.5)
    assert not callers.failures
    assert set(callers.answered.values()) == {200}
    until(lambda: 'keepstone_telemetry_spans_total{outcome="failed"}' in gateway.get("/metrics")[1], 15)
    assert gateway.stop() == 0
    assert callers.answered.keys() <= {each["id"] for each in gateway.records()}


def test_off_means_not_even_imported() -> None:
    modules = "[each for each in sys.modules if 'opentelemetry' in each]"
    code = f"import sys, keepstone.wiring.service, keepstone.cli.server; print({modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
