"""Requests that no honest client sends: hostile bodies and heads, smuggling, slowness, crowds."""

import gzip
import json
import random
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from tests.e2e.conversation import CARD, EMAIL, user
from tests.e2e.gateway_process import GatewayProcess, receive_all
from tests.e2e.policy import MAX_BODY
from tests.simulators.bedrock import BedrockSimulator

pytestmark = pytest.mark.xdist_group("e2e-faults")

CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
PATH = f"/model/{CLAUDE}/converse"
HELLO = json.dumps({"messages": user("hello")}).encode()


def head(gateway: GatewayProcess, *lines: str, path: str = PATH) -> bytes:
    """The head of a call, with more header lines and without a length."""
    usual = ["Host: gateway", f"Authorization: Bearer {gateway.first_key}", "Content-Type: application/json"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *usual, *lines, "", ""]).encode("latin-1")


def exchange(gateway: GatewayProcess, *parts: bytes) -> bytes:
    """What the gateway answers to raw bytes until it closes or falls silent."""
    with gateway.socket(timeout=3) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            return receive_all(connection)
        except (BrokenPipeError, ConnectionResetError):
            return b""
        except TimeoutError:
            pytest.fail("the gateway left the connection open without an end")


def one_answer(connection: socket.socket) -> bytes:
    """An answer with its body, however it comes in pieces."""
    found = b""
    while True:
        head, end, body = found.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        if end and length and len(body) >= int(length[1]):
            return found
        data = connection.recv(65536)
        assert data, found
        found += data


def seconds_of_dripping(connection: socket.socket) -> float:
    """Send a byte now and then until the gateway cuts the connection off: how long that takes."""
    started = time.monotonic()
    with suppress(OSError):
        while time.monotonic() - started < 20:
            connection.sendall(b"a")
            time.sleep(0.1)
    return time.monotonic() - started


def is_well(gateway: GatewayProcess) -> None:
    """A plain call is answered."""
    assert gateway.post(PATH, HELLO)[0] == 200


