"""Client certificates: what of one the gateway needs, and which roles it gives.

TLS has verified the chain and that the caller holds the key (`keepstone up --client-ca`); here is decided who
that is. A SPIFFE certificate has exactly one URI among its names (SPIFFE X.509-SVID, 2).
"""

import hashlib
from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct

from keepstone.core.exchange import DataClass
from keepstone.core.principal import Principal
from keepstone.policy.schema.callers import CertificateRule, MutualTls

PEER = "keepstone.peer"
"""The entry of an ASGI scope with the `PeerCertificate` of a connection that has one."""
_SPIFFE = "spiffe://"


class PeerCertificate(Struct, frozen=True):
    """A verified client certificate; `thumbprint` is base64url(SHA-256(DER)) as in RFC 8705, 3.1."""

    thumbprint: str
    uris: tuple[str, ...]
    dns: tuple[str, ...]
    common_name: str
    not_after: float

    @property
    def spiffe_id(self) -> str:
        """Return the SPIFFE id, "" if it has none or more than one URI."""
        return self.uris[0] if len(self.uris) == 1 and self.uris[0].startswith(_SPIFFE) else ""


@lru_cache(maxsize=1024)
def read_certificate(der: bytes) -> PeerCertificate | None:
    """Return what a certificate says; `None` for one that cannot be read, which then names nobody."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        common_name = str(names[0].value) if len(names) == 1 else ""
        not_after = certificate.not_valid_after_utc.timestamp()
        try:
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            uris = tuple(extension.get_values_for_type(x509.UniformResourceIdentifier))
            dns = tuple(extension.get_values_for_type(x509.DNSName))
        except x509.ExtensionNotFound:
            uris, dns = (), ()
    except ValueError:
        return None
    thumbprint = urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    return PeerCertificate(thumbprint, uris, dns, common_name, not_after)


class CertificateRules:
    """The policy's rules, tried in order; a certificate's answer is remembered."""

    def __init__(self, config: MutualTls) -> None:
        self._rules = config.rules
        self.principal = lru_cache(maxsize=1024)(self._principal)

    def _principal(self, peer: PeerCertificate) -> Principal | None:
        """Return the caller that a certificate stands for, `None` when no rule fits."""
        for rule in self._rules:
            name = _fitting_name(rule, peer)
            if name:
                return Principal(
                    id=name,
                    kind="mtls",
                    roles=rule.roles,
                    models=rule.models,
                    operations=rule.operations,
                    data_class=DataClass.parse(rule.data_class),
                )
        return None


def _fitting_name(rule: CertificateRule, peer: PeerCertificate) -> str:
    """Return the name by which a rule knows a certificate, "" if it does not."""
    if rule.spiffe is not None:
        return peer.spiffe_id if spiffe_fits(rule.spiffe, peer.spiffe_id) else ""
    if rule.dns is not None:
        found = next((each for each in peer.dns if dns_fits(rule.dns, each)), "")
        return f"dns:{found.lower()}" if found else ""
    return f"cn:{peer.common_name}" if rule.common_name and peer.common_name == rule.common_name else ""


def spiffe_fits(pattern: str, spiffe_id: str) -> bool:
    """Say whether a pattern fits an id: `*` is one segment of the path, a last `**` one or more."""
    wanted, got = pattern.split("/"), spiffe_id.split("/")
    if any(each in ("", ".", "..") for each in got[2:]):
        return False
    if wanted[-1] == "**":
        wanted = wanted[:-1]
        if len(got) <= len(wanted):
            return False
        got = got[: len(wanted)]
    pairs = enumerate(zip(wanted, got, strict=False))
    return len(wanted) == len(got) and all(a == b or (a == "*" and n > 2) for n, (a, b) in pairs)


def dns_fits(pattern: str, name: str) -> bool:
    """Say whether a pattern fits a DNS name; a first `*` is one whole label (RFC 6125, 6.4.3)."""
    wanted, got = pattern.lower().split("."), name.lower().split(".")
    if wanted[0] == "*" and len(wanted) == len(got) and got[0] not in ("", "*"):
        return wanted[1:] == got[1:]
    return wanted == got and "*" not in got
