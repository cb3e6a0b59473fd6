"""JWTs of a real identity provider, by unmodified boto3: accepted, refused, and while its keys change."""

import base64
import hashlib
import hmac
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conversation import said, user
from tests.e2e.gateway_process import GatewayProcess
from tests.services.identity import IdentityProvider, encoded, nonsense, unsigned

pytestmark = pytest.mark.xdist_group("e2e-identity")

POLICY = """\
version: 1
organisation: {{name: Tokens}}
identities:
  roles:
    application: {{allow: [{{models: ["keepstone.*"]}}]}}
    batch: {{allow: [{{models: ["keepstone.*"], operations: [Converse]}}]}}
  oidc:
    corp:
      issuer: {issuer}
      audiences: [keepstone]
      clients: [batch, bound]
      roles: {{engineers: [application], machines: [batch]}}
      tenant_claim: tenant
      data_class_claim: class
      once: [CountTokens]
      skew: 1s
      keys_max_age: 5m
      keys_hold: 10m
  step_up:
    - {{models: ["keepstone.sensitive-*"], max_age: 15m, methods: [otp]}}
upstreams: {{dev: {{kind: dev}}}}
models: [{{id: "keepstone.*", upstreams: [dev]}}]
"""
BODY = json.dumps({"messages": user("hello")}).encode()
CLAIMS = {"groups": ["engineers"], "tenant": "blue", "class": "Internal"}


@pytest.fixture(scope="module")
def idp() -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, idp: IdentityProvider) -> Iterator[GatewayProcess]:
    policy = POLICY.format(issuer=idp.issuer)
    process = GatewayProcess(tmp_path_factory.mktemp("tokens"), policy)
    try:
        yield process.start()
    finally:
        process.close()


def ask(gateway: GatewayProcess, token: str, model: str = "keepstone.dev") -> Any:
    return gateway.client(token).converse(modelId=model, messages=user("hello"))


def reason(gateway: GatewayProcess, token: str, model: str = "keepstone.dev") -> str:
    """The reason of a refusal."""
    status, headers, body = gateway.post(f"/model/{model}/converse", BODY, token=token)
    assert status in (403, 503)
    assert token.encode() not in body
    return headers["x-keepstone-reason"]