class TestBodies:
    @pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"messages":'])
    def test_depth_without_end(self, gateway: GatewayProcess, opening: bytes) -> None:
        status, headers, _ = gateway.post(PATH, opening * (MAX_BODY // len(opening) - 1))
        assert (status, headers["x-keepstone-reason"]) == (400, "request_malformed")
        is_well(gateway)

    @pytest.mark.parametrize("depth", [70, 900, 20_000])
    @pytest.mark.parametrize("where", ["additionalModelRequestFields", "messages", "unheardOf"])
    def test_depth_with_an_end(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, depth: int, where: str
    ) -> None:
        deep = b'{"x":' * depth + b"1" + b"}" * depth
        status, headers, _ = gateway.post(PATH, HELLO[:-1] + b',"' + where.encode() + b'":' + deep + b"}")
        assert (status, headers["x-keepstone-reason"]) == (400, "request_malformed")
        assert bedrock.requests == []

    @pytest.mark.parametrize(
        "twice",
        [
            '{"messages":%(card)s,"messages":%(hello)s}',
            '{"messages":%(hello)s,"m\\u0065ssages":%(hello)s,"x":1}',
            '{"messages":[{"role":"user","content":[{"text":"%(number)s","text":"hello"}]}]}',
            '{"messages":[{"role":"user","content":%(cards)s,"content":[{"text":"hello"}]}]}',
        ],
    )
    def test_of_a_key_that_comes_twice_one_is_seen_and_sent(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, twice: str
    ) -> None:
        card = [{"text": CARD}]
        values = {
            "number": CARD,
            "hello": json.dumps(user("hello")),
            "card": json.dumps(user(CARD)),
            "cards": json.dumps(card),
        }
        status, _, _ = gateway.post(PATH, (twice % values).encode())
        assert status == 200
        (sent,) = [each.body.decode() for each in bedrock.requests]
        assert CARD not in sent
        assert sent.count('"messages"') == sent.count('"content"') == sent.count('"text"') == 1

    def test_a_second_key_that_hides_a_card_is_blocked(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        body = f'{{"messages":{json.dumps(user("hello"))},"m\\u0065ssages":{json.dumps(user(CARD))}}}'
        status, headers, _ = gateway.post(PATH, body.encode())
        assert (status, headers["x-keepstone-reason"]) == (200, "input_blocked")
        assert bedrock.requests == []

    @pytest.mark.parametrize(
        "text",
        [
            "".join(f"\\u{ord(c):04x}" for c in EMAIL),
            EMAIL.replace("@", "\\u0040"),
        ],
    )
    def test_escapes_hide_nothing(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, text: str
    ) -> None:
        body = json.dumps({"messages": user("I am TEXT")}).replace("TEXT", text)
        assert gateway.post(PATH, body.encode())[0] == 200
        assert json.loads(bedrock.requests[-1].body)["messages"][0]["content"][0]["text"] == "I am {EMAIL}"

    @pytest.mark.parametrize(
        "body",
        [
            b'{"messages":[{"role":"user","content":[{"text":"\xed\xa0\x80"}]}]}',
            b'{"messages":[{"role":"user","content":[{"text":"\\ud800"}]}]}',
            b'{"messages":[{"role":"user","content":[{"text":"a\x00b"}]}]}',
            b'\xef\xbb\xbf{"messages":[]}',
            b'{"messages":[{"role":"user","content":[{"text":"x"}]}],"n":1e999}',
            b'{"messages":' + b"9" * 5000 + b"}",
        ],
    )
    def test_odd_characters_and_numbers_harm_nothing(self, gateway: GatewayProcess, body: bytes) -> None:
        status, _, _ = gateway.post(PATH, body)
        assert status in (200, 400)
        is_well(gateway)

    @pytest.mark.parametrize(
        "body",
        [
            {"messages": "text"},
            {"messages": [1, None, "x"]},
            {"messages": [{"role": "user", "content": {"text": ["x"]}}]},
            {"messages": [{"role": {"a": 1}, "content": [{"text": {"text": "x"}}]}]},
            {"messages": user("x"), "system": {"text": 1}, "toolConfig": [[[]]]},
            {"messages": user("x"), "guardrailConfig": "default"},
            {"messages": user("x"), "guardrailConfig": {"guardrailIdentifier": [1], "trace": {}}},
            {"messages": user("x"), "inferenceConfig": {"maxTokens": -5}},
            {"messages": user("x"), "inferenceConfig": {"maxTokens": 10**30}},
            {"messages": user("x"), "inferenceConfig": {"maxTokens": "many"}},
        ],
    )
    @pytest.mark.parametrize("operation", ["converse", "converse-stream", "invoke", "count-tokens"])
    def test_wrong_types_are_no_internal_error(
        self, gateway: GatewayProcess, body: object, operation: str
    ) -> None:
        for model in ("keepstone.dev", CLAUDE, "amazon.nova-lite-v1:0", "simulated-chat"):
            status, headers, _ = gateway.post(f"/model/{model}/{operation}", json.dumps(body).encode())
            assert status < 500, (model, headers)

    def test_mutations_are_no_internal_error(self, gateway: GatewayProcess) -> None:
        dice = random.Random(20261121)
        for _ in range(150):
            body = bytearray(HELLO)
            for _ in range(dice.randint(1, 4)):
                body[dice.randrange(len(body))] = dice.randrange(256)
            status, _, _ = gateway.post("/model/keepstone.dev/converse", bytes(body))
            assert status < 500, bytes(body)


class TestSizes:
    def test_100_mb_declared_are_refused_unread(self, gateway: GatewayProcess) -> None:
        with gateway.socket() as connection:
            started = time.monotonic()
            connection.sendall(head(gateway, "Content-Length: 104857600"))
            answer = one_answer(connection)
            assert time.monotonic() - started < 1
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"request_too_large" in answer

    @pytest.mark.parametrize("path", [PATH, "/v1/chat/completions", "/v1/messages"])
    def test_a_bomb_is_not_unpacked(self, gateway: GatewayProcess, path: str) -> None:
        bomb = gzip.compress(b" " * 100_000_000)
        started = time.monotonic()
        status, _, answer = gateway.post(path, bomb, {"content-encoding": "gzip"})
        assert status == 400
        assert b"compressed" in answer
        assert time.monotonic() - started < 2
        is_well(gateway)

    def test_more_than_allowed_by_chunks(self, gateway: GatewayProcess) -> None:
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with gateway.socket() as connection:
            connection.sendall(head(gateway, "Transfer-Encoding: chunked"))
            for _ in range(40):
                connection.sendall(chunk)
            assert b"request_too_large" in one_answer(connection)
        is_well(gateway)

    @pytest.mark.parametrize("length", ["Content-Length: 500", "Transfer-Encoding: chunked"])
    def test_a_body_that_dawdles(self, gateway: GatewayProcess, length: str) -> None:
        with gateway.socket() as connection:
            connection.sendall(head(gateway, length) + b'5\r\n{"mes\r\n')
            answer = one_answer(connection)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"request_timed_out" in answer

    def test_a_caller_that_drips_on_after_its_answer_is_cut_off(self, gateway: GatewayProcess) -> None:
        request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n".encode()
        with gateway.socket() as connection:
            connection.sendall(request)
            answer = one_answer(connection)
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert b"credentials_missing" in answer
            assert 4 < seconds_of_dripping(connection) < 8
        is_well(gateway)

    def test_a_body_sent_to_its_end_keeps_the_connection(self, gateway: GatewayProcess) -> None:
        request = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode()
        with gateway.socket() as connection:
            for _ in range(3):
                connection.sendall(request)
                assert b"credentials_missing" in one_answer(connection)
                connection.sendall(b"123456789")

    def test_a_caller_that_leaves_within_its_body(self, gateway: GatewayProcess) -> None:
        for _ in range(20):
            with gateway.socket() as connection:
                connection.sendall(head(gateway, "Content-Length: 500") + b'{"mes')
        is_well(gateway)

    def test_a_head_without_end(self, gateway: GatewayProcess) -> None:
        line = b"x-filler: " + b"a" * 8000 + b"\r\n"
        answer = exchange(gateway, head(gateway)[:-2], *[line] * 1000)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")  # cut off while we still sent, or after
        is_well(gateway)

    def test_a_head_that_dawdles(self, gateway: GatewayProcess) -> None:
        with gateway.socket() as connection:
            connection.sendall(b"POST /model/a/converse HTTP/1.1\r\n")
            assert 9 < seconds_of_dripping(connection) < 14
        is_well(gateway)


class TestSmuggling:
    SECOND = b"POST /model/keepstone.smuggled/converse HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"

    @pytest.mark.parametrize(
        "lines",
        [
            ("Content-Length: 5", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", "Content-Length: 5"),
            ("Content-Length: 5", "Content-Length: 6"),
            ("Content-Length: 5, 6",),
            ("Content-Length: +5",),
            ("Content-Length: 0x5",),
            ("Content-Length: -1",),
            ("Content-Length : 5",),
            ("Transfer-Encoding: chunked, identity",),
            ("Transfer-Encoding: xchunked",),
            ("Transfer-Encoding : chunked",),
            ("Transfer-Encoding:\x0bchunked",),
            ("X-A: b\n c: d", "Content-Length: 5"),
        ],
    )
    def test_an_unclear_end_is_refused(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, lines: tuple[str, ...]
    ) -> None:
        answer = exchange(gateway, head(gateway, *lines) + b"0\r\n\r\n" + self.SECOND)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert bedrock.requests == []
        assert all(each.get("model") != "keepstone.smuggled" for each in gateway.records())

    @pytest.mark.parametrize(
        "path",
        [
            "/model/../admin/converse",
            "/model/%2e%2e%2fadmin/converse",
            "/model/a%00b/converse",
            "/model/a%0d%0ax-evil:%201/converse",
            "/model/%zz/converse",
            "/model/%252e%252e/converse",
            "//model/a/converse",
            "/model//converse",
            "/model/" + "a" * 7000 + "/converse",
            "http://other/model/a/converse",
        ],
    )
    def test_odd_paths_lead_nowhere(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator, path: str
    ) -> None:
        answer = exchange(gateway, head(gateway, "Content-Length: 0", "Connection: close", path=path))
        assert re.match(rb"HTTP/1.1 40[034] ", answer)
        assert b"x-evil" not in answer.lower()
        assert bedrock.requests == []

    def test_headers_cannot_reach_the_upstream_s_head(
        self, gateway: GatewayProcess, bedrock: BedrockSimulator
    ) -> None:
        evil = {"x-amzn-bedrock-performanceconfig-latency": "standard\tx", "x-amz-security-token": "evil"}
        gateway.post(PATH, HELLO, evil)
        assert all(each.header("x-amz-security-token") is None for each in bedrock.requests)

    @pytest.mark.parametrize(
        "data",
        [
            b"\x16\x03\x01\x02\x00",
            b"\x00" * 3000,
            b"GET / HTTP/9.9\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ],
    )
    def test_what_is_no_http(self, gateway: GatewayProcess, data: bytes) -> None:
        answer = exchange(gateway, data + b"\r\n\r\n")
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
        is_well(gateway)


def test_200_callers_at_once(gateway: GatewayProcess, bedrock: BedrockSimulator) -> None:
    def call(number: int) -> tuple[int, str]:
        body = json.dumps({"messages": user(f"hello {number}")}).encode()
        status, headers, answer = gateway.post("/model/keepstone.dev/converse", body)
        assert f"hello {number}" in answer.decode()
        return status, headers["x-amzn-requestid"]

    with ThreadPoolExecutor(200) as crowd:
        answers = list(crowd.map(call, range(200)))
    assert {status for status, _ in answers} == {200}
    numbers = {number for _, number in answers}
    assert len(numbers) == 200
    assert numbers <= {each["id"] for each in gateway.records()}
