"""`x-forwarded-client-cert`: read as Envoy writes it, believed from named peers, the last element only."""

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

from keepstone.core.decision import Decision
from keepstone.gateway.identify.certificate import PEER, PeerCertificate
from keepstone.gateway.identify.forwarded import HEADER, UNREADABLE, Forwarding, forwarded
from keepstone.policy.schema.callers import ForwardedCertificates

ANN, BEN = "spiffe://prod.acme/ns/chat/sa/ann", "spiffe://prod.acme/ns/chat/sa/ben"
PROXY = PeerCertificate("p", ("spiffe://prod.acme/ns/mesh/sa/gate",), (), "", math.inf)
CALLER = PeerCertificate("c", (BEN,), (), "", math.inf)
HASH = "468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688"
NAMED = Forwarding(ForwardedCertificates(peers=("spiffe://prod.acme/ns/mesh/sa/*",)))
LOCAL = Forwarding(ForwardedCertificates(loopback=True))


def scope(*values, peer=None, client="10.0.0.9"):
    headers = [(HEADER, value.encode()) for value in values]
    return {"headers": headers, "client": (client, 4711)} | ({PEER: peer} if peer else {})


@pytest.mark.parametrize(
    ("value", "uris", "dns"),
    [
        (f"URI={ANN}", (ANN,), ()),
        (f'By=http://a.b;Hash={HASH};Subject="/C=US/CN=T, C;x=y";URI={ANN}', (ANN,), ()),
        (f"by=x;hash={HASH};uri={ANN};DNS=a.acme;dns=b.acme", (ANN,), ("a.acme", "b.acme")),
        (f"Hash={HASH}", (), ()),
        (f"URI={BEN},URI={ANN}", (ANN,), ()),
        (f"URI={BEN} , By=x;URI={ANN}", (ANN,), ()),
        (f"URI={ANN};URI={BEN}", (ANN, BEN), ()),
        (f'Subject="a\\",URI={BEN};b";URI={ANN}', (ANN,), ()),
        (f'URI="{ANN}"', (ANN,), ()),
        (f'Cert="-----BEGIN%20CERTIFICATE-----";URI={ANN}', (ANN,), ()),
    ],
)
def test_the_last_element_is_read(value, uris, dns):
    found = forwarded(value.encode())
    assert found is not None
    assert (found.uris, found.dns, found.common_name) == (uris, dns, "")


def test_the_hash_is_the_thumbprint_that_tokens_are_bound_to():
    found = forwarded(f"Hash={HASH};URI={ANN}".encode())
    assert found is not None
    assert found.thumbprint == "Ro7TO-dO7mVW2QwBScEwnpumHWQlMDRDwHSKAt2N5og"


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        f"URI={ANN},",
        "URI",
        f"URI {ANN}",
        f'URI="{ANN}',
        f'URI={ANN}"',
        f'URI="{ANN}"x',
        'URI="a"b"',
        "URI=",
        'By=x;Subject="/CN=ann"',
        "Hash=468e;URI=" + ANN,
        f"Hash={HASH};Hash={HASH}",
        f"URI={ANN};;",
        f"=x;URI={ANN}",
        f"URI=a=b;URI={ANN}",
        f"URI={ANN}\u00e9",
    ],
)
def test_what_envoy_does_not_write_names_nobody(value):
    assert forwarded(value.encode("latin-1")) is None
    assert (
        NAMED.peer(scope(value, peer=PROXY) | {"headers": [(HEADER, value.encode("latin-1"))]}) is UNREADABLE
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_not(value):
    found = forwarded(value)
    assert found is None or found.uris or found.dns or found.thumbprint


@given(st.text('ab,;="\\', max_size=30), st.text('ab,;="\\', max_size=30))
def test_no_quoted_value_can_speak_for_itself(subject, before):
    def quote(text):
        return '"' + text.replace("\\", "").replace('"', '\\"') + '"'

    value = f"Subject={quote(before)};URI={BEN},Subject={quote(subject)};URI={ANN}"
    found = forwarded(value.encode())
    assert found is not None
    assert found.uris == (ANN,)


@pytest.mark.parametrize(
    ("forwarding", "asked", "expected"),
    [
        (NAMED, scope(f"URI={ANN}", peer=PROXY), (ANN,)),
        (NAMED, scope(f"URI={ANN}", peer=CALLER), (BEN,)),
        (NAMED, scope(f"URI={ANN}"), None),
        (NAMED, scope(f"URI={ANN}", client="127.0.0.1"), None),
        (NAMED, scope(peer=PROXY), None),
        (NAMED, scope(f"URI={BEN}", f"URI={ANN}", peer=PROXY), UNREADABLE),
        (LOCAL, scope(f"URI={ANN}", client="127.0.0.1"), (ANN,)),
        (LOCAL, scope(f"URI={ANN}", client="::1"), (ANN,)),
        (LOCAL, scope(f"URI={ANN}"), None),
        (LOCAL, scope(f"URI={ANN}", client="127.0.0.1.evil"), None),
        (LOCAL, scope(f"URI={ANN}", peer=CALLER, client="127.0.0.1"), (BEN,)),
        (LOCAL, scope(client="127.0.0.1"), None),
        (LOCAL, scope(f"URI={ANN}") | {"client": None}, None),
    ],
)
def test_who_is_believed(forwarding, asked, expected):
    found = forwarding.peer(asked)
    assert (found if found is None or isinstance(found, Decision) else found.uris) == expected
