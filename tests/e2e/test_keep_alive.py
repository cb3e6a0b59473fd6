"""An idle connection stays open for as long as it is told, with one process and with workers."""

import socket
import time

import pytest

from tests.e2e.gateway_process import GatewayProcess

POLICY = """
version: 1
organisation: {name: Idle}
identities: {roles: {application: {allow: [{models: ["*"]}]}}}
upstreams: {dev: {kind: dev}}
models: [{id: "keepstone.*", upstreams: [dev]}]
"""


def open_for(url: str, most: float) -> float:
    """Return how long a connection stays open after an answer."""
    host, port = url.removeprefix("http://").strip("/").split(":")
    with socket.create_connection((host, int(port)), most) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        try:
            while connection.recv(4096):
                began = time.monotonic()
        except TimeoutError:
            return most
        return time.monotonic() - began


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_idle_connection_is_closed_when_its_time_is_over_and_not_before(tmp_path, workers) -> None:
    process = GatewayProcess(tmp_path, POLICY, "--plain-http", "--workers", workers, "--keep-alive", "1.5")
    try:
        assert 1 < open_for(process.start().url, 10) < 4
    finally:
        process.close()


def test_one_that_is_told_to_stay_stays_longer_than_by_default(tmp_path) -> None:
    process = GatewayProcess(tmp_path, POLICY, "--plain-http", extra={"KEEPSTONE_KEEP_ALIVE": "60"})
    try:
        assert open_for(process.start().url, 6.5) == 6.5
    finally:
        process.close()
