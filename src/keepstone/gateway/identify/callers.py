"""Who calls, by every proof that the policy accepts beside API keys: token, signature, certificate.

One proof is judged, the first that a call carries; a wrong one is never mended by another.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.exchange import Operation
from keepstone.core.principal import Principal
from keepstone.gateway.identify.certificate import PEER, CertificateRules, PeerCertificate
from keepstone.gateway.identify.forwarded import Forwarding
from keepstone.gateway.identify.pending import Pending
from keepstone.gateway.identify.sigv4 import NeedsBody, SignedRequest, SigV4Verifier
from keepstone.gateway.identify.tokens import OTHER_ISSUER, UNKNOWN, TokenVerifier, UnknownKeyError, part

NOT_READ = Decision.refuse(ReasonCode.SIGNATURE_INCOMPLETE, "the signed body was not read")
MISSING = Decision.refuse(
    ReasonCode.CREDENTIALS_MISSING,
    "the call carries no credentials that this gateway takes; "
    "set AWS_BEARER_TOKEN_BEDROCK to a key of it or to a token of its identity provider",
)


class SigningKey(Protocol):
    """An access key that is good now."""

    @property
    def principal(self) -> Principal:
        """Return the caller that it stands for."""
        ...

    @property
    def secret(self) -> str:
        """Return the secret access key."""
        ...


class SigningKeys(Protocol):
    """Where access keys are looked up."""

    def signing_key(self, access_key: str, now_ns: int) -> SigningKey | Decision:
        """Return an access key, or why it is not good."""
        ...


class Callers:
    """The proofs that one policy accepts."""

    def __init__(
        self,
        verifiers: Mapping[str, TokenVerifier],
        sigv4: SigV4Verifier | None,
        certificates: CertificateRules | None,
        forwarding: Forwarding | None = None,
    ) -> None:
        self._by_issuer = verifiers
        self._sigv4 = sigv4
        self._certificates = certificates
        self._forwarding = forwarding

    @property
    def takes_signatures(self) -> bool:
        """Say whether signed calls are accepted at all."""
        return self._sigv4 is not None

    def peer(self, scope: Mapping[str, Any]) -> PeerCertificate | Decision | None:
        """Return the certificate that a call comes with: its connection's, or what a believed proxy says."""
        own: PeerCertificate | None = scope.get(PEER)
        return own if self._forwarding is None else self._forwarding.peer(scope)

    def bearer(
        self, token: bytes, now_ns: int, peer: PeerCertificate | Decision | None, operation: Operation | None
    ) -> Principal | Decision | Pending:
        """Return who holds a token, by the provider that it says it is from."""
        if isinstance(peer, Decision):
            return peer
        claims = part(token, 1)
        if claims is None:
            return UNKNOWN
        verifier = self._by_issuer.get(str(claims.get("iss")))
        if verifier is None:
            return OTHER_ISSUER
        try:
            found = verifier.identify(token, now_ns / 1e9, peer.thumbprint if peer else "", operation)
        except UnknownKeyError as error:
            return Pending(error.refusal, error.source)
        return found if isinstance(found, Decision) else found.principal

    def signer(
        self, request: SignedRequest, now_ns: int, keys: SigningKeys
    ) -> Principal | Decision | Pending:
        """Return who signed a request."""
        if self._sigv4 is None:
            return MISSING
        claimed = self._sigv4.claimed(request, now_ns / 1e9)
        if isinstance(claimed, Decision):
            return claimed
        key = keys.signing_key(claimed.access_key, now_ns)
        if isinstance(key, Decision):
            return key
        refusal = self._sigv4.verify(request, claimed, key.secret)
        if isinstance(refusal, NeedsBody):
            return Pending(NOT_READ)
        return key.principal if refusal is None else refusal

    def holder(self, peer: PeerCertificate | Decision | None, now_ns: int) -> Principal | Decision:
        """Return whom a connection's certificate stands for."""
        if isinstance(peer, Decision):
            return peer
        if peer is None or self._certificates is None:
            return MISSING
        if now_ns / 1e9 >= peer.not_after:  # a connection may outlive the certificate that opened it
            message = "the client certificate has expired since the connection was opened; open another"
            return Decision.refuse(ReasonCode.CREDENTIALS_EXPIRED, message)
        principal = self._certificates.principal(peer)
        if principal is None:
            message = "no rule of `identities.mtls` fits the client certificate"
            return Decision.refuse(ReasonCode.CREDENTIALS_UNKNOWN, message)
        return principal
