import asyncio
from contextlib import asynccontextmanager

import botocore.credentials
import botocore.exceptions
import botocore.loaders
import botocore.model
import botocore.serialize
import pytest

from keepstone.aws import bedrock
from keepstone.aws.bedrock import BearerToken, BedrockRuntime, SigV4, endpoint
from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway.ports import UpstreamRequest
from keepstone.gateway.upstreams.http import Origin
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


# --- the credential chain ---------------------------------------------------------------------------------


class _Session:
    """A credential chain that gives what it is told to, and counts how often it was asked."""

    def __init__(self, *answers):
        self._answers = answers
        self.asked = 0

    def get_credentials(self):
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def signing(*answers):
    authorizer = SigV4("eu-north-1")
    authorizer._session = _Session(*answers)
    return authorizer


def credentials(name):
    return botocore.credentials.Credentials(f"AKIA-{name}", f"fake-secret-{name}", f"fake-{name}")


async def headers(authorizer):
    return dict(await authorizer.headers("a.example", "/x", b"{}"))


REFUSED = botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")


@pytest.mark.parametrize(
    "failure",
    [
        None,
        botocore.exceptions.ProfileNotFound(profile="none"),
        botocore.exceptions.CredentialRetrievalError(provider="p", error_msg="m"),
        REFUSED,
    ],
    ids=["none found", "no such profile", "a provider fails", "a role is refused"],
)
def test_a_chain_without_credentials_is_the_upstreams_failure(failure):
    with pytest.raises(UpstreamError) as caught:
        run(headers(signing(failure)))
    assert (caught.value.code, caught.value.retryable) == ("upstream.credentials", False)


def test_the_chain_is_asked_again_when_its_answer_is_old(monkeypatch):
    authorizer = signing(credentials("one"), credentials("two"), REFUSED)

    async def calls():
        found = await asyncio.gather(*[headers(authorizer) for _ in range(4)])
        assert {each["x-amz-security-token"] for each in found} == {"fake-one"}
        assert authorizer._session.asked == 1
        monkeypatch.setattr(bedrock, "CREDENTIALS_AGE", 0.0)
        await asyncio.sleep(0.001)
        assert (await headers(authorizer))["x-amz-security-token"] == "fake-two"
        await asyncio.sleep(0.001)
        with pytest.raises(UpstreamError):
            await headers(authorizer)

    run(calls())


def test_a_profile_that_does_not_exist_is_told_when_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(UpstreamError) as caught:
        run(headers(SigV4("eu-north-1", "no-such-profile")))
    assert caught.value.message == "the AWS credential chain failed"


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