class TestAccepted:
    @pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
    def test_client_credentials(self, guarded: GatewayProcess, idp: IdentityProvider, algorithm: str) -> None:
        answer = ask(guarded, idp.token(claims=CLAIMS, algorithm=algorithm))
        assert said(answer)
        record = guarded.record(answer["ResponseMetadata"]["RequestId"])
        assert record["principal"]["id"] == "corp/batch"
        assert record["principal"]["kind"] == "oidc"
        assert record["principal"]["roles"] == ["application"]

    def test_groups_become_roles_and_roles_decide(
        self, guarded: GatewayProcess, idp: IdentityProvider
    ) -> None:
        token = idp.token(claims=CLAIMS | {"groups": ["machines", "unmapped"]})
        client = guarded.client(token)
        assert said(client.converse(modelId="keepstone.dev", messages=user("hello")))
        with pytest.raises(client.exceptions.AccessDeniedException, match="no_rule_allows"):
            client.converse_stream(modelId="keepstone.dev", messages=user("hello"))

    def test_no_group_that_the_policy_maps(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        assert reason(guarded, idp.token(claims=CLAIMS | {"groups": ["unmapped"]})) == "role_unknown"

    def test_the_class_of_data_is_at_least_the_claims(
        self, guarded: GatewayProcess, idp: IdentityProvider
    ) -> None:
        assert reason(guarded, idp.token(claims=CLAIMS | {"class": "Restricted"})) == "data_class_too_high"
        assert reason(guarded, idp.token(claims=CLAIMS | {"class": "Cosmic"})) == "credentials_incomplete"


class TestRefused:
    def test_another_audience(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        token = idp.token(claims=CLAIMS, resource="urn:payroll")
        with pytest.raises(ClientError, match="credentials_for_another"):
            ask(guarded, token)

    def test_another_client(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        assert reason(guarded, idp.token("stranger", claims=CLAIMS)) == "credentials_for_another"

    def test_an_expired_token(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        token = idp.token(claims=CLAIMS, lifetime=1)
        assert said(ask(guarded, token))  # remembered from here on
        time.sleep(2.2)
        assert reason(guarded, token) == "credentials_expired"

    def test_claims_that_were_changed(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        token = idp.token(claims=CLAIMS | {"groups": ["machines"]})
        assert said(ask(guarded, token))
        assert reason(guarded, unsigned(token, groups=["engineers"])) == "credentials_unknown"

    def test_another_issuer(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        forged = unsigned(idp.token(claims=CLAIMS), iss=idp.issuer + "/")
        assert reason(guarded, forged) == "credentials_unknown"

    @pytest.mark.parametrize(
        "algorithm", ["none", "None", "NONE", "nOnE", "HS256", "HS512", "RS1", "", None, 5]
    )
    def test_an_algorithm_of_the_callers_choice(
        self, guarded: GatewayProcess, idp: IdentityProvider, algorithm: Any
    ) -> None:
        """Among them the classic: HMAC under the provider's public key, as PEM and as published."""
        _, body, signature = idp.token(claims=CLAIMS).split(".")
        published = guarded_keys(idp)
        head = encoded({"alg": algorithm, "typ": "JWT", "kid": published[0]["kid"]})
        signed = f"{head}.{body}".encode()
        macs = [
            base64.urlsafe_b64encode(hmac.new(key, signed, hashlib.sha256).digest()).rstrip(b"=").decode()
            for key in (json.dumps(published[0]).encode(), published[0]["n"].encode())
        ]
        for forged in ("", signature, *macs):
            assert reason(guarded, f"{head}.{body}.{forged}") == "credentials_unknown"

    @pytest.mark.parametrize(
        "token", ["a.b.c", "..", "eyJ.eyJ.eyJ", ".".join(["e30"] * 3), "e30.e30.e30.e30.e30"]
    )
    def test_no_token_at_all(self, guarded: GatewayProcess, token: str) -> None:
        assert reason(guarded, token) == "credentials_unknown"


def guarded_keys(idp: IdentityProvider) -> list[dict[str, str]]:
    with urlopen(f"{idp.issuer}/jwks", timeout=10) as answer:
        return list(json.load(answer)["keys"])


class TestOnce:
    def test_an_operation_that_takes_a_token_once(
        self, guarded: GatewayProcess, idp: IdentityProvider
    ) -> None:
        client = guarded.client(idp.token(claims=CLAIMS))
        counted = {"converse": {"messages": user("hello")}}
        for _ in range(2):
            client.converse(modelId="keepstone.dev", messages=user("hello"))
        client.count_tokens(modelId="keepstone.dev", input=counted)
        with pytest.raises(ClientError, match="credentials_replayed"):
            client.count_tokens(modelId="keepstone.dev", input=counted)


class TestStepUp:
    def test_a_fresh_second_factor(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        now = int(time.time())
        fresh = CLAIMS | {"auth_time": now - 60, "amr": ["pwd", "otp"]}
        assert said(ask(guarded, idp.token(claims=fresh), "keepstone.sensitive-1"))

    @pytest.mark.parametrize(
        "claims",
        [
            {},
            {"amr": ["otp"]},
            {"amr": ["pwd"], "auth_time": 0},
            {"amr": ["pwd"], "auth_time": -60},
            {"amr": ["otp"], "auth_time": -16 * 60},
            {"amr": ["otp"], "auth_time": 3600},
            {"amr": "otp-not", "auth_time": 0},
        ],
    )
    def test_no_fresh_second_factor(
        self, guarded: GatewayProcess, idp: IdentityProvider, claims: dict[str, Any]
    ) -> None:
        if "auth_time" in claims:
            claims = claims | {"auth_time": int(time.time()) + claims["auth_time"]}
        token = idp.token(claims=CLAIMS | claims)
        assert reason(guarded, token, "keepstone.sensitive-1") == "step_up_required"
        assert said(ask(guarded, token))

    def test_a_key_cannot_step_up(self, guarded: GatewayProcess) -> None:
        client = guarded.client()
        with pytest.raises(client.exceptions.AccessDeniedException, match="second factor") as caught:
            client.converse(modelId="keepstone.sensitive-1", messages=user("hello"))
        assert "step_up_required" in str(caught.value)


class TestKeys:
    def test_keys_rotate(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        old = idp.token(claims=CLAIMS)
        assert said(ask(guarded, old))
        time.sleep(5.1)  # made-up key ids cannot make the gateway ask more often
        idp.tell("rotate")
        assert said(ask(guarded, idp.token(claims=CLAIMS)))  # the call waits for the new keys
        assert reason(guarded, old) == "credentials_unknown"  # though it was remembered

    def test_a_key_nobody_publishes_asks_seldom(self, guarded: GatewayProcess, idp: IdentityProvider) -> None:
        def fetches() -> float:
            lines = guarded.get("/metrics")[1].splitlines()
            return sum(
                float(each.split()[-1]) for each in lines if each.startswith("keepstone_key_fetches_total")
            )

        _, body, signature = idp.token(claims=CLAIMS).split(".")
        before = fetches()
        started = time.monotonic()
        for _ in range(20):
            head = encoded({"alg": "RS256", "kid": nonsense()})
            assert reason(guarded, f"{head}.{body}.{signature}") == "credentials_unknown"
        assert fetches() - before <= 1 + (time.monotonic() - started) // 5

    def test_keys_hold_while_the_provider_is_away_and_then_no_more(
        self, tmp_path: Path, idp: IdentityProvider
    ) -> None:
        text = POLICY.format(issuer=idp.issuer).replace("_age: 5m", "_age: 1s").replace("10m", "4s")
        gateway = GatewayProcess(tmp_path, text)
        token = idp.token(claims=CLAIMS)
        try:
            gateway.start()
            assert said(ask(gateway, token))
            idp.tell("away")
            time.sleep(2)
            assert said(ask(gateway, token))
            time.sleep(4)
            assert reason(gateway, token) == "identity_provider_unavailable"
            assert 'key_fetches_total{outcome="failed",provider="corp"}' in gateway.get("/metrics")[1]
            idp.tell("back")
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                time.sleep(1)
                if gateway.post("/model/keepstone.dev/converse", BODY, token=token)[0] == 200:
                    break
            assert said(ask(gateway, token))
        finally:
            idp.tell("back")
            gateway.close()


class TestReload:
    def test_a_provider_that_is_removed_is_not_believed_any_more(
        self, tmp_path: Path, idp: IdentityProvider
    ) -> None:
        text = POLICY.format(issuer=idp.issuer)
        gateway = GatewayProcess(tmp_path, text)
        try:
            gateway.start()
            token = idp.token(claims=CLAIMS)
            assert said(ask(gateway, token))
            gateway.policy.write_text(text.replace("engineers: [application]", "others: [application]"))
            assert gateway.process is not None
            gateway.process.send_signal(signal.SIGHUP)
            time.sleep(1)
            assert reason(gateway, token) == "role_unknown"
        finally:
            gateway.close()
