"""A certificate for this machine, so that SDKs which send bearer tokens over HTTPS only will talk to us.

Current AWS SDKs refuse to send a bearer token over plain HTTP, on loopback too. For a gateway on a
developer's machine there is no public authority to ask, so one is made: it signs a single server certificate,
and its key is then forgotten. Whoever trusts it trusts this certificate and no other.
"""

import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from keepstone.core.errors import UsageError

LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the server's certificate and key, and the bundle that clients trust (`None` if not ours).

    `client_ca` holds the authorities of client certificates, and perhaps their revocation lists; `clients`
    says whether a client must have one. `minimum` is the oldest version of TLS that is spoken.
    """

    certificate: Path
    key: Path
    bundle: Path | None = None
    client_ca: Path | None = None
    clients: str = "optional"
    minimum: str = "1.3"


def local_certificate(folder: Path, host: str, roots: bytes, now: datetime) -> TlsFiles:
    """Return a certificate for loopback and `host`, made anew when there is none or it ends soon.

    The bundle holds `roots` (PEM) and our authority, so that clients that use it still trust AWS itself.
    """
    files = TlsFiles(folder / "server.pem", folder / "server.key", folder / "ca-bundle.pem")
    if _still_good(files, host, now):
        return files
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(authority_key, now)
    server = _server(server_key, authority, authority_key, _names(host), now)
    pem = serialization.Encoding.PEM
    secret = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    authority_pem = authority.public_bytes(pem)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _place(files.key, secret, 0o600)
        _place(folder / "ca-bundle.pem", roots.rstrip() + b"\n" + authority_pem, 0o644)
        _place(files.certificate, server.public_bytes(pem) + authority_pem, 0o644)
    except OSError as error:
        raise UsageError(f"cannot write the certificate to `{folder}`: {error.strerror}") from error
    return files


def _names(host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    for each in ("127.0.0.1", "::1", host):
        try:
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(each))
        except ValueError:
            name = x509.DNSName(each)
        if name not in names:
            names.append(name)
    return names


def _subject(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _subject("Keepstone authority of one certificate")
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: list[x509.GeneralName],
    now: datetime,
) -> x509.Certificate:
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder(_subject("Keepstone gateway"), authority.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _still_good(files: TlsFiles, host: str, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        complete = files.key.exists() and files.bundle is not None and files.bundle.exists()
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    covered = all(name in list(names) for name in _names(host))
    return complete and covered and certificate.not_valid_after_utc - RENEW_BEFORE > now.astimezone(UTC)


def _place(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
