"""Bearer tokens of identity providers: JWTs, verified once and remembered until they expire.

What a token's header says is never believed: the algorithm must be one that the policy lists (asymmetric ones
only), the key must be the provider's and of the algorithm's own type.
"""

import binascii
import hashlib
from base64 import urlsafe_b64decode
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import Operation
from keepstone.gateway.identify.claims import ClaimReader, Verified, refuse
from keepstone.gateway.identify.key_source import KeySource, PublicKey
from keepstone.policy.schema.callers import OidcProvider

MAX_TOKEN_BYTES = 16 * 1024
MAX_REMEMBERED = 8192
MAX_USED = 65536
_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
UNKNOWN = refuse(
    ReasonCode.CREDENTIALS_UNKNOWN, "the bearer token is neither a key of this gateway nor a JWT"
)
OTHER_ISSUER = refuse(
    ReasonCode.CREDENTIALS_UNKNOWN,
    "the token's issuer (`iss`) is no identity provider of the policy; get a token of one that is, or let "
    "the provider be added under `identities.oidc`",
)
FORGED = refuse(ReasonCode.CREDENTIALS_UNKNOWN, "the token's signature is not its issuer's")
BOUND = refuse(
    ReasonCode.CREDENTIALS_NOT_BOUND,
    "the token is bound to a client certificate that this connection does not have (RFC 8705)",
)
USED = refuse(ReasonCode.CREDENTIALS_REPLAYED, "the token was used already, and this operation takes it once")
NO_ID = refuse(ReasonCode.CREDENTIALS_INCOMPLETE, "this operation takes a token once, and it has no `jti`")
CROWDED = refuse(ReasonCode.OVERLOADED, "too many one-time tokens are remembered at the moment")


class UnknownKeyError(Exception):
    """A token is signed by a key that is not known (yet): `source` may be asked once more."""

    def __init__(self, source: KeySource, refusal: Decision) -> None:
        super().__init__("a key is unknown")
        self.source = source
        self.refusal = refusal


class TokenVerifier:
    """Verifies the tokens of one provider; lives as long as the policy that named it."""

    def __init__(self, name: str, config: OidcProvider, source: KeySource) -> None:
        self.name = name
        self.source = source
        self.claims = ClaimReader(name, config)
        self._algorithms = frozenset(config.algorithms)
        self._registry = JWSRegistry(algorithms=list(config.algorithms), strict_check_header=False)
        self._once = frozenset(config.once)
        self._remembered: dict[bytes, Verified] = {}
        self._version = -1
        self._used: dict[str, float] = {}

    def identify(
        self, token: bytes, now: float, thumbprint: str = "", operation: Operation | None = None
    ) -> Verified | Decision:
        """Return who holds `token`, or the refusal; raise `UnknownKeyError` when its key is not there.

        `now` is in seconds; `thumbprint` is that of the connection's client certificate, if it has one.
        """
        source = self.source
        if not source.fresh:
            header = self._header(token)  # what is forged whatever the keys are, no provider need vouch for
            if isinstance(header, Decision):
                return header
            message = f"the signing keys of identity provider `{self.name}` are not at hand"
            raise UnknownKeyError(source, refuse(ReasonCode.IDENTITY_PROVIDER_UNAVAILABLE, message))
        if self._version != source.version:
            self._remembered.clear()
            self._version = source.version
        digest = hashlib.sha256(token).digest()
        found = self._remembered.get(digest)
        if found is None or now >= found.expires:
            fresh = self.verified(token, now)
            if isinstance(fresh, Decision):
                return fresh
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[digest] = fresh
        if found.bound_to and found.bound_to != thumbprint:  # both are public: nothing to time
            return BOUND
        # an operation that only the body tells counts as each of them
        if self._once and (operation is None or "*" in self._once or operation in self._once):
            return self._first_use(found, now) or found
        return found

    def verified(self, token: bytes, now: float) -> Verified | Decision:
        """Verify a token from the ground."""
        claims = self.signed_claims(token)
        return claims if isinstance(claims, Decision) else self.claims.read(claims, now)

    def signed_claims(self, token: bytes) -> dict[str, Any] | Decision:
        """Return the claims of a token that the provider has signed; raise `UnknownKeyError`."""
        header = self._header(token)
        if isinstance(header, Decision):
            return header
        key = self._key(header.get("kid"))
        if not _fits(key, header["alg"]):
            return FORGED
        try:
            verified = jws.deserialize_compact(token, key, registry=self._registry)
            claims = msgspec.json.decode(verified.payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            return FORGED
        return claims if isinstance(claims, dict) else UNKNOWN

    def _header(self, token: bytes) -> dict[str, Any] | Decision:
        """Return a token's header if the policy's rules on algorithms allow it; no key is needed for that."""
        header = part(token, 0)
        if header is None:
            return UNKNOWN
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            return refuse(
                ReasonCode.CREDENTIALS_UNKNOWN, "the token is signed by an algorithm that is not allowed"
            )
        if "crit" in header or "b64" in header:
            return refuse(ReasonCode.CREDENTIALS_UNKNOWN, "the token's header asks for an unknown extension")
        return header

    def _key(self, kid: Any) -> PublicKey:
        keys = self.source.keys
        if kid is None and len(keys) == 1:
            return next(iter(keys.values()))
        found = keys.get(kid) if isinstance(kid, str) else None
        if found is None:
            message = f"the token is signed by a key that identity provider `{self.name}` does not publish"
            raise UnknownKeyError(self.source, refuse(ReasonCode.CREDENTIALS_UNKNOWN, message))
        return found

    def _first_use(self, found: Verified, now: float) -> Decision | None:
        """Remember that a token was used; the refusal if it was before, or if that cannot be remembered."""
        if not found.jti:
            return NO_ID
        if found.jti in self._used:
            return USED
        if len(self._used) >= MAX_USED:
            self._used = {jti: end for jti, end in self._used.items() if end > now}
            if len(self._used) >= MAX_USED:
                return CROWDED
        self._used[found.jti] = found.expires
        return None


def part(token: bytes, number: int) -> dict[str, Any] | None:
    """Return a JSON part of a compact JWS, not verified; `None` for what is none."""
    parts = token.split(b".") if len(token) <= MAX_TOKEN_BYTES else []
    if len(parts) != 3:
        return None
    raw = parts[number]
    try:
        found = msgspec.json.decode(urlsafe_b64decode(raw + b"=" * (-len(raw) % 4)))
    except (binascii.Error, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return found if isinstance(found, dict) else None


def _fits(key: PublicKey, algorithm: str) -> bool:
    """Say whether a key is one for this algorithm: type, curve, and what the key itself is marked for."""
    marked = key.get("alg")
    if key.key_type != _TYPES[algorithm[:2]] or marked not in (None, algorithm):
        return False
    return algorithm not in _CURVES or key.get("crv") == _CURVES[algorithm]
