"""People in a browser: OpenID Connect's code flow with PKCE with a real provider, and what may go wrong."""

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest

from tests.e2e.browser import Browser, Page
from tests.e2e.gateway_process import GatewayProcess
from tests.services.identity import SECRET, IdentityProvider

pytestmark = pytest.mark.xdist_group("e2e-identity")

HOME = "https://127.0.0.1:1"  # as the provider and the policy know the gateway
COOKIE = "__Host-keepstone"
JSON = "application/json"
POLICY = """\
version: 1
organisation: {{name: Sessions}}
identities:
  roles:
    application: {{allow: [{{models: ["keepstone.*"]}}]}}
  oidc:
    corp:
      issuer: {issuer}
      audiences: [keepstone]
      roles: {{engineers: [application]}}
  console:
    provider: corp
    client_id: {client}
    url: {home}
    {secret}
    idle: 3s
    lifetime: 6s
upstreams: {{dev: {{kind: dev}}}}
models: [{{id: "keepstone.*", upstreams: [dev]}}]
"""


@pytest.fixture(scope="module")
def idp() -> Iterator[IdentityProvider]:
    provider = IdentityProvider(f"{HOME}/session/callback")
    yield provider
    provider.close()


def policy(idp: IdentityProvider, client: str = "console") -> str:
    secret = "client_secret: {env: E2E_CONSOLE}" if client == "console" else ""
    return POLICY.format(issuer=idp.issuer, home=HOME, client=client, secret=secret)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, idp: IdentityProvider) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("sessions")
    process = GatewayProcess(folder, policy(idp), extra={"E2E_CONSOLE": SECRET})
    try:
        yield process.start()
    finally:
        process.close()


def browser(gateway: GatewayProcess) -> Browser:
    return Browser({HOME: gateway.url}, gateway.ca_bundle)


def sign_in(person: Browser, name: str = "ada", amr: str = "pwd otp", back: str = "/session") -> Page:
    """All the way: to the provider, log in, consent, and back."""
    page = person.get(f"{HOME}/session/login?back={back}")
    assert "/interaction/" in page.url, page.body
    page = person.submit(page.url, {"login": name, "amr": amr})
    while "/interaction/" in page.url:
        page = person.submit(page.url, {})
    return page


class TestSignIn:
    def test_the_whole_way(self, console: GatewayProcess) -> None:
        person = browser(console)
        assert person.get(f"{HOME}/session", accept=JSON).status == 401
        page = sign_in(person)
        assert (page.url, page.status) == (f"{HOME}/session", 200)
        assert "signed in as Ada" in page.body
        who = person.get(f"{HOME}/session", accept=JSON).json
        assert (who["id"], who["roles"], who["methods"]) == ("corp/ada", ["application"], ["pwd", "otp"])
        assert who["authenticated_at"] > time.time() - 60
        begun = [each for each in console.records() if each.get("event") == "session.begun"]
        assert begun[-1]["detail"]["principal"] == "corp/ada"

    def test_pkce_state_and_nonce_go_out_and_the_cookie_is_locked_down(self, console: GatewayProcess) -> None:
        person = browser(console)
        page = person.get(f"{HOME}/session/login", follow=False)
        query = {
            key: each[0] for key, each in parse_qs(urlsplit(dict(page.headers)["location"]).query).items()
        }
        assert query["code_challenge_method"] == "S256"
        assert min(len(query[each]) for each in ("state", "nonce", "code_challenge")) >= 43
        cookie = page.cookie(f"{COOKIE}-sign-in")
        for each in ("; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"):
            assert each in cookie
        assert "Domain" not in cookie
        assert query["state"] not in cookie, "it is sealed"

    def test_a_person_without_a_role_is_known_and_holds_none(self, console: GatewayProcess) -> None:
        person = browser(console)
        sign_in(person, "bob", "pwd")
        who = person.get(f"{HOME}/session", accept=JSON).json
        assert (who["id"], who["roles"], who["methods"]) == ("corp/bob", [], ["pwd"])

    def test_a_public_client(self, tmp_path_factory: pytest.TempPathFactory, idp: IdentityProvider) -> None:
        gateway = GatewayProcess(tmp_path_factory.mktemp("public"), policy(idp, "public-console"))
        try:
            gateway.start()
            assert "signed in as Ada" in sign_in(browser(gateway)).body
        finally:
            gateway.close()

    @pytest.mark.parametrize(
        "back", ["//evil.example", "/\\evil.example", "https://evil.example", "%0d%0ax:y"]
    )
    def test_nobody_is_sent_elsewhere_afterwards(self, console: GatewayProcess, back: str) -> None:
        assert sign_in(browser(console), back=back).url == f"{HOME}/session"


