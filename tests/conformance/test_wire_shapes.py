"""What we put on the wire is what bedrock-runtime's service model and botocore's parsers expect."""

import botocore.session
import pytest
from botocore.eventstream import EventStream
from botocore.exceptions import EventStreamError
from botocore.parsers import EventStreamJSONParser, create_parser
from botocore.validate import ParamValidator

from keepstone.core.decision import Reason, ReasonCode
from keepstone.core.exchange import LISTINGS, Operation, TokenUsage
from keepstone.gateway.wire import converse, errors, listings
from keepstone.gateway.wire.converse_blocks import MESSAGE_BLOCKS, SYSTEM_BLOCKS
from keepstone.gateway.wire.deltas import wrap_chunk
from keepstone.gateway.wire.eventstream import encode_event, encode_exception
from keepstone.gateway.wire.families import FAMILIES
from keepstone.gateway.wire.routes import parse
from keepstone.gateway.wire.slots import encode_document
from keepstone.gateway.wire.unserved import WHY, unserved

MODEL = botocore.session.get_session().get_service_model("bedrock-runtime")
USED = TokenUsage(3, 4, 5, 6)


def shape(operation: Operation, direction: str = "output"):
    return getattr(MODEL.operation_model(operation.value), f"{direction}_shape")


def is_valid(document, wanted) -> bool:
    return not ParamValidator().validate(document, wanted).has_errors()


def test_every_reason_code_has_an_exception() -> None:
    assert set(errors.WIRE) == set(ReasonCode)


def test_names_and_statuses_are_the_models() -> None:
    modelled = {each.name: each.metadata["error"]["httpStatusCode"] for each in MODEL.error_shapes}
    assert {name: errors.ERRORS[name].status for name in modelled} == modelled


@pytest.mark.parametrize("code", ReasonCode)
def test_botocore_reads_a_refusal(code: ReasonCode) -> None:
    status, headers, body = errors.render(Reason(code, "no"), "r-1", retry_after=3)
    answer = {
        "status_code": status,
        "headers": {name.decode(): value.decode() for name, value in headers},
        "body": body,
    }
    parsed = create_parser("rest-json").parse(answer, shape(Operation.CONVERSE))
    assert parsed["Error"] == {"Code": errors.WIRE[code].name, "Message": f"no (keepstone: {code.value})"}
    assert parsed["ResponseMetadata"]["RequestId"] == "r-1"
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("code", ReasonCode)
@pytest.mark.parametrize("operation", [Operation.CONVERSE_STREAM, Operation.INVOKE_MODEL_STREAM])
def test_botocore_reads_a_refusal_inside_a_stream(code: ReasonCode, operation: Operation) -> None:
    name, payload = errors.stream_exception(Reason(code, "no"))
    assert name in stream(operation).members
    with pytest.raises(EventStreamError) as caught:
        list(parsed_events(encode_exception(name, payload), operation))
    assert caught.value.response["Error"]["Code"] == name
    assert caught.value.response["Error"]["Message"] == f"no (keepstone: {code.value})"


def stream(operation: Operation):
    return shape(operation).members["stream" if operation is Operation.CONVERSE_STREAM else "body"]


class Body:
    """Bytes as botocore's HTTP layer hands them over."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def stream(self):
        """Yield the bytes in pieces that fit no frame."""
        yield from (self.raw[start : start + 11] for start in range(0, len(self.raw), 11))


def parsed_events(raw: bytes, operation: Operation):
    return EventStream(Body(raw), stream(operation), EventStreamJSONParser(), operation.value)


def test_a_blocked_answer_is_a_converse_answer() -> None:
    answer = converse.blocked_response("no", USED, latency_ms=1, trace={"guardrail": {"modelOutput": ["x"]}})
    assert is_valid(answer, shape(Operation.CONVERSE))
    assert answer["stopReason"] in shape(Operation.CONVERSE).members["stopReason"].enum
    assert converse.usage(answer) == USED


@pytest.mark.parametrize(
    "state", [{}, {"started": True}, {"started": True, "open_block": 1, "next_block": 2}]
)
def test_a_blocked_stream_is_a_converse_stream(state) -> None:
    events = converse.blocked_stream_events("no", USED, **state)
    raw = b"".join(encode_event(name, encode_document(document)) for name, document in events)
    parsed = list(parsed_events(raw, Operation.CONVERSE_STREAM))
    assert parsed == [{name: document} for name, document in events]
    for name, document in events:
        assert is_valid(document, stream(Operation.CONVERSE_STREAM).members[name])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_chunks_are_read_by_botocore(family) -> None:
    documents = family.blocked_stream("no")
    raw = b"".join(encode_event("chunk", wrap_chunk(document)) for document in documents)
    parsed = list(parsed_events(raw, Operation.INVOKE_MODEL_STREAM))
    assert [each["chunk"]["bytes"] for each in parsed] == [
        encode_document(document) for document in documents
    ]


def test_nova_speaks_converse() -> None:
    nova = next(family for family in FAMILIES if family.name == "nova")
    for document in nova.blocked_stream("no")[:-1]:
        ((name, event),) = document.items()
        assert is_valid(event, stream(Operation.CONVERSE_STREAM).members[name])


def test_every_member_of_a_request_is_listed() -> None:
    members = set(shape(Operation.CONVERSE, "input").members) - {"modelId"}
    assert members == set(converse.REQUEST)
    assert set(shape(Operation.CONVERSE).members) == set(converse.RESPONSE)


def test_every_block_is_listed() -> None:
    request = shape(Operation.CONVERSE, "input").members
    message = request["messages"].member.members["content"].member
    by_tree = {"toolAddition", "toolRemoval"}  # they hold no text of a caller's: inspected as unknown
    assert set(message.members) == set(MESSAGE_BLOCKS) | by_tree
    assert set(request["system"].member.members) == set(SYSTEM_BLOCKS)


@pytest.mark.parametrize("operation", sorted(LISTINGS))
def test_every_listing_has_its_route(operation: Operation) -> None:
    service = botocore.session.get_session().get_service_model("bedrock")
    http = service.operation_model(operation.value).http
    path = http["requestUri"].format(modelIdentifier="m%3A0", inferenceProfileIdentifier="p")
    asked = listings.parse(path.encode(), b"", {})
    assert asked is not None
    assert asked.operation is operation


@pytest.mark.parametrize("operation", sorted(WHY))
def test_every_operation_that_is_not_served_is_known(operation: str) -> None:
    http = MODEL.operation_model(operation).http
    path = http["requestUri"].format(modelId="m%3A0", invocationArn="arn%3Aaws")
    assert unserved(http["method"], path.encode()) == operation


def test_every_operation_of_the_service_is_served_or_refused_with_a_reason() -> None:
    others = {"InvokeGuardrailChecks"}
    assert set(MODEL.operation_names) - others == (set(Operation) - LISTINGS) | set(WHY)


@pytest.mark.parametrize("operation", sorted(set(Operation) - LISTINGS))
def test_every_operation_has_its_route(operation: Operation) -> None:
    http = MODEL.operation_model(operation.value).http
    path = http["requestUri"].format(modelId="m%3A0", guardrailIdentifier="g", guardrailVersion="1")
    route = parse(http["method"], path.encode())
    assert route is not None
    assert route.operation is operation
