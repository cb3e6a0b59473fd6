"""Exports notes of calls by OTLP over HTTP, with the conventions for generative AI; needs the extra `otel`.

The event loop only puts a note into a bounded queue. A thread turns notes into measurements and spans,
another one sends them. What does not fit is dropped and counted: telemetry never makes a call wait or fail.

Names: https://github.com/open-telemetry/semantic-conventions-genai (status: development).
"""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from keepstone import __version__
from keepstone.gateway.call import Call
from keepstone.gateway.telemetry.note import Note, note_of
from keepstone.gateway.trace_context import TRACEPARENT, Tracing, begin
from keepstone.policy.schema import upstreams as schema

MAX_NOTES = 8192
MAX_SPANS = 8192
BATCH = 512
DRAIN_S = 0.5
GOODBYE_S = 3.0
Told = Callable[[str, int], None]
Value = str | int | float | bool | Sequence[str]
LOG = logging.getLogger("keepstone.telemetry")

SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
TOKENS = tuple(float(4**power) for power in range(14))
HISTOGRAMS = {
    "gen_ai.client.token.usage": ("{token}", TOKENS),
    "gen_ai.client.operation.duration": ("s", SECONDS),
    "gen_ai.server.request.duration": ("s", SECONDS),
    "gen_ai.server.time_to_first_token": ("s", FIRST),
}


class Exporter:
    """The gateway's telemetry while it runs; `told` hears how many spans were exported, failed or dropped."""

    def __init__(self, told: Told, *, share: float = 1.0) -> None:
        self._told = told
        self._share = share
        self._notes: deque[Note] = deque()
        self._dropped = 0
        self._spans: deque[ReadableSpan] = deque()
        self._resource = Resource.create({"service.name": "keepstone", "service.version": __version__})
        self._scope = InstrumentationScope("keepstone", __version__)
        self._exporter = OTLPSpanExporter()
        self._sender = ThreadPoolExecutor(1, "keepstone-otlp")
        self._sending: Future[None] | None = None
        self._provider = _meter_provider(self._resource)
        meter = self._provider.get_meter("keepstone", __version__)
        self._histograms = {name: meter.create_histogram(name, unit=u) for name, (u, _) in HISTOGRAMS.items()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keepstone-telemetry", daemon=True)
        self._thread.start()

    # --- the event loop's side

    def begin(self, headers: Mapping[bytes, bytes]) -> Tracing:
        """Return the spans of a call that begins."""
        return begin(headers.get(TRACEPARENT, b""), self._share)

    def end(self, call: Call, tracing: Tracing, elapsed_ns: int) -> None:
        """Note a call that is answered."""
        if len(self._notes) < MAX_NOTES:
            self._notes.append(note_of(call, tracing, elapsed_ns))
        else:
            self._dropped += 1

    # --- the thread's side

    def _run(self) -> None:
        while not self._over.wait(DRAIN_S):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        dropped, self._dropped = self._dropped, 0
        for _ in range(len(self._notes)):
            try:
                self._take(self._notes.popleft())
            except Exception:  # the thread's outermost door: one call's telemetry is lost, no more
                LOG.exception("telemetry of a call is lost")
                dropped += 1
        while len(self._spans) > MAX_SPANS:
            self._spans.popleft()
            dropped += 1
        if dropped:
            self._told("dropped", dropped)
        if self._spans and (self._sending is None or self._sending.done()):
            self._sending = self._sender.submit(self._send)

    def _take(self, note: Note) -> None:
        if note.inference and note.upstream:
            self._measure(note)
        if note.tracing.sampled:
            self._spans.append(self._server_span(note))
            if note.forwarded_ns:
                self._spans.append(self._client_span(note))

    def _send(self) -> None:
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(BATCH, len(self._spans)))]
            try:
                sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
            except Exception as error:  # noqa: BLE001 - a library's fault costs this batch, nothing more
                LOG.error("spans could not be exported: `%s`", type(error).__name__)  # noqa: TRY400
                sent = False
            self._told("exported" if sent else "failed", len(batch))

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        self._over.set()
        self._thread.join(GOODBYE_S)
        if self._sending is not None:
            threading.Thread(target=self._sender.shutdown, daemon=True).start()
            try:
                self._sending.result(GOODBYE_S)
            except TimeoutError:
                LOG.warning("the collector does not answer; the last spans are lost")
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the library's
        self._provider.shutdown(timeout_millis=GOODBYE_S * 1000)

    # --- what they say

    def _measure(self, note: Note) -> None:
        labels = _labels(note, note.known_model)
        if _failed(note):
            labels["error.type"] = note.reason
        self._histograms["gen_ai.client.operation.duration"].record(note.upstream_ns / 1e9, labels)
        self._histograms["gen_ai.server.request.duration"].record(note.elapsed_ns / 1e9, labels)
        if note.first_ns:
            self._histograms["gen_ai.server.time_to_first_token"].record(note.first_ns / 1e9, labels)
        if not note.estimated:  # "otherwise it MUST NOT report"
            usage = self._histograms["gen_ai.client.token.usage"]
            for kind, tokens in (("input", note.input_tokens), ("output", note.output_tokens)):
                if tokens:
                    usage.record(tokens, {**labels, "gen_ai.token.type": kind})

    def _server_span(self, note: Note) -> ReadableSpan:
        attributes: dict[str, Value] = {
            "http.request.method": "POST",
            "http.response.status_code": note.status,
            "keepstone.request.id": note.id,
            "keepstone.operation": note.operation,
            "keepstone.outcome": note.outcome,
            "keepstone.reason": note.reason,
            "keepstone.stage": note.stage,
            "keepstone.policy": note.active.policy.hash,
        }
        if note.outcome == "refuse":
            attributes["error.type"] = note.reason
        return self._span(
            note.operation or "unknown",
            (note.tracing.span_id, note.tracing.parent_id),
            note,
            SpanKind.SERVER,
            attributes,
            failed=note.status >= 500,
            times=(0, note.elapsed_ns),
        )

    def _client_span(self, note: Note) -> ReadableSpan:
        attributes = _labels(note, note.model) | {
            "gen_ai.usage.input_tokens": note.input_tokens,
            "gen_ai.usage.output_tokens": note.output_tokens,
            "gen_ai.request.stream": note.streams,
            "keepstone.upstream": note.upstream,
            "keepstone.attempts": note.attempts,
            "keepstone.request.id": note.id,
            "keepstone.usage.estimated": note.estimated,
        }
        if note.cached_tokens:
            attributes["gen_ai.usage.cache_read.input_tokens"] = note.cached_tokens
        if note.first_ns:
            attributes["gen_ai.response.time_to_first_chunk"] = (note.first_ns - note.forwarded_ns) / 1e9
        if note.finish:
            attributes["gen_ai.response.finish_reasons"] = (note.finish,)
        if _failed(note):
            attributes["error.type"] = note.reason
        return self._span(
            f"{_kind(note)} {note.model}",
            (note.tracing.client_span_id, note.tracing.span_id),
            note,
            SpanKind.CLIENT,
            attributes,
            failed=_failed(note),
            times=(note.forwarded_ns, min(note.elapsed_ns, note.forwarded_ns + note.upstream_ns)),
        )

    def _span(  # noqa: PLR0913 - a span has that many parts
        self,
        name: str,
        ids: tuple[int, int],
        note: Note,
        kind: SpanKind,
        attributes: Mapping[str, Value],
        *,
        failed: bool,
        times: tuple[int, int],
    ) -> ReadableSpan:
        sampled = TraceFlags(TraceFlags.SAMPLED)
        trace_id, parent = note.tracing.trace_id, ids[1]
        return ReadableSpan(
            name,
            SpanContext(trace_id, ids[0], is_remote=False, trace_flags=sampled),
            SpanContext(trace_id, parent, is_remote=kind is SpanKind.SERVER, trace_flags=sampled)
            if parent
            else None,
            self._resource,
            attributes,
            kind=kind,
            status=Status(StatusCode.ERROR if failed else StatusCode.UNSET),
            start_time=note.wall_ns + times[0],
            end_time=note.wall_ns + times[1],
            instrumentation_scope=self._scope,
        )


