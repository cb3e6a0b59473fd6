"""Refusals as bytes, and routes."""

from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.decision import Reason, ReasonCode
from keepstone.core.exchange import Operation
from keepstone.gateway.wire.errors import WIRE, render, stream_exception
from keepstone.gateway.wire.routes import Route, parse


@pytest.mark.parametrize(
    ("code", "name", "status"),
    [
        (ReasonCode.CREDENTIALS_EXPIRED, "ExpiredTokenException", 403),
        (ReasonCode.DENIED_BY_RULE, "AccessDeniedException", 403),
        (ReasonCode.MODEL_UNKNOWN, "ResourceNotFoundException", 404),
        (ReasonCode.TOKEN_LIMIT_SPENT, "ThrottlingException", 429),
        (ReasonCode.REQUEST_MALFORMED, "ValidationException", 400),
        (ReasonCode.UPSTREAM_TIMED_OUT, "ModelTimeoutException", 408),
        (ReasonCode.UPSTREAM_REFUSED, "ModelErrorException", 424),
        (ReasonCode.LEDGER_UNAVAILABLE, "ServiceUnavailableException", 503),
        (ReasonCode.INTERNAL, "InternalServerException", 500),
    ],
)
def test_reason_becomes(code, name, status) -> None:
    got_status, headers, body = render(Reason(code, "no"), "r-1", retry_after=None)
    found = dict(headers)
    assert (got_status, found[b"x-amzn-errortype"]) == (status, name.encode())
    assert found[b"x-amzn-requestid"] == b"r-1"
    assert found[b"x-keepstone-reason"] == code.value.encode()
    assert int(found[b"content-length"]) == len(body)
    assert b"retry-after" not in found
    assert msgspec.json.decode(body) == {"message": f"no (keepstone: {code.value})"}


def test_retry_after_is_whole_seconds_and_never_negative() -> None:
    reason = Reason(ReasonCode.REQUEST_LIMIT_SPENT, "no")
    assert dict(render(reason, "r", retry_after=7)[1])[b"retry-after"] == b"7"
    assert dict(render(reason, "r", retry_after=-1)[1])[b"retry-after"] == b"0"


def test_a_model_error_says_what_the_model_said() -> None:
    reason = Reason(ReasonCode.UPSTREAM_REFUSED, "no")
    body = msgspec.json.decode(render(reason, "r", original_status=503, resource="m")[2])
    assert (body["originalStatusCode"], body["resourceName"]) == (503, "m")
    name, payload = stream_exception(reason, original_status=503)
    assert name == "modelStreamErrorException"
    assert msgspec.json.decode(payload)["originalStatusCode"] == 503
    other = Reason(ReasonCode.OVERLOADED, "no")
    assert "originalStatusCode" not in msgspec.json.decode(render(other, "r", original_status=503)[2])


def test_errors_outside_the_streams_model_become_internal() -> None:
    assert WIRE[ReasonCode.DENIED_BY_RULE].event_type == "accessDeniedException"
    assert stream_exception(Reason(ReasonCode.DENIED_BY_RULE, "no"))[0] == "internalServerException"


ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.meta.llama3-1-8b-instruct-v1:0"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/model/m:0/converse", Route(Operation.CONVERSE, "m:0")),
        (b"/model/m%3A0/converse", Route(Operation.CONVERSE, "m:0")),
        (b"/model/m%3a0/converse-stream", Route(Operation.CONVERSE_STREAM, "m:0")),
        (b"/model/m/invoke", Route(Operation.INVOKE_MODEL, "m")),
        (b"/model/m/invoke-with-response-stream", Route(Operation.INVOKE_MODEL_STREAM, "m")),
        (b"/model/m/count-tokens", Route(Operation.COUNT_TOKENS, "m")),
        (f"/model/{ARN}/invoke".encode(), Route(Operation.INVOKE_MODEL, ARN)),
        (
            f"/model/{ARN.replace('/', '%2F').replace(':', '%3A')}/invoke".encode(),
            Route(Operation.INVOKE_MODEL, ARN),
        ),
        (b"/model/a%2541/invoke", Route(Operation.INVOKE_MODEL, "a%41")),
        (
            b"/guardrail/g1/version/DRAFT/apply",
            Route(Operation.APPLY_GUARDRAIL, guardrail_id="g1", guardrail_version="DRAFT"),
        ),
        (
            b"/guardrail/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aguardrail%2Fg/version/12/apply",
            Route(
                Operation.APPLY_GUARDRAIL,
                guardrail_id="arn:aws:bedrock:eu-west-1:123456789012:guardrail/g",
                guardrail_version="12",
            ),
        ),
    ],
)
def test_path_names(path, route) -> None:
    assert parse("POST", path) == route


@pytest.mark.parametrize(
    "path",
    [
        b"/model//invoke",
        b"/model/invoke",
        b"/model/m/invoke/",
        b"/model/m/other",
        b"/model/a%00/invoke",
        b"/model/a%0a/invoke",
        b"/model/a%E2%80%AEb/invoke",
        b"/model/%ff/invoke",
        b"/model/%zz/invoke",
        b"/model/%4/invoke",
        b"/model/a%/invoke",
        b"/model/../invoke",
        b"/model/a%2F..%2Fb/invoke",
        b"/model/" + b"a" * 2049 + b"/invoke",
        b"/guardrail/g/version/0/apply",
        b"/guardrail/g/version/draft/apply",
        b"/",
        b"",
    ],
)
def test_path_names_nothing(path) -> None:
    assert parse("POST", path) is None


def test_only_post() -> None:
    assert parse("GET", b"/model/m/invoke") is None


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=40))
def test_an_encoded_id_comes_back(model_id) -> None:
    route = parse("POST", f"/model/{quote(model_id, safe='')}/converse".encode())
    clean = all(part not in ("", ".", "..") for part in model_id.split("/"))
    assert (route.model_id if route else None) == (model_id if clean else None)


@given(st.binary(max_size=60))
def test_arbitrary_paths_raise_nothing(raw) -> None:
    route = parse("POST", b"/model/" + raw + b"/converse")
    if route is not None:
        assert route.operation is Operation.CONVERSE
        assert route.model_id.isprintable()
        assert not {"", ".", ".."} & set(route.model_id.split("/"))
