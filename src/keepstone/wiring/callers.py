"""Who may call: what verifies tokens, signatures and certificates, as the policy names them."""

from collections.abc import Mapping
from dataclasses import replace

from keepstone.core.clock import SystemClock
from keepstone.gateway.active import Active
from keepstone.gateway.identify.callers import Callers
from keepstone.gateway.identify.certificate import CertificateRules
from keepstone.gateway.identify.code_flow import SignIn
from keepstone.gateway.identify.forwarded import Forwarding
from keepstone.gateway.identify.key_source import KeySource
from keepstone.gateway.identify.sigv4 import SigV4Verifier
from keepstone.gateway.identify.tokens import TokenVerifier
from keepstone.gateway.metrics import Metrics
from keepstone.policy.schema.callers import ConsoleLogin
from keepstone.wiring.secrets import secret

KeySourceCache = dict[str, KeySource]


def identified(active: Active, cache: KeySourceCache, metrics: Metrics) -> tuple[Active, list[KeySource]]:
    """Add who may call, and return the key sources that are not needed any more.

    A provider whose entry is unchanged keeps its keys; what was verified by them is judged anew.
    """
    identities = active.policy.document.identities
    fresh: KeySourceCache = {}
    for name, config in identities.oidc.items():
        known = cache.get(name)
        same = known is not None and known.config == config
        fresh[name] = known if known and same else KeySource(name, config, metrics, SystemClock.monotonic_ns)
        fresh[name].start()
    retired = [source for name, source in cache.items() if fresh.get(name) is not source]
    cache.clear()
    cache.update(fresh)
    verifiers = {name: TokenVerifier(name, source.config, source) for name, source in fresh.items()}
    callers = Callers(
        {verifier.source.config.issuer: verifier for verifier in verifiers.values()},
        SigV4Verifier(identities.sigv4) if identities.sigv4 else None,
        CertificateRules(identities.mtls) if identities.mtls else None,
        Forwarding(identities.mtls.forwarded) if identities.mtls and identities.mtls.forwarded else None,
    )
    sign_in = _sign_in(identities.console, verifiers) if identities.console else None
    taken = bool(identities.oidc or identities.sigv4 or identities.mtls)
    return replace(active, callers=callers if taken else None, sign_in=sign_in), retired


def _sign_in(console: ConsoleLogin, verifiers: Mapping[str, TokenVerifier]) -> SignIn:
    verifier = verifiers[console.provider]
    read = secret(console.client_secret, "of sign-in") if console.client_secret else None
    return SignIn(console, verifier.source.config, verifier, read)
