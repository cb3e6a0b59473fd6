"""Mutual TLS with SPIFFE ids, tokens bound to certificates, TLS 1.3, and files that are read again."""

import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from tests.e2e.certificates import Authority
from tests.e2e.conversation import said, user
from tests.e2e.gateway_process import GatewayProcess, environment
from tests.services.identity import IdentityProvider

pytestmark = pytest.mark.xdist_group("e2e-identity")

BODY = json.dumps({"messages": user("hello")}).encode()
CALL = "/model/keepstone.dev/converse"
CHAT = "spiffe://prod.acme/ns/chat/sa/frontend"
POLICY = """\
version: 1
organisation: {{name: Mesh}}
identities:
  roles:
    application: {{allow: [{{models: ["keepstone.*"]}}]}}
    counter: {{allow: [{{models: ["keepstone.*"], operations: [CountTokens]}}]}}
  mtls:
    rules:
      - {{spiffe: "spiffe://prod.acme/ns/*/sa/frontend", roles: [application]}}
      - {{spiffe: "spiffe://prod.acme/batch/**", roles: [counter]}}
      - {{dns: "*.tools.acme", roles: [application]}}
      - {{common_name: legacy, roles: [application]}}
  oidc:
    corp: {{issuer: "{issuer}", audiences: [keepstone], roles: {{machines: [application]}}}}
upstreams: {{dev: {{kind: dev}}}}
models: [{{id: "keepstone.*", upstreams: [dev]}}]
"""


@pytest.fixture(scope="module")
def idp() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def mesh(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, idp: IdentityProvider
) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("mesh")
    process = GatewayProcess(folder, POLICY.format(issuer=idp.issuer), "--client-ca", str(authority.path))
    try:
        yield process.start()
    finally:
        process.close()


