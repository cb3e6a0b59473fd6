"""`keepstone up` as a process: started on a free port, used as its users use it, always ended."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from keepstone.ledger.whole import WholeReader
from tests.simulators.bedrock import BEARER, KEYS
from tests.simulators.openai import API_KEY

KEEPSTONE = Path(sys.executable).with_name("keepstone")
AWS = Path(sys.executable).with_name("aws")
_SECRETS = {
    "AWS_ACCESS_KEY_ID": KEYS.access_key,
    "AWS_SECRET_ACCESS_KEY": KEYS.secret_key,
    "E2E_BEDROCK_TOKEN": BEARER,
    "E2E_OPENAI_KEY": API_KEY,
}
_NEUTRAL = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "PYTHONWARNINGS": ""}


def clean_environment() -> dict[str, str]:
    """Our own environment without anything that would steer Keepstone or an AWS client."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KEEPSTONE_", "AWS_"))}
    return kept | _NEUTRAL | {"AWS_SHARED_CREDENTIALS_FILE": os.devnull}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Our own environment replaced for the block's time: how an SDK in this process is configured."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class GatewayProcess:
    """A gateway on a folder; `start` and `stop` may alternate, `close` ends what still runs."""

    def __init__(self, folder: Path, policy: str, *arguments: str, extra: Mapping[str, str] = {}) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.home = folder, folder / "home"
        self.policy = folder / "keepstone.yaml"
        self.policy.write_text(policy)
        self.log = folder / "stderr.log"
        self.first_key = ""
        self.ca_bundle = ""
        self.url = ""
        self._arguments = arguments
        self._extra = dict(extra)
        self._clients: list[Any] = []
        self.process: subprocess.Popen[str] | None = None

    # --- the process

    def start(self) -> "GatewayProcess":
        """Start the command and wait until it says and shows that it is ready."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command("--port", "0"),
                env=clean_environment() | _SECRETS | self._extra,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.url = self._printed("AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
        if not self.first_key:
            self.first_key = self._printed("AWS_BEARER_TOKEN_BEDROCK")
        if self.url.startswith("https:"):
            self.ca_bundle = self._printed("AWS_CA_BUNDLE")
        deadline = time.monotonic() + 10
        while self.get("/health/ready")[0] != 200:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)
        return self

    def command(self, *arguments: str) -> list[str]:
        """The command line of `keepstone up` on this folder."""
        policy, home = str(self.policy), str(self.home)
        return [str(KEEPSTONE), "up", "--policy", policy, "--home", home, *self._arguments, *arguments]

    def _printed(self, name: str) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(f"export {name}="), (line, self.log.read_text())
        return line.strip().partition("=")[2]

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and return its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        assert self.process is not None
        process, self.process = self.process, None
        process.send_signal(number)
        try:
            return process.wait(40)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def close(self) -> None:
        """Close the clients and end the process if it still runs."""
        for client in self._clients:
            client.close()
        if self.process is not None:
            self.kill()

    def keepstone(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run another Keepstone command."""
        command = [KEEPSTONE, *arguments]
        env = clean_environment() | _SECRETS | self._extra
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    # --- keys

    def key(self, role: str, *options: str) -> dict[str, str]:
        """Create a key by the real command: its `id` and `token`."""
        where = ("--policy", self.policy, "--home", self.home, "--format", "json")
        made = self.keepstone("keys", "create", "--name", f"e2e-{role}", "--role", role, *options, *where)
        assert made.returncode == 0, made.stderr
        return dict(json.loads(made.stdout))

    def revoke(self, key_id: str) -> None:
        """Revoke a key by the real command."""
        assert self.keepstone("keys", "revoke", key_id, "--home", self.home).returncode == 0

    # --- clients

    def environment(self, token: str | None = None) -> dict[str, str]:
        """What a user exports, and nothing else that an AWS client would read."""
        variables = {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.url,
            "AWS_BEARER_TOKEN_BEDROCK": token or self.first_key,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        if self.ca_bundle:
            variables["AWS_CA_BUNDLE"] = self.ca_bundle
        return clean_environment() | variables

    def client(self, token: str | None = None, *, attempts: int = 1, timeout: float = 30) -> Any:
        """An unmodified boto3 client; it is closed with the gateway."""
        retries = {"total_max_attempts": attempts, "mode": "standard"}
        config = Config(retries=retries, read_timeout=timeout, max_pool_connections=64)
        with environment(self.environment(token)):
            client = boto3.Session().client("bedrock-runtime", config=config)
        self.closes(client)
        return client

    def closes(self, client: Any) -> None:
        """Close a client together with the gateway: a socket that nobody closes is a warning later."""
        self._clients.append(client)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What a client verifies the gateway with."""
        return ssl.create_default_context(cafile=self.ca_bundle) if self.ca_bundle else None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page."""
        status, _, body = self._exchange("GET", path, b"", {})
        return status, body.decode()

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] = {}, *, token: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, lower-case headers and body of a call whose bytes are ours."""
        sent = {"authorization": f"Bearer {token or self.first_key}", "content-type": "application/json"}
        return self._exchange("POST", path, body, sent | headers)

    def exchange(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, lower-case headers and body of any request that carries the first key."""
        own = {"authorization": f"Bearer {self.first_key}", "content-type": "application/json"}
        return self._exchange(method, path, body, own)

    def _exchange(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        host, port = self.address
        connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, port, timeout=30, context=self.tls)
            if self.ca_bundle
            else http.client.HTTPConnection(host, port, timeout=30)
        )
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    @contextmanager
    def socket(self, timeout: float = 10) -> Iterator[socket.socket]:
        """A connection for bytes that no client library would send."""
        with socket.create_connection(self.address, timeout) as plain:
            if not self.ca_bundle:
                yield plain
                return
            assert self.tls is not None
            with self.tls.wrap_socket(plain, server_hostname=self.address[0]) as secured:
                yield secured

    # --- the record

    def records(self) -> list[dict[str, Any]]:
        """Every record, log by log, each oldest first."""
        return [json.loads(data) for _, data in WholeReader(self.home / "ledger").entries()]

    def record(self, request_id: str) -> dict[str, Any]:
        """The last record of one call."""
        found = [each for each in self.records() if each["id"] == request_id]
        assert found, f"no record of {request_id}"
        return found[-1]

    def verify(self) -> subprocess.CompletedProcess[str]:
        """`keepstone ledger verify`."""
        return self.keepstone("ledger", "verify", "--ledger", self.home / "ledger")


def receive_all(connection: socket.socket) -> bytes:
    """All bytes until the other side closes."""
    found = b""
    while True:
        try:
            data = connection.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return found
        if not data:
            return found
        found += data
