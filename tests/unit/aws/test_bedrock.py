import asyncio
from contextlib import asynccontextmanager
from urllib.parse import unquote

import botocore.loaders
import botocore.model
import botocore.serialize
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.aws.bedrock import ACTIONS as SERVED
from keepstone.aws.bedrock import BearerToken, BedrockRuntime, _path, endpoint
from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway.inspection import FORWARDED
from keepstone.gateway.ports import UpstreamRequest
from keepstone.gateway.upstreams.http import Origin, encode_request
from keepstone.gateway.wire.eventstream import encode_event, encode_exception
from tests.unit.gateway.scripted import CHUNKED, CLOSE, serving, until

MODELS = [
    "anthropic.claude-3-haiku-20240307-v1:0",
    "us.amazon.nova-lite-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-v2:1",
    "a model~with_odd.marks-(and)%41*\u00e9",
]
ACTIONS = [
    (Operation.CONVERSE, {}),
    (Operation.CONVERSE_STREAM, {}),
    (Operation.INVOKE_MODEL, {"body": b"{}"}),
    (Operation.INVOKE_MODEL_STREAM, {"body": b"{}"}),
    (Operation.COUNT_TOKENS, {"input": {"converse": {}}}),
]
OK = b"HTTP/1.1 200 OK\r\nx-amzn-bedrock-input-token-count: 3\r\ncontent-length: 2\r\n\r\n{}"
EVENT = encode_event("messageStart", b'{"role":"assistant"}')


@pytest.fixture(scope="module")
def service():
    """The operations of Bedrock Runtime as botocore describes them."""
    model = botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    return botocore.model.ServiceModel(model)


@asynccontextmanager
async def upstream(*answers, authorizer=None):
    """Yield Bedrock Runtime at a scripted server, and that server."""
    async with serving(answers) as server:
        origin = Origin(f"{server.url}/base/", timeout=1.0)
        runtime = BedrockRuntime("here", 1, origin, authorizer or BearerToken(lambda: "fake-token"))
        yield runtime, server
        await runtime.close()


def asked(operation=Operation.CONVERSE, model=MODELS[0], headers=()):
    return UpstreamRequest(operation, model, b"{}", {}, headers)


def run(coroutine):
    return asyncio.run(coroutine)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("operation", "members"), ACTIONS, ids=[each[0].value for each in ACTIONS])
def test_the_path_is_that_of_botocore(operation, members, model, service):
    async def sent():
        runtime = BedrockRuntime("here", 1, Origin("http://a.example/base/"), BearerToken(lambda: "fake"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runtime._pool, "post", lambda path, *_args, **_options: _kept(path))
            await runtime.send(asked(operation, model))

    serializer = botocore.serialize.create_serializer("rest-json", include_validation=False)
    theirs = serializer.serialize_to_request(
        {"modelId": model, **members}, service.operation_model(operation.value)
    )
    with pytest.raises(_Path) as path:
        run(sent())
    assert str(path.value) == f"/base{theirs['url_path']}"


class _Path(Exception):  # noqa: N818 - a way to look at what would be sent
    pass


async def _kept(path):
    raise _Path(path)


def test_guardrails_are_the_gateway_s_own():
    runtime = BedrockRuntime("here", 1, Origin("http://a.example"), BearerToken(lambda: "fake-token"))
    assert not runtime.supports(Operation.APPLY_GUARDRAIL)
    assert all(runtime.supports(operation) for operation, _ in ACTIONS)


def test_a_bearer_token_is_read_for_every_call_and_headers_go_along():
    tokens = iter(["fake-one", "fake-two"])

    async def calls():
        async with upstream([OK], authorizer=BearerToken(lambda: next(tokens))) as (runtime, server):
            for _ in range(2):
                reply = await runtime.send(asked(headers=(("x-amzn-bedrock-trace", "ENABLED"),)))
                assert (reply.status, reply.body) == (200, b"{}")
                assert reply.headers["x-amzn-bedrock-input-token-count"] == "3"
            return server.requests

    first, second = run(calls())
    assert b"\r\nauthorization: Bearer fake-one\r\n" in first
    assert b"\r\nx-amzn-bedrock-trace: ENABLED\r\n" in first
    assert b"\r\nauthorization: Bearer fake-two\r\n" in second


def test_a_refusal_keeps_its_name_without_the_address_behind_it():
    answer = (
        b"HTTP/1.1 429 No\r\nx-amzn-errortype: ThrottlingException:http://internal.amazon.com/\r\n"
        b'content-length: 15\r\n\r\n{"message":"x"}'
    )

    async def call():
        async with upstream([answer]) as (runtime, _):
            return [
                await runtime.send(asked(each)) for each in (Operation.CONVERSE, Operation.CONVERSE_STREAM)
            ]

    for reply in run(call()):
        assert (reply.status, reply.error_type, reply.body) == (
            429,
            "ThrottlingException",
            b'{"message":"x"}',
        )
        assert reply.events is None


def test_a_stream_is_handed_on_event_by_event():
    broken = encode_exception("throttlingException", b"{}")
    body = EVENT + broken
    pieces = [b"%x\r\n%s\r\n" % (len(each), each) for each in (body[:5], body[5:70], body[70:])]

    async def call():
        async with upstream([CHUNKED, *pieces, b"0\r\n\r\n"]) as (runtime, _):
            reply = await runtime.send(asked(Operation.CONVERSE_STREAM))
            return [(event.kind, event.type) async for event in reply.events]

    assert run(call()) == [("event", "messageStart"), ("exception", "throttlingException")]


@pytest.mark.parametrize("ends", [b"0\r\n\r\n", CLOSE], ids=["properly", "by a cut"])
def test_a_stream_that_ends_inside_an_event_is_an_error(ends):
    piece = EVENT + EVENT[:20]

    async def call():
        async with upstream([CHUNKED, b"%x\r\n%s\r\n" % (len(piece), piece), ends]) as (runtime, _):
            reply = await runtime.send(asked(Operation.CONVERSE_STREAM))
            seen = [await anext(reply.events)]
            with pytest.raises(UpstreamError):
                seen.append(await anext(reply.events))
            return seen

    assert [each.type for each in run(call())] == ["messageStart"]


def test_a_stream_that_is_given_up_frees_its_connection():
    piece = EVENT + EVENT

    async def call():
        async with upstream([CHUNKED, b"%x\r\n%s\r\n" % (len(piece), piece), 5.0]) as (runtime, server):
            reply = await runtime.send(asked(Operation.CONVERSE_STREAM))
            await anext(reply.events)
            await reply.events.aclose()
            await until(lambda: not server.open)
            assert not server.open

    run(call())


@pytest.mark.parametrize(
    ("region", "url", "expected"),
    [
        ("eu-north-1", "", "https://bedrock-runtime.eu-north-1.amazonaws.com"),
        ("cn-north-1", "", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "", "https://bedrock-runtime.us-gov-west-1.amazonaws.com"),
        ("eu-north-1", "https://vpce.example", "https://vpce.example"),
    ],
)
def test_endpoints(region, url, expected):
    assert endpoint(region, url) == expected


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("us-east-1", "https://bedrock-runtime-fips.us-east-1.amazonaws.com"),
        ("us-gov-west-1", "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"),
    ],
)
def test_fips_endpoints(region, expected):
    assert endpoint(region, fips=True) == expected


