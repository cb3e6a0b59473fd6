import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import Operation, TokenUsage
from keepstone.gateway import answer
from keepstone.gateway.ports import UpstreamReply
from keepstone.guard.guardrail import Direction
from keepstone.policy.schema import guardrails as schema
from tests.unit.gateway.calls import admitted

CLAUDE, UNKNOWN = "anthropic.claude-v2:1", "maker.model-v1:0"
GUARD = {
    "default": schema.Guardrail(
        messages=schema.Messages(input="Not this question.", output="Not this answer.")
    )
}


def call_of(operation=Operation.CONVERSE, model=CLAUDE, **more):
    call = admitted(operation, model, guardrails=GUARD)
    for name, value in more.items():
        setattr(call, name, value)
    return call


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message":"too long"}', "too long"),
        (b'{"Message":"too long"}', "too long"),
        (b'{"error":{"message":"no such model"}}', "no such model"),
        (b'{"error":"text"}', "the upstream refused the request"),
        (b'{"message":7}', "the upstream refused the request"),
        (b'{"message":""}', "the upstream refused the request"),
        (b"[]", "the upstream refused the request"),
        (b"", "the upstream refused the request and did not say why"),
        (b"<html>", "the upstream refused the request and did not say why"),
        (b'{"message":"\xff"}', "the upstream refused the request and did not say why"),
        (b"[" * 100_000, "the upstream refused the request and did not say why"),
    ],
)
def test_the_sentence_of_a_refusal(body, message):
    assert answer.error_message(body) == message


@given(st.binary(max_size=40))
def test_no_error_body_is_too_strange(body):
    assert 0 < len(answer.error_message(body)) <= 2000


@pytest.mark.parametrize(
    ("name", "status", "told", "told_status"),
    [
        ("ModelNotReadyException", 429, "ModelNotReadyException", 429),
        ("ResourceNotFoundException", 404, "ResourceNotFoundException", 404),
        ("SomethingInternal", 418, "ValidationException", 400),
        ("", 404, "ValidationException", 400),
        ("Evil\r\nset-cookie: a", 400, "ValidationException", 400),
    ],
)
def test_an_upstreams_refusal_keeps_its_name_if_clients_know_it(name, status, told, told_status):
    found, headers, body = answer.upstream_error(call_of(), UpstreamReply(status, error_type=name), "no")
    assert found == told_status
    assert (b"x-amzn-errortype", told.encode()) in headers
    assert msgspec.json.decode(body) == {"message": "no"}


def test_headers_name_the_call_and_keep_only_what_is_known():
    call = call_of()
    reply = UpstreamReply(200, {"x-amzn-bedrock-input-token-count": "3", "set-cookie": "a=b", "server": "x"})
    assert answer.headers(call, reply) == [
        (b"content-type", b"application/json"),
        (b"x-amzn-requestid", call.id.encode()),
        (b"x-keepstone-outcome", b"allow"),
        (b"x-amzn-bedrock-input-token-count", b"3"),
    ]


@pytest.mark.parametrize(
    ("operation", "named"), [(Operation.CONVERSE_STREAM, False), (Operation.INVOKE_MODEL_STREAM, True)]
)
def test_only_invokemodels_streams_name_the_type_of_their_chunks(operation, named):
    headers = dict(answer.stream_headers(call_of(operation), UpstreamReply(200)))
    assert headers[b"content-type"] == b"application/vnd.amazon.eventstream"
    assert (b"x-amzn-bedrock-content-type" in headers) == named


INPUT = Decision.refuse(ReasonCode.INPUT_BLOCKED, "no")
OUTPUT = Decision.refuse(ReasonCode.OUTPUT_BLOCKED, "no")
OTHER = Decision.refuse(ReasonCode.NO_RULE_ALLOWS, "no")


@pytest.mark.parametrize(
    ("operation", "model", "decision", "speaks"),
    [
        (Operation.CONVERSE, CLAUDE, INPUT, True),
        (Operation.CONVERSE, CLAUDE, OTHER, False),
        (Operation.INVOKE_MODEL, CLAUDE, OUTPUT, True),
        (Operation.INVOKE_MODEL, UNKNOWN, OUTPUT, False),
        (Operation.COUNT_TOKENS, CLAUDE, INPUT, False),
    ],
)
def test_a_guardrail_speaks_in_the_answer_where_the_answer_has_words(operation, model, decision, speaks):
    status, _, _ = answer.refusal(call_of(operation, model), decision)
    assert (status == 200) == speaks


@pytest.mark.parametrize(
    ("decision", "message"), [(INPUT, b"Not this question."), (OUTPUT, b"Not this answer.")]
)
def test_a_blocked_answer_is_in_the_guardrails_words(decision, message):
    status, headers, body = answer.refusal(call_of(), decision)
    assert (status, message in body) == (200, True)
    assert (b"x-keepstone-reason", decision.reason.code.value.encode()) in headers
    assert msgspec.json.decode(body)["stopReason"] == "guardrail_intervened"
    assert b"trace" not in body
    _, headers, frames = answer.refusal(call_of(Operation.CONVERSE_STREAM), decision)
    assert message in frames
    assert dict(headers)[b"content-type"] == b"application/vnd.amazon.eventstream"


def test_a_trace_is_shaped_as_bedrock_shapes_it():
    one, two = {"a": 1}, {"b": 2}
    into, out = Direction.INPUT, Direction.OUTPUT
    noted = [(into, "g", one), (out, "g", one), (out, "g", two), (out, "h", two)]
    assert answer.trace(call_of(assessments=noted)) == {
        "inputAssessment": {"g": one},
        "outputAssessments": {"g": [one, two], "h": [two]},
    }
    assert answer.trace(call_of()) == {}


_counts = st.builds(TokenUsage, *[st.integers(0, 9)] * 4)


@given(_counts, _counts)
def test_merging_counts_never_counts_less_and_in_no_order(one, two):
    both = answer.merged(one, two)
    assert both == answer.merged(two, one) == answer.merged(both, one)
    assert both.total >= max(one.total, two.total)


def test_what_is_not_counted_is_estimated_and_says_so():
    call = call_of(body=b"a" * 40)
    assert answer.estimated(call, UpstreamReply(200, body=b"b" * 20)) == TokenUsage(10, 5, estimated=True)
    assert answer.estimated_stream(call, 8) == TokenUsage(10, 2, estimated=True)