def _meter_provider(resource: Resource) -> MeterProvider:
    views = [
        View(
            instrument_type=Histogram,
            instrument_name=name,
            aggregation=ExplicitBucketHistogramAggregation(bounds),
        )
        for name, (_, bounds) in HISTOGRAMS.items()
    ]
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    return MeterProvider([reader], resource, shutdown_on_exit=False, views=views)


def _labels(note: Note, model: str) -> dict[str, Value]:
    provider, address, port = _server(note.active.policy.document.upstreams[note.upstream])
    found: dict[str, Value] = {
        "gen_ai.operation.name": _kind(note),
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }
    if address:
        found |= {"server.address": address, "server.port": port}
    return found


def _kind(note: Note) -> str:
    return "embeddings" if "embed" in note.model else "chat"


def _failed(note: Note) -> bool:
    return note.outcome == "refuse" and note.stage == "forward"


def _server(config: schema.Upstream) -> tuple[str, str, int]:
    """Return an upstream's provider, host and port."""
    match config:
        case schema.BedrockUpstream():
            url = config.endpoint_url or f"https://bedrock-runtime.{config.region}.amazonaws.com"
            provider = "aws.bedrock"
        case schema.OpenAIUpstream():
            provider, url = "openai", config.base_url
        case _:
            return "keepstone.dev", "", 0
    parts = urlsplit(url)
    return provider, parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


def share_of(environ: Mapping[str, str] = os.environ) -> float:
    """Return which share of traces that begin here is sampled, as OpenTelemetry's variables say it."""
    if not environ.get("OTEL_TRACES_SAMPLER", "").endswith("traceidratio"):
        return 0.0 if environ.get("OTEL_TRACES_SAMPLER", "").endswith("always_off") else 1.0
    try:
        return min(1.0, max(0.0, float(environ.get("OTEL_TRACES_SAMPLER_ARG", "1"))))
    except ValueError:
        return 1.0
