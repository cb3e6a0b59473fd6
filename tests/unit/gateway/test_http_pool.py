"""The pooled client against servers that behave, and servers that do not."""

import asyncio
import socket
import ssl
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import wraps

import pytest
import uvloop

from keepstone.core.errors import UpstreamError
from keepstone.gateway.tls import local_certificate
from keepstone.gateway.upstreams import connection
from keepstone.gateway.upstreams.http import HttpPool, Origin, encode_request
from tests.simulators.tls import server_context
from tests.unit.gateway.scripted import CHUNKED, CLOSE, OK, serving, until

LOOPS = pytest.mark.parametrize(
    "loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uv"]
)


def on_loop(test):
    """Run a coroutine test, on the loop of its first argument if it has one."""

    @wraps(test)
    def run(*args, **kwargs):
        with asyncio.Runner(loop_factory=kwargs.get("loop")) as runner:
            runner.run(test(*args, **kwargs))

    return run


@asynccontextmanager
async def pooled(*connections, tls=None, ca_bundle="", **bounds):
    """Yield a pool and the scripted server that it talks to."""
    bounds = {"connect_timeout": 1.0, "timeout": 1.0, **bounds}
    async with serving(*connections, tls=tls) as server:
        pool = HttpPool(Origin(server.url, ca_bundle=ca_bundle, **bounds))
        try:
            yield pool, server
        finally:
            await pool.close()
            await until(lambda: not server.open)


async def post(pool, body=b"{}", **options):
    return await pool.post("/x", [("content-type", "application/json")], body, **options)


async def stream(pool):
    response = await post(pool, stream=True)
    return b"".join([chunk async for chunk in response.chunks])


async def refused(awaitable):
    with pytest.raises(UpstreamError) as caught:
        await awaitable
    return caught.value


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


