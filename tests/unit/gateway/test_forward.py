import asyncio
from time import perf_counter_ns as now

import pytest

from keepstone.core.decision import ReasonCode
from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway import forward as forwarding
from keepstone.gateway.forward import AGAIN, OUR_FAULT, Failure, Forwarder
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.ports import UpstreamReply, UpstreamRequest
from keepstone.gateway.wire.eventstream import WireEvent
from tests.unit.gateway.calls import active, admitted

MODEL = "anthropic.claude-v2:1"
STARTED = WireEvent("event", "messageStart", b"{}")
STOPPED = WireEvent("event", "messageStop", b"{}")
THROTTLED = WireEvent("exception", "throttlingException", b"{}")
LATE = UpstreamError("silent", code="upstream.timeout", retryable=True)
CUT = UpstreamError("cut", code="upstream.closed")
UNREADABLE = b"not JSON"


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr(forwarding, "PAUSE_S", 0.0)


class Upstream:
    """Gives its answers one after the other, the last one again and again; a list is a stream."""

    def __init__(self, name, *answers, attempts=2, supports=True):
        self.name, self.attempts = name, attempts
        self._answers, self._supports = answers, supports
        self.asked = []
        self.streams = []

    def supports(self, operation):
        return self._supports

    async def send(self, request):
        answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, list):
            self.streams.append(Stream(answer))
            return UpstreamReply(200, events=self.streams[-1])
        return UpstreamReply(answer) if isinstance(answer, int) else UpstreamReply(200, body=answer)


class Stream:
    """Events, or errors in their place; remembers whether it was given up."""

    def __init__(self, events):
        self._events = iter(events)
        self.closed = self.over = False

    def __aiter__(self):
        return self

    async def __anext__(self):
        event = next(self._events, None)
        self.over = event is None or isinstance(event, Exception)
        if event is None:
            raise StopAsyncIteration
        if isinstance(event, Exception):
            raise event
        return event

    async def aclose(self):
        self.closed = True


def readable(reply):
    if reply.body == UNREADABLE:
        raise UpstreamError("not JSON", code="upstream.malformed")


def ask(*upstreams, operation=Operation.CONVERSE):
    """Return the outcome, the call and the metrics of one forwarded call."""
    missing = {"a", "b", "c"} - {each.name for each in upstreams}
    unused = [Upstream(name, supports=False) for name in missing]
    call = admitted(operation, MODEL, active(upstreams=[*upstreams, *unused]))
    metrics = Metrics()
    request = UpstreamRequest(operation, MODEL, b"{}", {}, (("x-amzn-bedrock-trace", "ENABLED"),))
    outcome = asyncio.run(Forwarder(metrics, now, readable).forward(call, request, now()))
    return outcome, call, metrics.registry.get_sample_value


def failures(sample):
    """Return how many failed attempts at `a` were counted, whatever the cause."""
    codes = ["upstream.timeout", "upstream.closed", "upstream.malformed", "wire.malformed", "upstream.stream"]
    codes += [f"status_{status}" for status in range(300, 600)]
    counts = [sample("keepstone_upstream_failures_total", {"upstream": "a", "code": code}) for code in codes]
    return sum(count for count in counts if count)


def test_the_first_upstream_that_answers_is_the_only_one_asked():
    a, b = Upstream("a", b"{}"), Upstream("b", b"{}")
    outcome, call, sample = ask(a, b)
    assert outcome.body == b"{}"
    assert (len(a.asked), len(b.asked), call.upstream, call.attempts) == (1, 0, "a", 1)
    assert sample("keepstone_failovers_total") == 0


def test_the_next_one_takes_over_under_its_own_name_for_the_model():
    a, b = Upstream("a", LATE, attempts=3), Upstream("b", b"{}")
    outcome, call, sample = ask(a, b)
    assert outcome.status == 200
    assert (len(a.asked), call.upstream, call.upstream_model, call.attempts) == (3, "b", "other-name", 4)
    assert [each.model_id for each in (a.asked[0], b.asked[0])] == [MODEL, "other-name"]
    assert b.asked[0].headers == (("x-amzn-bedrock-trace", "ENABLED"),)
    assert sample("keepstone_failovers_total") == 1
    labels = {"upstream": "a", "code": "upstream.timeout"}
    assert sample("keepstone_upstream_failures_total", labels) == 3


