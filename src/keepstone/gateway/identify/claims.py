"""From the claims of a verified token to a caller; pure, time is an argument.

Every claim comes from outside: a missing or misshapen one that the policy relies on is a refusal with its
reason, never a default.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import DataClass
from keepstone.core.principal import Principal
from keepstone.policy.duration import seconds
from keepstone.policy.schema.callers import OidcProvider

MAX_ID_CHARS = 200
MAX_METHODS = 16


LAST_DATE = 10**12
"""No time that a token states lies beyond: seconds, some thirty thousand years."""


class Verified(Struct, frozen=True):
    """What a token says, once it is believed: the caller, its end, the certificate it is bound to, its id."""

    principal: Principal
    expires: float
    bound_to: str = ""
    jti: str = ""


class ClaimReader:
    """Reads the claims of one provider's tokens by the policy's rules."""

    def __init__(self, name: str, config: OidcProvider) -> None:
        self._name = name
        self._config = config
        self._skew = seconds(config.skew)

    def read(self, claims: Mapping[str, Any], now: float) -> Verified | Decision:
        """Return who the token stands for, or why it is not accepted; `now` is in seconds."""
        return self._time_refusal(claims, now) or self._audience_refusal(claims) or self._verified(claims)

    def _time_refusal(self, claims: Mapping[str, Any], now: float) -> Decision | None:
        expires = number(claims.get("exp"))
        if expires is None:
            return refuse(ReasonCode.CREDENTIALS_INCOMPLETE, "the token does not say when it expires (`exp`)")
        if now >= expires + self._skew:
            return refuse(ReasonCode.CREDENTIALS_EXPIRED, "the token has expired")
        for name in ("nbf", "iat"):
            if name not in claims:
                continue
            begins = number(claims[name])
            if begins is None:
                return refuse(ReasonCode.CREDENTIALS_INCOMPLETE, f"the token's `{name}` is not a time")
            if now < begins - self._skew:
                return refuse(ReasonCode.CREDENTIALS_NOT_YET_VALID, "the token is not valid yet")
        return None

    def _audience_refusal(self, claims: Mapping[str, Any]) -> Decision | None:
        config = self._config
        if claims.get("iss") != config.issuer:
            return refuse(ReasonCode.CREDENTIALS_UNKNOWN, "the token is of another issuer")
        if not set(words(claims.get("aud"), split=False)).intersection(config.audiences):
            expected = ", ".join(f"`{each}`" for each in config.audiences)
            message = f"the token is meant for another audience, expected {expected}"
            return refuse(ReasonCode.CREDENTIALS_FOR_ANOTHER, message)
        if config.clients:
            named = [claims[each] for each in ("azp", "client_id") if each in claims]
            if not named or any(each not in config.clients for each in named):
                message = "the token was issued to a client that the policy does not name"
                return refuse(ReasonCode.CREDENTIALS_FOR_ANOTHER, message)
        return None

    def _verified(self, claims: Mapping[str, Any]) -> Verified | Decision:
        config = self._config
        name = claim(claims, config.principal_claim)
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_ID_CHARS:
            message = f"the token's `{config.principal_claim}` names no caller"
            return refuse(ReasonCode.CREDENTIALS_INCOMPLETE, message)
        tenant = claim(claims, config.tenant_claim) if config.tenant_claim else ""
        if not isinstance(tenant, str) or (config.tenant_claim and not 0 < len(tenant) <= MAX_ID_CHARS):
            message = f"the token's `{config.tenant_claim}` names no tenant"
            return refuse(ReasonCode.CREDENTIALS_INCOMPLETE, message)
        data_class = self._data_class(claims)
        if data_class is None:
            message = f"the token's `{config.data_class_claim}` is not a class of data"
            return refuse(ReasonCode.CREDENTIALS_INCOMPLETE, message)
        bound_to = _bound_to(claims)
        if bound_to is None or (config.sender_constraint == "required" and not bound_to):
            message = "the token is not bound to a client certificate (`cnf`, RFC 8705)"
            return refuse(ReasonCode.CREDENTIALS_NOT_BOUND, message)
        principal = Principal(
            id=f"{self._name}/{name}",
            kind="oidc",
            roles=self.roles(words(claim(claims, config.roles_claim))),
            data_class=data_class,
            tenant=tenant,
            signed_in=number(claims.get("auth_time")) or 0,
            methods=tuple(words(claims.get("amr"), split=False)[:MAX_METHODS]),
            level=_text(claims.get("acr")),
        )
        expires = number(claims.get("exp")) or 0
        return Verified(principal, expires + self._skew, bound_to, _text(claims.get("jti")))

    def roles(self, values: list[str]) -> tuple[str, ...]:
        """Return the policy's roles for the values of the roles claim, each once, in the policy's order."""
        held = [roles for value, roles in self._config.roles.items() if value in values]
        return tuple(dict.fromkeys(role for roles in held for role in roles))

    def _data_class(self, claims: Mapping[str, Any]) -> DataClass | None:
        if self._config.data_class_claim is None:
            return DataClass.PUBLIC
        try:
            return DataClass.parse(str(claim(claims, self._config.data_class_claim)))
        except ValueError:
            return None


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim of this name, or at this path of names joined by dots; `None` if there is none."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def words(value: Any, *, split: bool = True) -> list[str]:
    """Return the texts of a list, or of one text, which `scope` joins by spaces (RFC 6749, 3.3)."""
    if isinstance(value, str):
        return value.split() if split else [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """Return a NumericDate, `None` for what is none; `True` is an integer to Python and none here."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not -LAST_DATE < value < LAST_DATE:
        return None
    return value


def refuse(code: ReasonCode, message: str) -> Decision:
    """Return a refusal at identification."""
    return Decision.refuse(code, message)


def _text(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= MAX_ID_CHARS else ""


def _bound_to(claims: Mapping[str, Any]) -> str | None:
    """Return the thumbprint of the certificate that a token is bound to, "" for none.

    `None` stands for a binding that we cannot check, such as DPoP's (RFC 9449).
    """
    if "cnf" not in claims:
        return ""
    confirmation = claims["cnf"]
    if not isinstance(confirmation, dict) or set(confirmation) != {"x5t#S256"}:
        return None
    return _text(confirmation["x5t#S256"]) or None
