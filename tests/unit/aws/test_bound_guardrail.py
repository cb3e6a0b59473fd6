"""Every call that asks a model goes with the guardrail; a caller cannot bring another one."""

import json

import pytest

from keepstone.aws.bound_guardrail import BoundGuardrail
from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway.ports import UpstreamRequest
from keepstone.gateway.wire.slots import encode_document

ARN = "arn:aws:bedrock:us-east-1:123456789012:guardrail/gr1"
BOUND = BoundGuardrail("gr1", "3")
CONFIG = {"guardrailIdentifier": "gr1", "guardrailVersion": "3"}
IN_HEADERS = [("x-amzn-bedrock-guardrailidentifier", "gr1"), ("x-amzn-bedrock-guardrailversion", "3")]


def put(operation, document, headers=(), bound=BOUND):
    request = UpstreamRequest(operation, "m", encode_document(document), document, tuple(headers))
    return bound.put_in(request)


@pytest.mark.parametrize("operation", [Operation.CONVERSE, Operation.CONVERSE_STREAM])
@pytest.mark.parametrize(
    ("document", "more"),
    [
        ({}, {}),
        ({"messages": [{"role": "user", "content": [{"text": "guardrailConfig } \u00e9"}]}]}, {}),
        ({"guardrailConfig": {"guardrailIdentifier": "gr1", "guardrailVersion": "1"}, "a": 1}, {}),
        ({"guardrailConfig": {"guardrailIdentifier": ARN, "trace": "enabled"}}, {"trace": "enabled"}),
        ({"guardrailConfig": None}, {}),
    ],
)
def test_converse_has_it_in_its_body(operation, document, more) -> None:
    sent = put(operation, document)
    assert json.loads(sent.body) == document | {"guardrailConfig": CONFIG | more}
    assert sent.body.count(b'"guardrailConfig":') == 1


@pytest.mark.parametrize("operation", [Operation.INVOKE_MODEL, Operation.INVOKE_MODEL_STREAM])
@pytest.mark.parametrize(
    "given",
    [
        [],
        [("x-amzn-bedrock-trace", "ENABLED"), ("traceparent", "00-1")],
        [("x-amzn-bedrock-guardrailidentifier", ARN), ("x-amzn-bedrock-guardrailversion", "DRAFT")],
    ],
)
def test_invoke_model_has_it_in_headers(operation, given) -> None:
    sent = put(operation, {"prompt": "hi"}, given)
    others = [each for each in given if "guardrail" not in each[0]]
    assert list(sent.headers) == [*others, *IN_HEADERS]
    assert sent.body == b'{"prompt":"hi"}'


def test_counting_tokens_has_none() -> None:
    sent = put(Operation.COUNT_TOKENS, {"input": {}})
    assert (sent.body, sent.headers) == (b'{"input":{}}', ())


@pytest.mark.parametrize(
    ("operation", "document", "headers"),
    [
        (Operation.CONVERSE, {"guardrailConfig": {"guardrailIdentifier": "weaker"}}, ()),
        (Operation.INVOKE_MODEL, {}, [("x-amzn-bedrock-guardrailidentifier", "weaker")]),
    ],
)
def test_another_one_is_refused(operation, document, headers) -> None:
    with pytest.raises(UpstreamError, match="the caller asks for another one") as refused:
        put(operation, document, headers)
    assert refused.value.code == "upstream.guardrail"


def test_bound_by_its_arn() -> None:
    sent = put(
        Operation.CONVERSE,
        {"guardrailConfig": {"guardrailIdentifier": "gr1"}},
        bound=BoundGuardrail(ARN, "1"),
    )
    assert json.loads(sent.body)["guardrailConfig"] == {"guardrailIdentifier": ARN, "guardrailVersion": "1"}
