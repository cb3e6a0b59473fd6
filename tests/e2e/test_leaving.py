"""Callers who leave, or do not read: the upstream is let go, and the record says so."""

import json
import time

import pytest

from tests.e2e.gateway_process import GatewayProcess

MODEL = "keepstone.slow"
POLICY = """\
version: 1
organisation: {name: Leaving}
identities:
  roles:
    app: {allow: [{models: ["*"]}]}
upstreams:
  slow: {kind: dev, behaviour: slow, delay: 100ms}
models:
  - {id: keepstone.slow, upstreams: [slow]}
"""


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    process = GatewayProcess(tmp_path_factory.mktemp("leaving"), POLICY, "--plain-http")
    process.start()
    yield process
    process.close()


def test_a_caller_who_leaves_in_the_middle_of_a_stream_is_on_record(slow):
    token = slow.key("app")["token"]
    text = " ".join(["word"] * 200)
    message = {"role": "user", "content": [{"text": text}]}
    body = json.dumps({"messages": [message]}).encode()
    head = (
        f"POST /model/{MODEL}/converse-stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    with slow.socket() as caller:
        caller.sendall(head.encode() + body)
        assert caller.recv(1024).startswith(b"HTTP/1.1 200")
    deadline = time.monotonic() + 10
    closed = []
    while not closed and time.monotonic() < deadline:
        time.sleep(0.1)
        closed = [each for each in slow.records() if each["kind"] == "closed"]
    assert [each["reasons"][0]["code"] for each in closed] == ["caller_left"]
