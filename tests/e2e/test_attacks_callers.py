"""Credentials, headers and queries that nobody's client sends, and names that are a person's.

Each led to a status 500, a dropped connection, or a stranger's text in records or logs once.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conversation import user
from tests.e2e.gateway_process import GatewayProcess, receive_all
from tests.simulators.issuer import AUDIENCE, Issuer

pytestmark = pytest.mark.xdist_group("e2e-attacks")

Json = dict[str, Any]
POLICY = """\
version: 1
organisation: {{name: Strangers}}
purposes: {{support: {{description: helping customers}}}}
identities:
  roles:
    application: {{allow: [{{models: ["keepstone.*"]}}]}}
  sigv4: {{regions: [us-east-1]}}
  oidc:
    corp: {{issuer: "{issuer}", audiences: [{audience}], roles: {{all: [application]}}}}
    gone: {{issuer: "https://127.0.0.1:9/", audiences: [{audience}], roles: {{all: [application]}}}}
  console: {{provider: gone, client_id: c, url: "https://127.0.0.1:1"}}
upstreams: {{dev: {{kind: dev}}}}
models: [{{id: "keepstone.*", upstreams: [dev]}}]
guardrails: {{default: {{pii: {{EMAIL: ANONYMIZE}}}}}}
"""
MODEL = "/model/keepstone.dev/converse"
BODY = json.dumps({"messages": user("hello")}).encode()
PERSON = "kari.nordmann@example.org"
NUMBER = "4111-1111-1111-1111"
NEEDLES = (PERSON, "kari.nordmann", NUMBER)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[GatewayProcess]:
    policy = POLICY.format(issuer=issuer.url, audience=AUDIENCE)
    process = GatewayProcess(tmp_path_factory.mktemp("strangers"), policy, "--log-level", "debug")
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture(autouse=True)
def _nothing_of_a_stranger_is_kept(gateway: GatewayProcess) -> Iterator[None]:
    """After each test: no name, and no failure inside the gateway."""
    yield
    kept = {
        "log": gateway.log.read_text(),
        "metrics": gateway.get("/metrics")[1],
        "records": json.dumps(gateway.records()),
    }
    for place, text in kept.items():
        assert not [needle for needle in NEEDLES if needle in text], place
    assert "inside the gateway" not in kept["log"]
    assert "Traceback" not in kept["log"]


def encoded(value: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def reason(gateway: GatewayProcess, token: str) -> str:
    """Why a token is refused."""
    _, headers, _ = gateway.post(MODEL, BODY, token=token)
    return headers["x-keepstone-reason"]


class TestTokens:
    def test_a_good_one(self, gateway: GatewayProcess, issuer: Issuer) -> None:
        assert gateway.post(MODEL, BODY, token=issuer.token(sub="batch"))[0] == 200

    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize("value", [10**400, 1e308, -(10**400), 10**13, "soon", True, [1], None])
    def test_times_that_are_none(
        self, gateway: GatewayProcess, issuer: Issuer, name: str, value: Any
    ) -> None:
        assert reason(gateway, issuer.token(sub="batch", **{name: value})) == "credentials_incomplete"

    def test_a_time_of_sign_in_that_is_none_is_not_believed(
        self, gateway: GatewayProcess, issuer: Issuer
    ) -> None:
        for value in (10**400, "NaN", [1]):
            assert gateway.post(MODEL, BODY, token=issuer.token(sub="batch", auth_time=value))[0] == 200

    def test_an_issuer_that_the_policy_does_not_name(self, gateway: GatewayProcess, issuer: Issuer) -> None:
        for other in ("https://login.example.com/", PERSON, {"a": 1}, None):
            token = issuer.token(sub="batch", iss=other)
            status, headers, body = gateway.post(MODEL, BODY, token=token)
            assert (status, headers["x-keepstone-reason"]) == (403, "credentials_unknown")
            assert "`identities.oidc`" in json.loads(body)["message"]

    @pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS256"}, {}, {"alg": ["RS256"]}])
    def test_a_forged_token_while_the_provider_is_gone(self, gateway: GatewayProcess, header: Json) -> None:
        claims = {"iss": "https://127.0.0.1:9/", "aud": AUDIENCE, "sub": "x", "exp": 2**40, "groups": ["all"]}
        for signature in ("", "AAAA"):
            token = f"{encoded(header)}.{encoded(claims)}.{signature}"
            assert reason(gateway, token) == "credentials_unknown"
        known = {"alg": "RS256", "kid": "k"}
        assert reason(gateway, f"{encoded(known)}.{encoded(claims)}.AAAA") == "identity_provider_unavailable"
        critical = {**known, "crit": ["b64"], "b64": False}
        assert reason(gateway, f"{encoded(critical)}.{encoded(claims)}.AAAA") == "credentials_unknown"


class TestSignatures:
    @pytest.mark.parametrize(
        "scope",
        [
            f"20261121/us-east-1/{NUMBER}/aws4_request",
            f"20261121/{NUMBER}/bedrock/aws4_request",
            f"20261121/us-east-1/{PERSON}/aws4_request",
            f"{NUMBER}/us-east-1/bedrock/aws4_request",
        ],
    )
    def test_a_scope_is_not_repeated(self, gateway: GatewayProcess, scope: str) -> None:
        header = (
            f"AWS4-HMAC-SHA256 Credential=AKIAAAAAAAAAAAAAAAAA/{scope}, SignedHeaders=host, "
            f"Signature={'0' * 64}"
        )
        status, _, body = gateway.post(MODEL, BODY, {"authorization": header})
        assert status in (400, 403)
        assert not [needle for needle in NEEDLES if needle in body.decode()]


class TestHeaders:
    ODD = (b"\xff", b"\xed\xa0\x80", b'"\xff"', b'{"purpose":"\xed\xa0\x80"}', b"[" * 30_000, b'{"a":1e999}')
    NAMES = (
        "x-amzn-bedrock-request-metadata",
        "x-keepstone-purpose",
        "x-keepstone-data-class",
        "x-keepstone-deadline-ms",
        "amz-sdk-request",
        "traceparent",
        "x-amzn-bedrock-trace",
        "x-amzn-bedrock-guardrailidentifier",
        "cache-control",
        "content-encoding",
    )

    @pytest.mark.parametrize("name", NAMES)
    def test_odd_bytes(self, gateway: GatewayProcess, name: str) -> None:
        for value in self.ODD:
            status, headers, _ = gateway.post(MODEL, BODY, {name: value.decode("latin-1")})
            assert status < 500, (name, value[:20])
            assert headers["x-amzn-requestid"]

    def test_odd_bytes_where_credentials_stand(self, gateway: GatewayProcess) -> None:
        for value in (
            b"Bearer \xff",
            b"Bearer ks_\xff_\xff",
            b"Bearer a.b.c",
            b"AWS4-HMAC-SHA256 \xff",
            b"\xff",
        ):
            status, _, _ = gateway.post(MODEL, BODY, {"authorization": value.decode("latin-1")})
            assert status in (400, 403)


class TestSessions:
    @pytest.mark.parametrize("path", ["/session/login", "/session/callback", "/session"])
    @pytest.mark.parametrize(
        "query", ["&".join(["a=1"] * 33), "&".join(["a=1"] * 4000), "a=%ff%00", "%", "back=//x"]
    )
    def test_queries(self, gateway: GatewayProcess, path: str, query: str) -> None:
        status, body = gateway.get(f"{path}?{query}")
        assert status in (401, 403)
        assert body.startswith("<!doctype html>")

    def test_a_path_that_is_none(self, gateway: GatewayProcess) -> None:
        assert gateway.get("/session/%ff")[0] == 404
        assert gateway.exchange("PUT", "/session", b"")[0] == 404

    def test_a_form_that_is_cut(self, gateway: GatewayProcess) -> None:
        with gateway.socket() as connection:
            connection.sendall(b"POST /session/logout HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\na=")
        assert gateway.post(MODEL, BODY)[0] == 200


class TestNames:
    """A caller may write anything where a name is expected; it is told back, and kept nowhere."""

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            (
                f"/guardrail/{PERSON}/version/1/apply",
                {"source": "INPUT", "content": [{"text": {"text": "hi"}}]},
            ),
            (f"/model/{PERSON}%20{NUMBER}/converse", {"messages": user("hi")}),
            (f"/model/{PERSON}/invoke", {"prompt": "hi"}),
            ("/v1/chat/completions", {"model": PERSON, "messages": [{"role": "user", "content": "hi"}]}),
            ("/v1/responses", {"model": PERSON, "input": "hi", "store": False}),
            (
                "/v1/messages",
                {"model": PERSON, "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]},
            ),
            ("/v1/embeddings", {"model": PERSON, "input": "hi"}),
            ("/v1/chat/completions", {"model": "keepstone.dev", "messages": [], PERSON: 1}),
            (f"/v1/{PERSON}", {}),
            (f"/{PERSON}", {}),
            (MODEL, {"messages": user("hi"), "guardrailConfig": {"guardrailIdentifier": PERSON}}),
            (MODEL, {"messages": user("hi"), "requestMetadata": {"purpose": PERSON}}),
            (MODEL, {"messages": [{"role": PERSON, "content": [{PERSON: 1}]}]}),
        ],
    )
    def test_in_places_of_names(self, gateway: GatewayProcess, path: str, body: Json) -> None:
        status, _, _ = gateway.post(path, json.dumps(body).encode())
        assert status < 500

    @pytest.mark.parametrize(
        "name",
        ["x-keepstone-purpose", "x-keepstone-data-class", "x-amzn-bedrock-guardrailidentifier", "user-agent"],
    )
    def test_in_headers(self, gateway: GatewayProcess, name: str) -> None:
        assert gateway.post(MODEL, BODY, {name: f"{PERSON} {NUMBER}"})[0] < 500

    def test_in_listings(self, gateway: GatewayProcess) -> None:
        for path in (
            f"/foundation-models/{PERSON}",
            f"/v1/models/{PERSON}",
            f"/inference-profiles?type={PERSON}",
        ):
            assert gateway.exchange("GET", path, b"")[0] < 500

    def test_in_a_broken_request(self, gateway: GatewayProcess) -> None:
        with gateway.socket() as connection:
            connection.sendall(f"GET /{PERSON} {NUMBER} HTTP/1.1\r\n\r\n".encode())
            assert b" 400 " in receive_all(connection).split(b"\r\n")[0]
