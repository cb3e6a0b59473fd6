"""How callers prove who they are, beside the API keys that we issue: tokens, signatures, certificates."""

from typing import Annotated, Literal

from msgspec import Meta

from keepstone.policy.schema.upstreams import SecretRef
from keepstone.policy.schema.words import Closed, DataClassName, Duration, ModelGlob, Name, OperationName

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Roles = Annotated[tuple[Name, ...], Meta(min_length=1)]
Claim = Annotated[
    str, Meta(min_length=1, max_length=200, description="a claim, or a path such as `realm_access.roles`")
]
SpiffePattern = Annotated[
    str,
    Meta(
        pattern=r"^spiffe://[a-z0-9._-]+(/.+)?$",
        description="a SPIFFE id; `*` stands for one path segment, a last `/**` for all the rest",
    ),
]
DnsPattern = Annotated[str, Meta(min_length=1, description="a DNS name; a first `*.` stands for one label")]
CommonName = Annotated[str, Meta(min_length=1, description="the subject's common name, letter by letter")]
Url = Annotated[str, Meta(pattern=r"^https?://", max_length=2048)]


class OidcProvider(Closed, frozen=True, kw_only=True):
    """An OpenID provider or OAuth 2.0 authorization server whose JWTs are accepted as bearer tokens."""

    issuer: Annotated[Url, Meta(description="compared letter by letter with the claim `iss`")]
    audiences: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(min_length=1, description="a token must be meant for one of these (`aud`)"),
    ]
    roles: Annotated[
        dict[str, Roles], Meta(min_length=1, description="value of `roles_claim` -> roles of this policy")
    ]
    roles_claim: Claim = "groups"
    clients: Annotated[
        tuple[str, ...], Meta(description="if given, a token must have been issued to one of these clients")
    ] = ()
    algorithms: Annotated[
        tuple[Algorithm, ...],
        Meta(min_length=1, description="of signatures that are accepted; never `none` or a shared secret"),
    ] = ("RS256", "ES256")
    principal_claim: Annotated[Claim, Meta(description="names the caller; stands in every record")] = "sub"
    data_class_claim: Annotated[
        Claim | None, Meta(description="holds the least class of data that the caller's calls carry")
    ] = None
    tenant_claim: Annotated[Claim | None, Meta(description="holds the tenant of the caller")] = None
    skew: Annotated[Duration, Meta(description="how far clocks may differ")] = "30s"
    sender_constraint: Annotated[
        Literal["honoured", "required"],
        Meta(
            description="`required`: only tokens that are bound to the caller's client certificate (RFC 8705)"
        ),
    ] = "honoured"
    once: Annotated[
        tuple[OperationName, ...],
        Meta(description="operations for which a token (`jti`) is good only once, in one gateway process"),
    ] = ()
    jwks_uri: Annotated[
        str, Meta(pattern=r"^(https?://.+)?$", description="instead of what discovery says")
    ] = ""
    ca_bundle: Annotated[str, Meta(description="file of the provider's certificate authorities, PEM")] = ""
    keys_max_age: Annotated[Duration, Meta(description="signing keys are fetched anew after this time")] = (
        "10m"
    )
    keys_hold: Annotated[
        Duration, Meta(description="how long the last keys hold while the provider cannot be reached")
    ] = "24h"


class SigV4Rules(Closed, frozen=True, kw_only=True):
    """Rules for callers that sign with the access keys that `keepstone keys create --sigv4` issues."""

    regions: Annotated[
        tuple[str, ...], Meta(description="regions that a signature may name; none given: every region")
    ] = ()
    skew: Annotated[Duration, Meta(description="how old, or early, a signature may be")] = "5m"
    unsigned_payload: Annotated[
        Literal["refuse", "allow"], Meta(description="whether `UNSIGNED-PAYLOAD` may stand for a body's hash")
    ] = "refuse"


