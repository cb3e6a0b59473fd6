from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import botocore.auth
import botocore.credentials
import pytest
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.aws.signing import Credentials, Signer

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
KEY = Credentials("AKIA" + "FAKE" * 4, "fake-secret/+" * 3)
SESSION = Credentials("ASIA" + "FAKE" * 4, "another-fake" * 3, "fake//session+token==")
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-v2:1"

_paths = st.builds(
    lambda model, action: f"/model/{quote(model, safe='-._~')}/{action}",
    # the gateway's routes refuse `.` and `..`, which botocore would take out of the path
    st.one_of(st.just(ARN), st.text(min_size=1, max_size=40).filter(lambda text: text.strip("."))),
    st.sampled_from(["converse", "invoke-with-response-stream"]),
)
_moments = st.datetimes(datetime(2020, 1, 1), datetime(2099, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


class _Clock:
    """botocore asks for the time itself; this is the time it gets."""

    def __init__(self, now):
        self._now = now

    def __call__(self, *, remove_tzinfo=True):
        return self._now.replace(tzinfo=None) if remove_tzinfo else self._now


def by_botocore(credentials, region, host, path, body, now):
    """Return the headers that botocore's own signer makes for the same request."""
    request = AWSRequest(
        "POST", f"https://{host}{path}", headers={"Content-Type": "application/json"}, data=body
    )
    frozen = botocore.credentials.Credentials(
        credentials.access_key, credentials.secret_key, credentials.token or None
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", _Clock(now))
        botocore.auth.SigV4Auth(frozen, "bedrock", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(_paths, st.binary(max_size=64), st.sampled_from([KEY, SESSION]), _moments)
def test_the_headers_are_those_of_botocore(path, body, credentials, now):
    host, region = "bedrock-runtime.eu-north-1.amazonaws.com", "eu-north-1"
    ours = Signer(region).sign(credentials, host, path, body, now.timestamp())
    assert dict(ours) == by_botocore(credentials, region, host, path, body, now)
    assert len(ours) == len(dict(ours))


def test_one_signer_follows_days_keys_and_zones():
    signer = Signer("us-east-1")
    elsewhere = NOON.astimezone(timezone(timedelta(hours=14)))
    rotated = Credentials(KEY.access_key, SESSION.secret_key)
    for credentials, now in [
        (KEY, NOON),
        (KEY, elsewhere),
        (KEY, NOON + timedelta(hours=12)),
        (KEY, NOON),
        (rotated, NOON),
        (SESSION, NOON),
        (KEY, NOON + timedelta(days=365)),
    ]:
        ours = signer.sign(credentials, "127.0.0.1:8443", "/model/a%3Ab/invoke", b"{}", now.timestamp())
        theirs = by_botocore(
            credentials, "us-east-1", "127.0.0.1:8443", "/model/a%3Ab/invoke", b"{}", now.astimezone(UTC)
        )
        assert dict(ours) == theirs


def test_credentials_are_never_shown():
    assert "fake" not in f"{SESSION!r} {SESSION} {[SESSION]}".lower()