class Connection:
    """One TLS connection with a client certificate, kept open."""

    def __init__(self, gateway: GatewayProcess, files: tuple[Path, Path] | None, trust: str = "") -> None:
        context = ssl.create_default_context(cafile=trust or gateway.ca_bundle)
        if files:
            context.load_cert_chain(*files)
        self.http = http.client.HTTPSConnection(*gateway.address, timeout=10, context=context)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def call(self, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[int, str, str]:
        """Status, our reason, request id."""
        self.http.request("POST", CALL, BODY, {"content-type": "application/json", **headers})
        answer = self.http.getresponse()
        answer.read()
        return (
            answer.status,
            answer.getheader("x-keepstone-reason", ""),
            answer.getheader("x-amzn-requestid", ""),
        )

    @property
    def served(self) -> int:
        """The serial number of the server's certificate."""
        certificate: Any = self.http.sock
        return int(certificate.getpeercert()["serialNumber"], 16)


class TestIdentity:
    def test_a_spiffe_id(self, mesh: GatewayProcess, authority: Authority) -> None:
        files = authority.issue("frontend", uris=(CHAT,))
        with Connection(mesh, files) as connection:
            status, _, number = connection.call()
        assert status == 200
        principal = mesh.record(number)["principal"]
        assert (principal["id"], principal["kind"]) == (CHAT, "mtls")

    @pytest.mark.parametrize(
        ("names", "expected"),
        [
            ({"uris": ("spiffe://prod.acme/batch/nightly/7",)}, (403, "no_rule_allows")),
            ({"uris": ("spiffe://prod.acme/batch",)}, (403, "credentials_unknown")),
            ({"uris": ("spiffe://prod.acme/ns/a/b/sa/frontend",)}, (403, "credentials_unknown")),
            ({"uris": ("spiffe://evil.acme/ns/chat/sa/frontend",)}, (403, "credentials_unknown")),
            ({"uris": ("spiffe://prod.acme/ns/../sa/frontend",)}, (403, "credentials_unknown")),
            ({"uris": (CHAT, "spiffe://prod.acme/other")}, (403, "credentials_unknown")),
            ({"uris": ("https://prod.acme/ns/chat/sa/frontend",)}, (403, "credentials_unknown")),
            ({"dns": ("ci.tools.acme",)}, (200, "")),
            ({"dns": ("a.b.tools.acme",)}, (403, "credentials_unknown")),
            ({"dns": ("tools.acme",)}, (403, "credentials_unknown")),
            ({"common_name": "legacy"}, (200, "")),
            ({"common_name": "legacy "}, (403, "credentials_unknown")),
        ],
    )
    def test_names(
        self, mesh: GatewayProcess, authority: Authority, names: dict[str, Any], expected: tuple[int, str]
    ) -> None:
        with Connection(mesh, authority.issue("named", **names)) as connection:
            assert connection.call()[:2] == expected

    def test_no_certificate(self, mesh: GatewayProcess) -> None:
        with Connection(mesh, None) as connection:
            assert connection.call()[:2] == (403, "credentials_missing")
            bearer = {"authorization": f"Bearer {mesh.first_key}"}
            assert connection.call(bearer)[0] == 200

    def test_a_wrong_token_is_not_mended_by_a_certificate(
        self, mesh: GatewayProcess, authority: Authority
    ) -> None:
        with Connection(mesh, authority.issue("frontend", uris=(CHAT,))) as connection:
            assert connection.call({"authorization": "Bearer ks_0_0"})[:2] == (403, "credentials_unknown")
            assert connection.call({"authorization": "Basic eDp5"})[:2] == (403, "credentials_missing")

    def test_a_certificate_of_another_authority(self, mesh: GatewayProcess, tmp_path: Path) -> None:
        stranger = Authority(tmp_path, "Another authority").issue("frontend", uris=(CHAT,))
        with Connection(mesh, stranger) as connection, pytest.raises((ssl.SSLError, OSError)):
            connection.call()

    def test_a_server_s_certificate_is_no_client_s(self, mesh: GatewayProcess, authority: Authority) -> None:
        files = authority.issue("server", uris=(CHAT,), server=True)
        with Connection(mesh, files) as connection, pytest.raises((ssl.SSLError, OSError)):
            connection.call()

    def test_a_certificate_that_expires_while_the_connection_lives(
        self, mesh: GatewayProcess, authority: Authority
    ) -> None:
        files = authority.issue("short", uris=(CHAT,), lifetime=timedelta(seconds=3))
        with Connection(mesh, files) as connection:
            assert connection.call()[0] == 200
            time.sleep(3.2)
            assert connection.call()[:2] == (403, "credentials_expired")

    def test_boto3_with_a_client_certificate(self, mesh: GatewayProcess, authority: Authority) -> None:
        """An unmodified SDK: it signs nothing and sends no token, the connection says who it is."""
        files = authority.issue("frontend", uris=(CHAT,))
        variables = mesh.environment()
        del variables["AWS_BEARER_TOKEN_BEDROCK"]
        with environment(variables):
            config = Config(signature_version=UNSIGNED, client_cert=tuple(map(str, files)))  # type: ignore[arg-type]
            client: Any = boto3.Session().client("bedrock-runtime", config=config)
            assert said(client.converse(modelId="keepstone.dev", messages=user("hello")))
            client.close()


class TestBoundTokens:
    def test_a_bound_token_is_good_on_its_own_connection_only(
        self, mesh: GatewayProcess, authority: Authority, idp: IdentityProvider
    ) -> None:
        holder = authority.issue("holder", common_name="holder")
        thief = authority.issue("thief", common_name="thief")
        token = idp.token("bound", certificate=holder[0].read_text())
        bearer = {"authorization": f"Bearer {token}"}
        for files, expected in (
            (holder, (200, "")),
            (thief, (403, "credentials_not_bound")),
            (None, (403, "credentials_not_bound")),
            (holder, (200, "")),
        ):
            with Connection(mesh, files) as connection:
                assert connection.call(bearer)[:2] == expected


class TestVersions:
    def openssl(self, gateway: GatewayProcess, *options: str) -> subprocess.CompletedProcess[str]:
        """What openssl says about a handshake."""
        where = "{}:{}".format(*gateway.address)
        command = ["openssl", "s_client", "-connect", where, "-CAfile", gateway.ca_bundle, *options]
        return subprocess.run(command, input="", capture_output=True, text=True, timeout=20, check=False)

    def test_tls_1_3_is_the_least(self, mesh: GatewayProcess) -> None:
        assert "TLSv1.3" in self.openssl(mesh).stdout
        refused = self.openssl(mesh, "-tls1_2")
        assert refused.returncode != 0
        assert "Cipher is (NONE)" in refused.stdout

    def test_tls_1_2_where_it_is_asked_for(self, tmp_path: Path, idp: IdentityProvider) -> None:
        gateway = GatewayProcess(tmp_path, POLICY.format(issuer=idp.issuer), "--tls-min", "1.2")
        try:
            gateway.start()
            assert "TLSv1.2" in self.openssl(gateway, "-tls1_2").stdout
            assert self.openssl(gateway, "-tls1_1").returncode != 0
        finally:
            gateway.close()


class TestReload:
    @pytest.fixture
    def own(
        self, tmp_path: Path, authority: Authority, idp: IdentityProvider
    ) -> Iterator[tuple[GatewayProcess, Path]]:
        """A gateway with files of its own, on which client certificates are required."""
        first = Authority(tmp_path / "servers")
        pem, key = first.issue("server", dns=("localhost",), server=True)
        bundle = tmp_path / "clients.pem"
        shutil.copy(authority.path, bundle)
        arguments = ["--tls-cert", str(pem), "--tls-key", str(key), "--host", "127.0.0.1"]
        arguments += ["--client-ca", str(bundle), "--client-certs", "required"]
        process = GatewayProcess(tmp_path / "own", POLICY.format(issuer=idp.issuer), *arguments)
        yield process, bundle
        process.close()

    def test_files_are_read_again_and_no_connection_is_dropped(
        self, own: tuple[GatewayProcess, Path], authority: Authority, tmp_path: Path
    ) -> None:
        gateway, bundle = own
        with gateway.log.open("a") as log:
            gateway.process = subprocess.Popen(
                gateway.command("--port", "0"), stdout=subprocess.PIPE, stderr=log, text=True
            )
        gateway.url = gateway._printed("AWS_ENDPOINT_URL_BEDROCK_RUNTIME")
        deadline = time.monotonic() + 10
        while "ready; stop" not in gateway.log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        trust = str(tmp_path / "servers" / "ca.pem")
        files = authority.issue("frontend", uris=(CHAT,))
        other = authority.issue("other", uris=(CHAT,))
        with _trusting(gateway, files, trust) as old:
            assert old.call()[0] == 200
            serial = old.served
            renewed = Authority(tmp_path / "renewed")
            pem, key = renewed.issue("server", dns=("localhost",), server=True)
            shutil.copy(key, tmp_path / "servers" / "server.key")  # not both at once: the old pair stays
            time.sleep(1.3)
            shutil.copy(pem, tmp_path / "servers" / "server.pem")
            _told(gateway, "read again")
            trust = str(renewed.path)
            assert "not a certificate and its key" in gateway.log.read_text()
            with _trusting(gateway, files, trust) as new:
                assert new.call()[0] == 200
                assert new.served != serial
            assert old.call()[0] == 200
            assert old.served == serial

            bundle.write_bytes(bundle.read_bytes() + authority.revocation_list(other[0]))
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGHUP)
            _told(gateway, "read again", times=2)
            with _trusting(gateway, other, trust) as revoked, pytest.raises((ssl.SSLError, OSError)):
                revoked.call()
            with _trusting(gateway, files, trust) as good:
                assert good.call()[0] == 200
            assert _answer_without_certificate(gateway, trust) == b""


