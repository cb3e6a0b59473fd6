import asyncio

import msgspec
import pytest

from keepstone.core.errors import UpstreamError
from keepstone.core.exchange import Operation
from keepstone.gateway.ports import UpstreamRequest
from keepstone.gateway.upstreams.http import Origin
from keepstone.gateway.upstreams.openai import OpenAIServer
from tests.unit.gateway.scripted import CHUNKED, serving, until

CALL = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
PIECE = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def asked(operation, document=CALL):
    return UpstreamRequest(operation, "small", msgspec.json.encode(document), document)


def whole(document, status=200):
    body = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body)


def streamed(*events):
    return [CHUNKED, *[b"%x\r\n%s\r\n" % (len(each), each) for each in events], b"0\r\n\r\n"]


def on_server(answer, use, api_key=None):
    """Run `use(server adapter, scripted server)`."""

    async def run():
        async with serving([answer]) as scripted:
            adapter = OpenAIServer("here", 1, Origin(f"{scripted.url}/v1", timeout=1.0), api_key)
            try:
                return await use(adapter, scripted)
            finally:
                await adapter.close()

    return asyncio.run(run())


def test_it_serves_converse_only():
    adapter = OpenAIServer("here", 1, Origin("http://a.example/v1"), None)
    served = {each for each in Operation if adapter.supports(each)}
    assert served == {Operation.CONVERSE, Operation.CONVERSE_STREAM}


def test_a_call_goes_out_translated_and_comes_back_translated():
    choice = {"message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop", "index": 0}

    async def use(adapter, scripted):
        return await adapter.send(asked(Operation.CONVERSE)), scripted.requests

    reply, requests = on_server([whole({"choices": [choice]})], use, lambda: "fake-key")
    assert msgspec.json.decode(reply.body)["output"]["message"]["content"] == [{"text": "Hi"}]
    assert requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"\r\nauthorization: Bearer fake-key\r\n" in requests[0]
    assert msgspec.json.decode(requests[0].partition(b"\r\n\r\n")[2])["model"] == "small"


def test_a_stream_comes_back_as_events():
    async def use(adapter, _):
        reply = await adapter.send(asked(Operation.CONVERSE_STREAM))
        return [event.type async for event in reply.events]

    types = on_server(streamed(PIECE[:20], PIECE[20:] + LAST, DONE), use)
    assert types[0] == "messageStart"
    assert "contentBlockDelta" in types
    assert types.index("messageStop") < types.index("metadata")


@pytest.mark.parametrize(
    "answer",
    [streamed(PIECE), streamed(PIECE, b"data: {not json\n\n", DONE), [whole(b"not json")]],
    ids=["without its end", "not JSON", "no stream"],
)
def test_a_stream_that_is_none_is_an_error(answer):
    async def use(adapter, _):
        reply = await adapter.send(asked(Operation.CONVERSE_STREAM))
        return [event.type async for event in reply.events]

    with pytest.raises(UpstreamError):
        on_server(answer, use)


def test_a_stream_that_is_given_up_frees_its_connection():
    async def use(adapter, scripted):
        reply = await adapter.send(asked(Operation.CONVERSE_STREAM))
        await anext(reply.events)
        await reply.events.aclose()
        await until(lambda: not scripted.open)
        assert not scripted.open

    on_server([*streamed(PIECE + PIECE)[:2], 5.0], use)


@pytest.mark.parametrize("operation", [Operation.CONVERSE, Operation.CONVERSE_STREAM])
def test_a_refusal_is_handed_on(operation):
    async def use(adapter, _):
        return await adapter.send(asked(operation))

    reply = on_server([whole(b'{"error":{"message":"no"}}', 404)], use)
    assert (reply.status, reply.events) == (404, None)


def test_what_cannot_be_translated_is_refused_without_asking():
    video = {"messages": [{"role": "user", "content": [{"video": {"format": "mp4", "source": {}}}]}]}

    async def use(adapter, scripted):
        return await adapter.send(asked(Operation.CONVERSE, video)), scripted.requests

    reply, requests = on_server([whole({})], use)
    assert (reply.status, reply.error_type, requests) == (400, "ValidationException", [])