class TestForged:
    def returned(self, person: Browser) -> str:
        """The provider's answer, not followed: a fresh and unused code."""
        url = person.get(f"{HOME}/session/login").url
        for _ in range(12):
            asked = "/interaction/" in url
            form = {"login": "ada", "amr": "pwd"} if asked else None
            page = person.send("POST" if asked else "GET", url, form, follow=False)
            url = urljoin(url, {key.lower(): value for key, value in page.headers}["location"])
            if url.startswith(f"{HOME}/session/callback"):
                return url
        raise AssertionError("the provider did not send us back")

    def test_another_browser_cannot_use_the_answer(self, console: GatewayProcess) -> None:
        """Login CSRF: an attacker's answer in a victim's browser."""
        answer = self.returned(browser(console))
        victim = browser(console)
        assert victim.get(answer).status == 403  # began nothing
        victim.get(f"{HOME}/session/login", follow=False)
        assert victim.get(answer).status == 403  # began another
        assert victim.get(f"{HOME}/session", accept=JSON).status == 401

    def test_another_state_another_issuer_an_error(self, console: GatewayProcess) -> None:
        person = browser(console)
        answer = self.returned(person)
        for changed in (
            answer.replace("state=", "state=x"),
            answer.split("&iss=")[0] + "&iss=https%3A%2F%2Fevil.example",
            answer.replace("code=", "code=x"),
            answer.replace("code=", "error=access_denied&old="),
            f"{HOME}/session/callback",
        ):
            assert person.get(changed).status == 403
        assert person.get(answer).status == 200
        replay = browser(console)
        replay.jar = {key: dict(value) for key, value in person.jar.items()}
        assert replay.get(answer).status == 403, "a code and its state are good once"

    @pytest.mark.parametrize("value", ["", "x", "A" * 5000, "eyJ.eyJ.eyJ", "%00", "=" * 40])
    def test_a_cookie_of_ones_own_making(self, console: GatewayProcess, value: str) -> None:
        person = browser(console)
        person.jar[HOME.partition("//")[2]] = {COOKIE: value}
        assert person.get(f"{HOME}/session", accept=JSON).status == 401

    def test_one_kind_of_cookie_is_no_other_and_a_changed_bit_is_none(self, console: GatewayProcess) -> None:
        person = browser(console)
        sign_in(person)
        jar = person.jar[HOME.partition("//")[2]]
        good = jar[COOKIE]
        flipped = good[:-3] + ("A" if good[-3] != "A" else "B") + good[-2:]
        person.get(f"{HOME}/session/login", follow=False)
        for bad in (flipped, jar[f"{COOKIE}-sign-in"]):
            jar[COOKIE] = bad
            assert person.get(f"{HOME}/session", accept=JSON).status == 401


class TestEnd:
    def test_sign_out_needs_the_form_s_own_token_and_holds(self, console: GatewayProcess) -> None:
        person = browser(console)
        sign_in(person)
        stolen = browser(console)
        stolen.jar = {key: dict(value) for key, value in person.jar.items()}
        assert person.submit(f"{HOME}/session/logout", {"csrf": "guessed"}).status == 403
        csrf = person.get(f"{HOME}/session", accept=JSON).json["csrf"]
        assert (
            person.submit(f"{HOME}/session/logout", {"csrf": csrf}).status == 401
        )  # back at /session, nobody
        assert stolen.get(f"{HOME}/session", accept=JSON).status == 401, "a copy of the cookie ends with it"

    def test_an_idle_session_ends(self, console: GatewayProcess) -> None:
        person = browser(console)
        sign_in(person)
        time.sleep(3.2)
        assert person.get(f"{HOME}/session", accept=JSON).status == 401

    def test_it_is_only_offered_where_it_is_configured(self, gateway: GatewayProcess) -> None:
        assert gateway.get("/session")[0] == 404
        assert gateway.get("/session/login")[0] == 404