def _answer_without_certificate(gateway: GatewayProcess, trust: str) -> bytes:
    """What a server that requires certificates says to who has none: nothing."""
    context = ssl.create_default_context(cafile=trust)
    context.check_hostname = False
    try:
        with socket.create_connection(gateway.address, 5) as plain, context.wrap_socket(plain) as bare:
            bare.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
            return bare.recv(100)
    except (ssl.SSLError, ConnectionResetError):
        return b""


def _trusting(gateway: GatewayProcess, files: tuple[Path, Path], trust: str) -> Connection:
    connection = Connection(gateway, files, trust)
    context = connection.http._context  # type: ignore[attr-defined]
    context.check_hostname = False  # the name is `localhost`, the address 127.0.0.1
    return connection


def _told(gateway: GatewayProcess, what: str, times: int = 1) -> None:
    deadline = time.monotonic() + 10
    while gateway.log.read_text().count(what) < times:
        assert time.monotonic() < deadline, gateway.log.read_text()
        time.sleep(0.05)


PROXIED = "x-forwarded-client-cert"
GATE = "spiffe://prod.acme/ns/mesh/sa/gate"


@pytest.fixture(scope="module")
def behind(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, idp: IdentityProvider
) -> Iterator[GatewayProcess]:
    """A gateway that believes one proxy of the mesh."""
    text = POLICY.format(issuer=idp.issuer).replace(
        "  mtls:\n", f'  mtls:\n    forwarded: {{peers: ["{GATE}"]}}\n'
    )
    process = GatewayProcess(tmp_path_factory.mktemp("behind"), text, "--client-ca", str(authority.path))
    try:
        yield process.start()
    finally:
        process.close()


