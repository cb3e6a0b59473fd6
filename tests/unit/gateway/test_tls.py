import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from keepstone.core.errors import UsageError
from keepstone.gateway.tls import LIFETIME, RENEW_BEFORE, local_certificate

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ROOTS = b"-----BEGIN CERTIFICATE-----\nanother authority\n-----END CERTIFICATE-----"


def made(folder, host="127.0.0.1", now=NOW):
    return local_certificate(folder, host, ROOTS, now)


def test_only_the_owner_can_read_the_key(tmp_path):
    files = made(tmp_path / "tls")
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert sorted(each.name for each in (tmp_path / "tls").iterdir()) == [
        "ca-bundle.pem",
        "server.key",
        "server.pem",
    ]


def test_the_bundle_holds_the_known_roots_and_our_authority_but_no_key(tmp_path):
    bundle = made(tmp_path).bundle.read_bytes()
    assert bundle.startswith(ROOTS)
    authority = x509.load_pem_x509_certificate(bundle[len(ROOTS) :])
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert b"PRIVATE" not in bundle


@pytest.mark.parametrize("host", ["127.0.0.1", "gateway.example", "10.1.2.3", "::1"])
def test_the_certificate_is_for_loopback_and_the_host(host, tmp_path):
    certificate = x509.load_pem_x509_certificate(made(tmp_path, host).certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    known = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    assert known == {"localhost", "127.0.0.1", "::1", host}


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (made, True),
        (lambda folder: made(folder, now=NOW + LIFETIME - RENEW_BEFORE - timedelta(days=1)), True),
        (lambda folder: made(folder, now=NOW + LIFETIME - RENEW_BEFORE), False),
        (lambda folder: made(folder, host="gateway.example"), False),
        (lambda folder: ((folder / "server.key").unlink(), made(folder)), False),
        (lambda folder: ((folder / "ca-bundle.pem").unlink(), made(folder)), False),
        (lambda folder: ((folder / "server.pem").write_text("torn"), made(folder)), False),
    ],
    ids=["again", "late", "too late", "another host", "no key", "no bundle", "torn"],
)
def test_a_certificate_is_kept_while_it_is_good(change, kept, tmp_path):
    before = made(tmp_path).key.read_bytes()
    change(tmp_path)
    assert ((tmp_path / "server.key").read_bytes() == before) == kept


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the certificate"):
        made(tmp_path / "file" / "tls")