class CertificateRule(Closed, frozen=True, kw_only=True):
    """Gives roles to holders of a client certificate; exactly one of `spiffe`, `dns` and `common_name`."""

    roles: Annotated[Roles, Meta(description="what the holder may do")]
    spiffe: Annotated[
        SpiffePattern | None,
        Meta(description="a SPIFFE id; `*` stands for one path segment, a last `/**` for all the rest"),
    ] = None
    dns: Annotated[DnsPattern | None, Meta(description="a DNS name; a first `*.` stands for one label")] = (
        None
    )
    common_name: Annotated[
        CommonName | None, Meta(description="the subject's common name, letter by letter")
    ] = None
    models: Annotated[tuple[ModelGlob, ...], Meta(description="narrow the roles to these models")] = ()
    operations: Annotated[tuple[OperationName, ...], Meta(description="narrow the roles to these")] = ()
    data_class: Annotated[DataClassName, Meta(description="the least class that its calls carry")] = "Public"


class ForwardedCertificates(Closed, frozen=True, kw_only=True):
    """Proxies of a mesh that end TLS and say in `x-forwarded-client-cert` whose certificate they verified."""

    peers: Annotated[
        tuple[SpiffePattern, ...],
        Meta(description="believe a connection whose own client certificate has one of these SPIFFE ids"),
    ] = ()
    loopback: Annotated[
        bool,
        Meta(
            description="believe every connection from this machine without a client certificate: whatever "
            "runs here can then call as anybody"
        ),
    ] = False


class MutualTls(Closed, frozen=True, kw_only=True):
    """Callers known by a client certificate, verified by `keepstone up --client-ca` or a named proxy."""

    rules: Annotated[tuple[CertificateRule, ...], Meta(min_length=1, description="the first that fits")]
    forwarded: Annotated[
        ForwardedCertificates | None, Meta(description="absent: `x-forwarded-client-cert` is never read")
    ] = None


class StepUp(Closed, frozen=True, kw_only=True):
    """Calls that need a fresh sign-in with a second factor: a token with `auth_time` and `amr` or `acr`."""

    max_age: Annotated[Duration, Meta(description="how long ago the sign-in may have been (`auth_time`)")]
    models: Annotated[tuple[ModelGlob, ...], Meta(min_length=1, description="calls of these models")] = ("*",)
    operations: Annotated[
        tuple[OperationName, ...], Meta(min_length=1, description="by these operations")
    ] = ("*",)
    methods: Annotated[tuple[str, ...], Meta(description="any one of these in `amr` will do (RFC 8176)")] = (
        "mfa",
        "otp",
        "hwk",
        "swk",
        "fpt",
        "face",
        "sc",
    )
    levels: Annotated[tuple[str, ...], Meta(description="or any one of these as `acr`")] = ()
    exempt: Annotated[
        tuple[Literal["api-key", "sigv4", "mtls"], ...],
        Meta(description="callers who cannot step up and need not; without it they are refused"),
    ] = ()


class ConsoleLogin(Closed, frozen=True, kw_only=True):
    """Sign-in of people in a browser: OpenID Connect's code flow with PKCE."""

    provider: Annotated[Name, Meta(description="an entry of `identities.oidc`")]
    client_id: Annotated[
        str, Meta(min_length=1, max_length=200, description="the gateway's own at the provider")
    ]
    url: Annotated[
        Url,
        Meta(description="where browsers reach the gateway; `/session/callback` is added for the provider"),
    ]
    client_secret: Annotated[
        SecretRef | None,
        Meta(description="the gateway's secret at the provider; absent: a public client, PKCE alone"),
    ] = None
    scopes: Annotated[
        tuple[str, ...], Meta(description="asked of the provider; `openid` must be among them")
    ] = ("openid", "profile")
    acr_values: Annotated[tuple[str, ...], Meta(description="asked of the provider at sign-in")] = ()
    idle: Annotated[Duration, Meta(description="a session ends when it is not used for this time")] = "30m"
    lifetime: Annotated[Duration, Meta(description="a session ends after this time, used or not")] = "8h"