class TestForwarded:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (f"By={GATE};URI={CHAT}", (200, "")),
            (f'URI=spiffe://prod.acme/nobody,By={GATE};Subject="";URI={CHAT}', (200, "")),
            (f"URI={CHAT},By={GATE};URI=spiffe://prod.acme/nobody", (403, "credentials_unknown")),
            (f"URI={CHAT};URI=spiffe://prod.acme/nobody", (403, "credentials_unknown")),
            (f'URI="{CHAT}', (403, "credentials_unknown")),
            (None, (403, "credentials_missing")),
        ],
    )
    def test_the_proxy_is_believed_about_its_own_client(
        self, behind: GatewayProcess, authority: Authority, value: str | None, expected: tuple[int, str]
    ) -> None:
        with Connection(behind, authority.issue("gate", uris=(GATE,))) as connection:
            status, reason, number = connection.call({PROXIED: value} if value else {})
        assert (status, reason) == expected
        if status == 200:
            principal = behind.record(number)["principal"]
            assert (principal["id"], principal["kind"]) == (CHAT, "mtls")

    def test_a_caller_who_writes_it_is_who_it_is(
        self, behind: GatewayProcess, mesh: GatewayProcess, authority: Authority
    ) -> None:
        forged = {PROXIED: f"By={GATE};URI={CHAT}"}
        with Connection(behind, authority.issue("other", uris=("spiffe://prod.acme/batch/x",))) as connection:
            assert connection.call(forged)[:2] == (403, "no_rule_allows")
        with Connection(behind, None) as connection:
            assert connection.call(forged)[:2] == (403, "credentials_missing")
        with Connection(mesh, authority.issue("gate", uris=(GATE,))) as connection:
            assert connection.call(forged)[:2] == (403, "credentials_unknown"), "off by default"

    def test_a_sidecar_on_this_machine_only_where_it_is_so_written(
        self, start_plain: Callable[[str], GatewayProcess], idp: IdentityProvider
    ) -> None:
        base = POLICY.format(issuer=idp.issuer)
        headers = {PROXIED: f"URI={CHAT}", "authorization": ""}
        for more, expected in (("", 403), ("    forwarded: {loopback: true}\n", 200)):
            gateway = start_plain(base.replace("  mtls:\n", f"  mtls:\n{more}"))
            assert gateway.post(CALL, BODY, headers)[0] == expected

    @pytest.fixture
    def start_plain(self, start: Callable[..., GatewayProcess]) -> Callable[[str], GatewayProcess]:
        """Start a gateway without TLS."""
        names = iter("ab")
        return lambda text: start("--plain-http", policy=text, name=next(names))
