import pytest

from keepstone.core.decision import Decision, ReasonCode
from keepstone.gateway.identify.callers import Callers
from keepstone.gateway.identify.certificate import (
    CertificateRules,
    PeerCertificate,
    dns_fits,
    read_certificate,
    spiffe_fits,
)
from keepstone.policy.schema.callers import CertificateRule, MutualTls

SPIFFE = [
    ("spiffe://a/b", "spiffe://a/b", True),
    ("spiffe://a/b", "spiffe://a/b/", False),
    ("spiffe://a/b", "spiffe://a/bc", False),
    ("spiffe://a/*/c", "spiffe://a/b/c", True),
    ("spiffe://a/*/c", "spiffe://a/b/x/c", False),
    ("spiffe://a/*/c", "spiffe://a//c", False),
    ("spiffe://a/**", "spiffe://a/b/c/d", True),
    ("spiffe://a/**", "spiffe://a", False),
    ("spiffe://a/**", "spiffe://a/../b", False),
    ("spiffe://a/b", "spiffe://A/b", False),
    ("spiffe://a/b", "", False),
]
DNS = [
    ("a.example", "A.example", True),
    ("*.example", "a.example", True),
    ("*.example", "a.b.example", False),
    ("*.example", "example", False),
    ("*.example", "*.example", False),
    ("*.example", ".example", False),
]


@pytest.mark.parametrize(("pattern", "name", "fits"), SPIFFE)
def test_spiffe_patterns(pattern, name, fits):
    assert spiffe_fits(pattern, name) is fits


@pytest.mark.parametrize(("pattern", "name", "fits"), DNS)
def test_dns_patterns(pattern, name, fits):
    assert dns_fits(pattern, name) is fits


def peer(**more):
    facts = {"thumbprint": "t", "uris": (), "dns": (), "common_name": "", "not_after": 100.0} | more
    return PeerCertificate(**facts)


def test_the_first_rule_that_fits_names_the_caller():
    rules = (
        CertificateRule(roles=("a",), spiffe="spiffe://x/*"),
        CertificateRule(roles=("b",), dns="*.x", models=("m",), data_class="Confidential"),
        CertificateRule(roles=("c",), common_name="joe"),
    )
    callers = Callers({}, None, CertificateRules(MutualTls(rules=rules)))
    known = callers.holder(peer(uris=("spiffe://x/y",), common_name="joe"), 0)
    assert (known.id, known.roles) == ("spiffe://x/y", ("a",))
    known = callers.holder(peer(dns=("q", "Z.x")), 0)
    assert (known.id, known.roles, known.models, known.data_class) == ("dns:z.x", ("b",), ("m",), 2)
    assert callers.holder(peer(common_name="joe"), 0).id == "cn:joe"
    for nobody in (peer(), peer(uris=("spiffe://x/y", "spiffe://x/z")), peer(common_name="Joe")):
        assert callers.holder(nobody, 0).reason.code is ReasonCode.CREDENTIALS_UNKNOWN
    expired = callers.holder(peer(common_name="joe"), int(100e9))
    assert isinstance(expired, Decision)
    assert expired.reason.code is ReasonCode.CREDENTIALS_EXPIRED


def test_what_is_no_certificate_names_nobody():
    assert read_certificate(b"") is None
    assert read_certificate(b"0\x82\x01") is None
