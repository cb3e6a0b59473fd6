"""OpenID Connect's authorization code flow with PKCE (RFC 7636, S256), from the client's side.

The browser carries a sealed cookie with state, nonce and verifier: any worker can finish what another began.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus, urlencode

from keepstone.core.decision import Decision
from keepstone.core.errors import IdentityError
from keepstone.gateway.identify.claims import claim, number, words
from keepstone.gateway.identify.fetch import fetch_json
from keepstone.gateway.identify.sessions import Session, SignInState
from keepstone.gateway.identify.tokens import TokenVerifier, UnknownKeyError
from keepstone.policy.duration import seconds
from keepstone.policy.schema.callers import ConsoleLogin, OidcProvider

PATIENCE_S = 600
"""How long a person may take at the provider."""
CLOCKS_S = 60
MAX_TEXT = 200


class SignIn:
    """Signs people in by one provider, as one policy says."""

    def __init__(
        self,
        config: ConsoleLogin,
        provider: OidcProvider,
        verifier: TokenVerifier,
        secret: Callable[[], str] | None,
    ) -> None:
        self.config = config
        self.provider = provider
        self.idle_s = seconds(config.idle)
        self.lifetime_s = seconds(config.lifetime)
        self.url = config.url.rstrip("/")
        self._verifier = verifier
        self._secret = secret

    async def begin(self, back: str, now: float, *, fresh: bool) -> tuple[str, SignInState]:
        """Return where the browser must go, and what it must bring back; `fresh` asks for a new sign-in."""
        address = await self._endpoint("authorization_endpoint")
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        query = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": self._callback,
            "scope": " ".join(self.config.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        if self.config.acr_values:
            query["acr_values"] = " ".join(self.config.acr_values)
        if fresh:
            query["prompt"] = "login"
        joint = "&" if "?" in address else "?"
        return f"{address}{joint}{urlencode(query)}", SignInState(
            state, nonce, verifier, back, now + PATIENCE_S
        )

    async def finish(self, answer: Mapping[str, str], known: SignInState, now: float) -> Session:
        """Return the session that the provider's answer begins; raise `IdentityError` for anything amiss."""
        if now > known.until:
            raise IdentityError("the sign-in took too long; begin again")
        if not hmac.compare_digest(answer.get("state", "").encode(), known.state.encode()):
            raise IdentityError("this answer is not to the sign-in that this browser began")
        if answer.get("iss", self.provider.issuer) != self.provider.issuer:  # RFC 9207
            raise IdentityError("the answer is of another identity provider")
        if "error" in answer or not answer.get("code"):
            raise IdentityError("the identity provider did not sign you in")
        tokens = await self._exchange(answer["code"], known.verifier)
        return self._session(await self._claims(str(tokens.get("id_token", ""))), known.nonce, now)

    @property
    def _callback(self) -> str:
        return f"{self.url}/session/callback"

    async def _endpoint(self, name: str) -> str:
        source = self._verifier.source
        if name not in source.endpoints:
            await source.refetch()
        address = source.endpoints.get(name)
        if address is None:
            raise IdentityError("the identity provider cannot be reached, or offers no sign-in")
        return address

    async def _exchange(self, code: str, verifier: str) -> Mapping[str, object]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback,
            "code_verifier": verifier,
        }
        authorization, client = "", self.config.client_id
        if self._secret is None:
            form["client_id"] = client
        else:  # RFC 6749, 2.3.1: each part form-encoded, then Basic
            pair = f"{quote_plus(client)}:{quote_plus(self._secret())}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        address = await self._endpoint("token_endpoint")
        return await asyncio.to_thread(
            fetch_json, address, self.provider.ca_bundle, form=form, authorization=authorization
        )

    async def _claims(self, token: str) -> Mapping[str, object]:
        """Return the claims of an ID token that the provider has signed, after one look for newer keys."""
        raw = token.encode("latin-1", "replace")
        try:
            found = self._verifier.signed_claims(raw)
        except UnknownKeyError as unknown:
            await unknown.source.refetch()
            try:
                found = self._verifier.signed_claims(raw)
            except UnknownKeyError as error:
                raise IdentityError("the ID token is signed by an unknown key") from error
        if isinstance(found, Decision):
            raise IdentityError(f"the ID token is not accepted: {found.reason.message}")
        return found

    def _session(self, claims: Mapping[str, object], nonce: str, now: float) -> Session:
        """Check an ID token (OpenID Connect Core 1.0, 3.1.3.7) and return the session that it begins."""
        audiences = words(claims.get("aud"), split=False)
        party = claims.get("azp", self.config.client_id if len(audiences) == 1 else None)
        expires, issued = number(claims.get("exp")), number(claims.get("iat"))
        if claims.get("iss") != self.provider.issuer:
            raise IdentityError("the ID token is of another issuer")
        if self.config.client_id not in audiences or party != self.config.client_id:
            raise IdentityError("the ID token is for another client")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise IdentityError("the ID token is not of this sign-in")
        if expires is None or now >= expires + CLOCKS_S or issued is None or issued > now + CLOCKS_S:
            raise IdentityError("the ID token is not valid now")
        subject = claim(claims, self.provider.principal_claim)
        if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject) <= MAX_TEXT:
            raise IdentityError(f"the ID token's `{self.provider.principal_claim}` names nobody")
        held = words(claim(claims, self.provider.roles_claim))
        return Session(
            id=secrets.token_urlsafe(24),
            provider=self.config.provider,
            subject=f"{self.config.provider}/{subject}",
            name=str(claims.get("name", ""))[:MAX_TEXT],
            values=tuple(each for each in held if each in self.provider.roles),
            methods=tuple(words(claims.get("amr"), split=False)[:16]),
            level=str(claims.get("acr", ""))[:MAX_TEXT],
            signed_in=number(claims.get("auth_time")) or 0,
            begun=now,
            seen=now,
            csrf=secrets.token_urlsafe(24),
        )