# --- no request chooses host or path ----------------------------------------------------------------------

HOST = "bedrock-runtime.eu-north-1.amazonaws.com"
ANY = st.text(st.characters(exclude_categories=()), max_size=40)
TRICKY = st.text(st.sampled_from("/.%\\?#@:;&= \r\n\t\0\u2028\uff0e\ud800a"), max_size=20)


def unless_refused(work):
    """Return what `work` gives, `None` if it refuses before anything is sent."""
    try:
        return work()
    except UpstreamError as error:
        if error.code != "upstream.request":
            raise
        return None


def test_the_usual_ids_and_headers_are_not_refused():
    assert all(unless_refused(lambda each=each: _path(each, Operation.CONVERSE)) for each in MODELS)
    assert unless_refused(lambda: encode_request(HOST, "/x", [("x-amzn-bedrock-trace", "ENABLED")], b"{}"))


@given(model=ANY | TRICKY, operation=st.sampled_from(sorted(SERVED)))
def test_no_model_id_changes_more_than_its_own_segment(model, operation):
    path = unless_refused(lambda: _path(model, operation))
    if path is None:
        return
    before, _, body = encode_request(HOST, path, [("x-a", "b")], b"{}").partition(b"\r\n\r\n")
    line, *headers = before.decode("ascii").split("\r\n")
    method, target, version = line.split(" ")
    assert (method, version, body) == ("POST", "HTTP/1.1", b"{}")
    assert headers == [f"host: {HOST}", "content-length: 2", "x-a: b"]
    empty, prefix, segment, action = target.split("/")
    assert (empty, prefix, action) == ("", "model", SERVED[operation])
    assert unquote(segment) == model
    assert segment not in ("", ".", "..")
    assert not set(segment) & set("?#@:;&= \\")


@pytest.mark.parametrize("model", ["", ".", ".."])
def test_steps_and_nothing_are_no_model_ids(model):
    with pytest.raises(UpstreamError, match="path step"):
        _path(model, Operation.CONVERSE)


@given(name=st.sampled_from(FORWARDED), value=ANY | TRICKY)
def test_no_header_value_becomes_another_header(name, value):
    sent = unless_refused(lambda: encode_request(HOST, "/x", [(name.decode(), value)], b"{}"))
    if sent is None:
        return
    head, _, body = sent.partition(b"\r\n\r\n")
    assert body == b"{}"
    assert head.split(b"\r\n")[3:] == [name + b": " + value.encode("latin-1")]
    assert head.count(b"\n") == head.count(b"\r") == 3