ANSWERS = {
    "late": (LATE, 2, True),
    "cut": (CUT, 1, True),
    "unreadable": (UNREADABLE, 1, True),
    "malformed": (UpstreamError("m", code="wire.malformed"), 1, True),
    **{f"status {status}": (status, 2, True) for status in sorted(AGAIN - {429})},
    "status 429, which another upstream can take at once": (429, 1, True),
    **{f"status {status}": (status, 1, True) for status in sorted(OUR_FAULT)},
    **{f"status {status}": (status, 1, True) for status in (301, 304)},
    **{f"status {status}": (status, 1, False) for status in (400, 404, 413, 424)},
    "an empty stream": ([], 1, True),
    "a stream that begins with an exception": ([THROTTLED], 2, True),
    "a stream that is cut at once": ([CUT], 1, True),
}


@pytest.mark.parametrize(("answer", "attempts", "failed_over"), ANSWERS.values(), ids=ANSWERS)
def test_what_is_tried_again_what_fails_over_and_what_is_passed_on(answer, attempts, failed_over):
    a, b = Upstream("a", answer), Upstream("b", b"{}")
    outcome, _, sample = ask(a, b)
    assert (len(a.asked), len(b.asked)) == (attempts, int(failed_over))
    assert outcome.status == (200 if failed_over else answer)
    assert all(each.closed or each.over for each in a.streams)
    assert failures(sample) == attempts


def test_a_second_attempt_can_succeed():
    outcome, call, sample = ask(Upstream("a", 503, b"{}"))
    assert (outcome.status, call.attempts) == (200, 2)
    assert sample("keepstone_failovers_total") == 0


FAILURES = {
    "late": (LATE, ReasonCode.UPSTREAM_TIMED_OUT, None, "upstream `a`: silent"),
    "cut": (CUT, ReasonCode.UPSTREAM_UNAVAILABLE, None, "upstream `a`: cut"),
    "unreadable": (UNREADABLE, ReasonCode.UPSTREAM_MALFORMED, None, "upstream `a`: not JSON"),
    "busy": (429, ReasonCode.UPSTREAM_THROTTLED, 429, "upstream `a` throttles calls"),
    "down": (503, ReasonCode.UPSTREAM_UNAVAILABLE, 503, "upstream `a` answered with status 503"),
    "moved": (302, ReasonCode.UPSTREAM_MALFORMED, 302, "upstream `a` answered with status 302"),
    "our credentials": (
        403,
        ReasonCode.UPSTREAM_REFUSED,
        403,
        "upstream `a` does not accept the gateway's credentials",
    ),
}


@pytest.mark.parametrize(("answer", "code", "status", "message"), FAILURES.values(), ids=FAILURES)
def test_when_nobody_answers_the_last_failure_says_why(answer, code, status, message):
    outcome, call, _ = ask(Upstream("a", answer))
    assert isinstance(outcome, Failure)
    assert (outcome.decision.reason.code, outcome.status) == (code, status)
    assert outcome.decision.reason.message == message
    assert call.upstream == "a"


def test_an_upstream_that_does_not_serve_the_operation_is_passed_over():
    outcome, call, _ = ask(Upstream("a", supports=False), Upstream("b", b"{}"))
    assert (outcome.status, call.upstream, call.attempts) == (200, "b", 1)
    outcome, call, _ = ask()
    assert outcome.decision.reason.code is ReasonCode.OPERATION_UNSUPPORTED_BY_UPSTREAM
    assert (call.upstream, call.attempts) == ("", 0)


def test_what_an_upstream_failed_with_outlives_one_that_does_not_serve_the_operation():
    outcome, _, _ = ask(Upstream("a", LATE), Upstream("b", supports=False))
    assert outcome.decision.reason.code is ReasonCode.UPSTREAM_TIMED_OUT


def test_a_stream_that_began_is_handed_on_whole_with_its_errors():
    a = Upstream("a", [STARTED, STOPPED, CUT])
    outcome, _, _ = ask(a, operation=Operation.CONVERSE_STREAM)

    async def seen():
        return [await anext(outcome.events), await anext(outcome.events), await anext(outcome.events)]

    with pytest.raises(UpstreamError, match="cut"):
        asyncio.run(seen())


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_stream_that_is_given_up_is_given_up_at_its_source(taken):
    a = Upstream("a", [STARTED, STOPPED, STOPPED])
    outcome, _, _ = ask(a, operation=Operation.CONVERSE_STREAM)

    async def take():
        seen = [(await anext(outcome.events)).type for _ in range(taken)]
        await outcome.events.aclose()
        return seen

    assert asyncio.run(take()) == ["messageStart", "messageStop"][:taken]
    assert a.streams[0].closed
