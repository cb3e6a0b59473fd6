import hmac
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from keepstone.core.decision import Decision, ReasonCode
from keepstone.gateway.identify.sigv4 import NeedsBody, SignedRequest, SigV4Verifier
from keepstone.policy.schema.callers import SigV4Rules
from keepstone.store.access_keys import AccessKeySecrets, access_key_of, key_id_of

SECRET = "of-a-test-only/" + "x" * 25
ACCESS = access_key_of("0123456789ab")
VERIFIER = SigV4Verifier(SigV4Rules())


def signed(path="/model/a%3A1/converse", body=b"{}", headers=None, region="us-east-1", service="bedrock"):
    """A request as botocore signs it now, and that time."""
    sent = {"host": "gateway:8080", "content-type": "application/json"} | (headers or {})
    request = AWSRequest("POST", f"https://gateway:8080{path}", sent, body)
    SigV4Auth(Credentials(ACCESS, SECRET), service, region).add_auth(request)
    raw, _, query = path.partition("?")
    low = {name.lower().encode(): value.encode("latin-1") for name, value in request.headers.items()}
    return SignedRequest("POST", raw.encode(), query.encode(), low, body)


def judged(request, now=None, verifier=VERIFIER):
    """Return what a verifier says of a request, at the time it was signed if no other is given."""
    moment = now if now is not None else signed_at(request)
    claimed = verifier.claimed(request, moment)
    return claimed if isinstance(claimed, Decision) else verifier.verify(request, claimed, SECRET)


def signed_at(request):
    stamp = request.headers.get(b"x-amz-date", b"").decode()
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return datetime.now(UTC).timestamp()


def code(found):
    return found.reason.code if isinstance(found, Decision) else found


SEGMENT = st.text("abcXYZ019-_.~:%/ é", min_size=1, max_size=12).filter(lambda each: each not in (".", ".."))


@given(
    SEGMENT,
    st.lists(st.tuples(st.text("ab1-", min_size=1, max_size=4), st.text("xy%20+", max_size=4)), max_size=3),
    st.text("a b\t-", max_size=12),
    st.binary(max_size=60),
)
def test_what_botocore_signs_is_accepted(segment, pairs, value, body):
    path = f"/model/{quote(segment, safe='')}/invoke"
    if pairs:
        path += "?" + "&".join(f"{quote(name)}={quote(text)}" for name, text in pairs)
    headers = {"x-keepstone-data-class": value.strip() or "Public"}
    assert judged(signed(path, body, headers)) is None


REQUEST = signed(headers={"x-amzn-bedrock-trace": "ENABLED"})


@given(
    st.sampled_from(["path", "query", "body", "method", *REQUEST.headers]),
    st.integers(0, 400),
    st.integers(1, 127),
)
def test_any_change_is_refused(where, position, difference):
    def flipped(raw):
        if not raw:
            return b"x"
        changed = bytearray(raw)
        changed[position % len(raw)] ^= difference
        return bytes(changed)

    headers = dict(REQUEST.headers)
    if where in headers:
        headers[where] = flipped(headers[where])
    unchanged = where in headers and headers[where].strip() == REQUEST.headers[where].strip()
    changed = SignedRequest(
        "PUT" if where == "method" else "POST",
        flipped(REQUEST.raw_path) if where == "path" else REQUEST.raw_path,
        flipped(b"") if where == "query" else b"",
        headers,
        flipped(REQUEST.body) if where == "body" else REQUEST.body,
    )
    assert unchanged or _names_another_key(headers) or isinstance(judged(changed), Decision)


def _names_another_key(headers):
    """The key's id is looked up before: here every id has the same secret."""
    return ACCESS.encode() not in headers[b"authorization"]


def test_the_body_is_needed_unless_its_hash_is_declared_wrong():
    without = SignedRequest(REQUEST.method, REQUEST.raw_path, b"", REQUEST.headers)
    assert isinstance(judged(without), NeedsBody)
    declared = signed(headers={"x-amz-content-sha256": "0" * 64})
    assert code(judged(SignedRequest("POST", declared.raw_path, b"", declared.headers))) in (
        ReasonCode.SIGNATURE_MISMATCH,
        NeedsBody(),
    )
    assert code(judged(declared)) is ReasonCode.SIGNATURE_MISMATCH


REFUSED = {
    "another service": (signed(service="s3"), ReasonCode.CREDENTIALS_FOR_ANOTHER),
    "no date": ({b"x-amz-date": None}, ReasonCode.SIGNATURE_INCOMPLETE),
    "another day": ({b"x-amz-date": b"20200101T000000Z"}, ReasonCode.SIGNATURE_INCOMPLETE),
    "a session token": ({b"x-amz-security-token": b"x"}, ReasonCode.CREDENTIALS_UNKNOWN),
    "an uncovered header": ({b"x-keepstone-purpose": b"x"}, ReasonCode.SIGNATURE_INCOMPLETE),
    "unsigned": ({b"x-amz-content-sha256": b"UNSIGNED-PAYLOAD"}, ReasonCode.SIGNATURE_INCOMPLETE),
}


@pytest.mark.parametrize(("what", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_before_any_hash(what, expected):
    request = what
    if isinstance(what, dict):
        headers = {k: v for k, v in (REQUEST.headers | what).items() if v is not None}
        request = SignedRequest("POST", REQUEST.raw_path, b"", headers, REQUEST.body)
    assert code(judged(request)) is expected


def test_regions_and_unsigned_bodies_are_the_policys_to_allow():
    narrow = SigV4Verifier(SigV4Rules(regions=("eu-west-1",), unsigned_payload="allow"))
    assert code(judged(signed(), verifier=narrow)) is ReasonCode.CREDENTIALS_FOR_ANOTHER
    assert judged(signed(region="eu-west-1"), verifier=narrow) is None


def test_five_minutes_and_no_more():
    request, now = signed(), datetime.now(UTC).timestamp()
    assert judged(request, now + 290) is None
    assert code(judged(request, now + 301)) is ReasonCode.SIGNATURE_NOT_CURRENT
    assert code(judged(request, now - 310)) is ReasonCode.SIGNATURE_NOT_CURRENT


def test_signatures_are_compared_in_constant_time(monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    assert judged(REQUEST) is None
    assert [len(each) for each in compared[-1]] == [64, 64]


def test_secrets_are_derived_and_stay_the_same(tmp_path):
    first, again = AccessKeySecrets(tmp_path), AccessKeySecrets(tmp_path)
    assert first.of("a") == again.of("a") != first.of("b")
    assert len(first.of("a")) == 40
    assert AccessKeySecrets(tmp_path / "other").of("a") != first.of("a")
    assert key_id_of(access_key_of("0a1b")) == "0a1b"
    assert key_id_of("AKIA0A1B") == ""