# --- what ends a body -------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = {
    "length": ([OK], b"{}", True),
    "no content": ([b"HTTP/1.1 204 No Content\r\n\r\n"], b"", True),
    "empty": ([HEAD + b"content-length: 0\r\n\r\n"], b"", True),
    "chunks": ([CHUNKED + chunk(b"ab") + chunk(b"c") + b"0\r\n\r\n"], b"abc", True),
    "chunks, byte by byte": (
        [each.to_bytes(1, "big") for each in CHUNKED + chunk(b"ab") + b"0\r\n\r\n"],
        b"ab",
        True,
    ),
    "the close": ([HEAD + b"\r\nabc", CLOSE], b"abc", False),
    "asked to close": ([HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\nab"], b"ab", False),
    "HTTP/1.0": ([b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nab"], b"ab", False),
    "interim answers": (
        [b"HTTP/1.1 100 Continue\r\nx-a: 1\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", OK],
        b"{}",
        True,
    ),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("answer", "body", "kept"), WHOLE.values(), ids=WHOLE)
@on_loop
async def test_a_body_ends_where_the_protocol_says(answer, body, kept, streamed):
    async with pooled([answer]) as (pool, server):
        for _ in range(2):
            if streamed:
                assert await stream(pool) == body
            else:
                assert (await post(pool)).body == body
        assert server.connections == (1 if kept else 2)
        assert len(server.requests) == 2


BROKEN = {
    "length and chunks": (HEAD + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    "chunks and length": (HEAD + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n"),
    "two lengths": (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\nabc"),
    "a length that is none": (HEAD + b"content-length: 2x\r\n\r\nab"),
    "a chunk without a size": (CHUNKED + b"zz\r\nab\r\n0\r\n\r\n"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a control character in a header": HEAD + b"x-a: b\0c\r\ncontent-length: 0\r\n\r\n",
    "an upgrade": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "headers without end": HEAD + b"x-a: " + b"a" * (2 * connection.MAX_HEAD_BYTES),
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
    "huge headers": HEAD + b"x-a: abcdefgh\r\n" * 10_000 + b"content-length: 0\r\n\r\n",
    "huge trailers": CHUNKED + b"0\r\n" + b"x-a: abcdefgh\r\n" * 10_000 + b"\r\n",
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
@on_loop
async def test_an_answer_that_is_not_http_closes_the_connection(answer):
    async with pooled([[answer, 5.0]]) as (pool, server):
        for attempt in (1, 2):
            error = await refused(stream(pool))
            assert error.code == "upstream.malformed"
            assert not error.retryable
            assert server.connections == attempt


@on_loop
async def test_a_second_answer_in_the_same_bytes_is_never_read():
    smuggled = b"HTTP/1.1 500 No\r\nx-a: smuggled\r\ncontent-length: 8\r\n\r\nsmuggled"
    for cut in (len(smuggled), 30, 1):
        async with pooled([[OK + smuggled[:cut]]], [[OK]]) as (pool, server):
            response = await post(pool)
            assert (response.status, response.body) == (200, b"{}")
            assert "x-a" not in response.headers
            await post(pool)
            assert server.connections == 2


@on_loop
async def test_an_idle_connection_that_speaks_is_dropped():
    async with pooled([[OK, 0.002, OK]], [[OK]]) as (pool, server):
        await post(pool)
        await until(lambda: not server.open)
        await post(pool)
        assert server.connections == 2


@on_loop
async def test_trailers_are_no_headers():
    answer = [CHUNKED + chunk(b"ab") + b"0\r\nx-amzn-errortype: Late\r\n\r\n"]
    async with pooled([answer]) as (pool, _):
        response = await post(pool)
        assert response.body == b"ab"
        assert "x-amzn-errortype" not in response.headers


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@on_loop
async def test_an_error_too_large_to_hold_is_refused(streamed, monkeypatch):
    monkeypatch.setattr(connection, "MAX_BODY_BYTES", 1000)
    answer = [b"HTTP/1.1 500 No\r\ncontent-length: 5000\r\n\r\n" + b"a" * 5000]
    async with pooled([answer]) as (pool, _):
        error = await refused(post(pool, stream=streamed))
        assert error.code == "upstream.malformed"


@on_loop
async def test_a_refusal_of_a_stream_is_collected_and_its_connection_kept():
    answer = [b"HTTP/1.1 429 No\r\ncontent-length: 4\r\nx-amzn-errortype: Throttling\r\n\r\nb", 0.002, b"usy"]
    async with pooled([answer]) as (pool, server):
        for _ in range(2):
            response = await post(pool, stream=True)
            assert (response.status, response.body, response.chunks) == (429, b"busy", None)
            assert response.headers["x-amzn-errortype"] == "Throttling"
        assert server.connections == 1


# --- connections ------------------------------------------------------------------------------------------


@on_loop
async def test_a_connection_that_the_server_closed_while_idle_is_replaced_silently():
    async with pooled([[OK, CLOSE]]) as (pool, server):
        for expected in (1, 2, 3):
            assert (await post(pool)).body == b"{}"
            assert server.connections == expected


@on_loop
async def test_a_request_is_sent_again_at_most_once_when_kept_connections_turn_out_dead():
    dying = [[0.01, OK], [CLOSE]]  # a good answer, then nothing: as if closed under the request
    async with pooled(dying, dying, dying, [[OK]]) as (pool, server):
        await asyncio.gather(post(pool), post(pool), post(pool))
        assert server.connections == 3
        assert (await post(pool)).body == b"{}"
        assert (server.connections, len(server.requests)) == (4, 5)


@on_loop
async def test_a_fresh_connection_that_dies_is_an_error_that_may_be_retried():
    async with pooled([[CLOSE]]) as (pool, server):
        error = await refused(post(pool))
        assert (error.code, error.retryable) == ("upstream.closed", True)
        assert len(server.requests) == 1


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "answer", [HEAD + b"content-length: 9\r\n\r\nabc", CHUNKED + chunk(b"abc"), HEAD + b"x-a"]
)
@on_loop
async def test_an_answer_that_is_cut_is_not_retried_here(answer, streamed):
    async with pooled([[answer, CLOSE]]) as (pool, server):
        error = await refused(stream(pool) if streamed else post(pool))
        assert (error.code, error.retryable) == ("upstream.closed", False)
        assert (await refused(post(pool))).code == "upstream.closed"
        assert server.connections == 2


@on_loop
async def test_silence_may_be_retried_only_before_the_first_byte():
    async with pooled([[5.0]], [[HEAD, 5.0]], [[CHUNKED + chunk(b"a"), 5.0]], timeout=0.02) as (pool, _):
        errors = [await refused(post(pool)), await refused(post(pool)), await refused(stream(pool))]
        assert {each.code for each in errors} == {"upstream.timeout"}
        assert [each.retryable for each in errors] == [True, False, False]


@on_loop
async def test_a_stream_that_goes_on_is_never_late():
    slowly = [CHUNKED, *[each for number in range(6) for each in (0.03, chunk(b"%d" % number))]]
    async with pooled([[*slowly, b"0\r\n\r\n"]], timeout=0.15) as (pool, _):
        assert await stream(pool) == b"012345"


@on_loop
async def test_a_port_without_a_server_and_a_name_without_an_address_may_be_retried():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        pool = HttpPool(Origin(f"http://127.0.0.1:{held.getsockname()[1]}"))
        error = await refused(post(pool))
        assert (error.code, error.retryable) == ("upstream.connect", True)

    async def no_such_name(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    asyncio.get_running_loop().getaddrinfo = no_such_name
    error = await refused(post(HttpPool(Origin("http://models.example"))))
    assert (error.code, error.retryable) == ("upstream.connect", True)
    assert error.message == "cannot connect to `models.example`"


@on_loop
async def test_a_server_that_does_not_accept_is_given_up_in_time():
    with socket.socket() as deaf:  # TLS where nobody shakes hands
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        port = deaf.getsockname()[1]
        error = await refused(post(HttpPool(Origin(f"https://127.0.0.1:{port}", connect_timeout=0.02))))
    assert (error.code, error.retryable) == ("upstream.connect", True)


# --- slots ------------------------------------------------------------------------------------------------


@on_loop
async def test_no_more_connections_than_allowed():
    async with pooled([[0.005, OK]], max_connections=3) as (pool, server):
        await asyncio.gather(*[post(pool) for _ in range(12)])
        assert (server.connections, server.most, len(server.requests)) == (3, 3, 12)


@on_loop
async def test_a_wait_for_a_connection_ends():
    async with pooled([[CHUNKED + chunk(b"a"), 5.0]], max_connections=1, timeout=0.02) as (pool, server):
        held = await post(pool, stream=True)
        error = await refused(post(pool))
        assert (error.code, error.retryable) == ("upstream.busy", False)
        assert error.message == "all 1 connections to the upstream were in use for 0.02 s"
        await held.chunks.aclose()
        assert len(server.requests) == 1


@on_loop
async def test_who_gives_up_waiting_for_a_connection_takes_nobodys_turn():
    async with pooled([[CHUNKED + chunk(b"a"), 5.0]], [[OK]], max_connections=1) as (pool, _):
        held = await post(pool, stream=True)
        waiting = [asyncio.create_task(post(pool)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await held.chunks.aclose()  # the turn of the second, which is cancelled before it can take it
        waiting[1].cancel()
        assert (await waiting[2]).body == b"{}"
        assert [each.cancelled() for each in waiting] == [True, True, False]
        assert (await post(pool)).body == b"{}"


@pytest.mark.parametrize(
    ("answer", "streamed"),
    [([5.0], False), ([HEAD, 5.0], False), ([5.0], True), ([b"HTTP/1.1 500 No\r\n\r\na", 5.0], True)],
    ids=["no answer", "half an answer", "no stream", "half a refusal"],
)
@on_loop
async def test_a_cancelled_call_frees_its_slot_and_closes_its_connection(answer, streamed):
    async with pooled([answer], [[OK]], max_connections=1) as (pool, server):
        call = asyncio.create_task(post(pool, stream=streamed))
        await until(lambda: server.requests)
        await asyncio.sleep(0.003)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await post(pool)).body == b"{}"
        assert server.connections == 2
        await until(lambda: server.open == 1)


@on_loop
async def test_an_abandoned_stream_frees_its_slot_and_closes_its_connection():
    endless = [CHUNKED + chunk(b"a"), 5.0]
    async with pooled([endless], [endless], [[OK]], max_connections=1) as (pool, server):
        response = await post(pool, stream=True)
        async with aclosing(response.chunks) as chunks:
            assert await anext(chunks) == b"a"
        await (await post(pool, stream=True)).chunks.aclose()  # not begun at all
        assert (await post(pool)).body == b"{}"
        await until(lambda: server.open == 1)


@on_loop
async def test_a_closed_pool_keeps_no_connection_of_a_call_that_ends_later():
    async with pooled([[0.01, OK]]) as (pool, server):
        call = asyncio.create_task(post(pool))
        await until(lambda: server.requests)
        await pool.close()
        assert (await call).body == b"{}"
        await until(lambda: not server.open)


# --- backpressure -----------------------------------------------------------------------------------------


@LOOPS
@on_loop
async def test_a_stream_that_nobody_reads_is_not_read_on(loop):
    block = CHUNKED, *([chunk(b"a" * 65536)] * 400), b"0\r\n\r\n"
    async with pooled([block], timeout=0.1) as (pool, server):
        response = await post(pool, stream=True)
        await asyncio.sleep(0.15)  # longer than the timeout: it is not the upstream that is silent
        stuck = server.sent
        assert stuck < 200 * 65536
        assert sum([len(each) async for each in response.chunks]) == 400 * 65536
        assert server.connections == 1
        assert await stream(pool)
        assert server.connections == 1


@on_loop
async def test_many_tiny_chunks_cost_no_more_than_their_bytes():
    tiny = CHUNKED + chunk(b"a") * 40_000 + b"0\r\n\r\n"
    async with pooled([[tiny]]) as (pool, _):
        assert await stream(pool) == b"a" * 40_000


# --- what is sent -----------------------------------------------------------------------------------------


@on_loop
async def test_what_is_sent():
    async with pooled([[OK]]) as (pool, server):
        await pool.post("/model/a%3Ab/converse", [("x-a", "caf\xe9")], b'{"a":1}')
        authority = server.url.removeprefix("http://").encode()
        assert server.requests == [
            b"POST /model/a%3Ab/converse HTTP/1.1\r\nhost: "
            + authority
            + b"\r\ncontent-length: 7\r\nx-a: caf\xe9\r\n\r\n"
            + b'{"a":1}'
        ]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/x", [("a", "b\r\nc: d")]),
        ("/x", [("a", "b\nc")]),
        ("/x", [("a", "b\0c")]),
        ("/x", [("a\r\nb", "c")]),
        ("/x HTTP/1.1\r\nhost: evil", []),
        ("/x y", []),
        ("/\u20ac", []),
        ("/x", [("authorization", "Bearer fake-\u20ac-token")]),
    ],
)
def test_what_could_be_read_as_something_else_is_never_sent(path, headers):
    with pytest.raises(UpstreamError) as caught:
        encode_request("models.example", path, headers, b"")
    assert caught.value.code == "upstream.request"
    assert "fake" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://a.example", "a.example", ""),
        ("http://a.example:80/", "a.example", ""),
        ("https://a.example:443/v1/", "a.example", "/v1"),
        ("https://a.example:80", "a.example:80", ""),
        ("http://[::1]:8000/v1", "[::1]:8000", "/v1"),
    ],
)
def test_an_origin_is_read_from_its_url(url, authority, path):
    origin = Origin(url)
    assert (origin.authority, origin.base_path) == (authority, path)


@pytest.mark.parametrize("url", ["ftp://a.example", "a.example", "http://", "http://a:x/", "http://[::1", ""])
def test_what_is_no_url_is_refused(url):
    with pytest.raises(UpstreamError) as caught:
        Origin(url)
    assert caught.value.code == "upstream.url"


# --- TLS --------------------------------------------------------------------------------------------------


@LOOPS
@on_loop
async def test_a_certificate_of_a_known_authority_for_this_host_is_accepted(loop, tmp_path):
    context, trusted = server_context(tmp_path)
    async with pooled([[OK]], tls=context, ca_bundle=str(trusted)) as (pool, server):
        assert (await post(pool)).body == b"{}"
        assert await stream(pool) == b"{}"
        assert server.connections == 1


@pytest.mark.parametrize("wrong", ["authority", "host"])
@on_loop
async def test_any_other_certificate_is_refused(wrong, tmp_path):
    context, trusted = server_context(tmp_path, address="127.0.0.1" if wrong == "authority" else "127.0.0.2")
    bundle = "" if wrong == "authority" else str(trusted)
    async with pooled([[OK]], tls=context, ca_bundle=bundle) as (pool, server):
        error = await refused(post(pool))
        assert (error.code, error.retryable) == ("upstream.tls", False)
        assert "ca_bundle" in error.hint
        assert server.requests == []


@on_loop
async def test_an_old_protocol_is_refused(tmp_path):
    context, trusted = server_context(tmp_path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with pooled([[OK]], tls=context, ca_bundle=str(trusted)) as (pool, server):
        assert (await refused(post(pool))).code == "upstream.connect"
        assert server.requests == []


@on_loop
async def test_our_own_local_certificate_is_one_that_clients_accept(tmp_path):
    files = local_certificate(tmp_path / "tls", "127.0.0.1", b"", datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with pooled([[OK]], tls=context, ca_bundle=str(files.bundle)) as (pool, _):
        assert (await post(pool)).body == b"{}"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_bundle_that_cannot_be_read_is_told_at_start(content, tmp_path):
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)

    async def build():
        HttpPool(Origin("https://models.example", ca_bundle=str(bundle)))

    with pytest.raises(UpstreamError) as caught:
        asyncio.run(build())
    assert caught.value.code == "upstream.tls"


# --- what is sent -----------------------------------------------------------------------------------------


async def connected(server):
    """Return a connection to a scripted server."""
    loop = asyncio.get_running_loop()
    host, port = server.url.removeprefix("http://").split(":")
    _, made = await loop.create_connection(lambda: connection.Connection(loop), host, int(port))
    return made


@on_loop
async def test_no_callback_of_the_loop_carries_what_is_sent(monkeypatch):
    loop, scheduled = asyncio.get_running_loop(), []
    call_soon = loop.call_soon

    def noted(callback, *arguments, **named):
        scheduled.append((callback, arguments))
        return call_soon(callback, *arguments, **named)

    async with serving([[OK]]) as server:
        made = await connected(server)
        monkeypatch.setattr(loop, "call_soon", noted)
        await made.exchange(b"POST /secret HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 1.0, stream=False)
        made.close()
        assert b"/secret" in server.requests[0]
    assert made._send in [callback for callback, _ in scheduled]
    assert "/secret" not in repr([arguments for callback, arguments in scheduled if callback == made._send])


@on_loop
async def test_a_call_that_is_given_up_before_it_left_is_not_sent(monkeypatch):
    written = []
    async with serving([[OK]]) as server:
        made = await connected(server)
        monkeypatch.setattr(made._transport, "write", written.append)
        call = asyncio.ensure_future(
            made.exchange(b"POST /x HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 1.0, stream=False)
        )
        asyncio.get_running_loop().call_soon(made.close)  # before the turn's end, when it would be sent
        await asyncio.wait([call], timeout=0.05)
        call.cancel()
        await until(lambda: server.connections == 1 and not server.open)
        assert written == []
        assert made._outgoing == b""
