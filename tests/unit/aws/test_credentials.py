import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta

import botocore.credentials
import botocore.exceptions
import pytest

from keepstone.aws import credentials as room
from keepstone.aws.bedrock import SigV4
from keepstone.aws.credentials import Renewed, Role, assumed, chain
from keepstone.core.errors import UpstreamError
from tests.simulators.bedrock import KEYS
from tests.simulators.behaviour import Behaviour
from tests.simulators.sts import EXTERNAL_ID, ROLE, StsSimulator

REFUSED = botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")


class Source:
    """A credential chain that gives what it is told to, and counts how often it was asked."""

    def __init__(self, *answers):
        self._answers = answers
        self.asked = 0

    def __call__(self):
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def credentials(name):
    return botocore.credentials.Credentials(f"AKIA-{name}", f"fake-secret-{name}", f"fake-{name}")


async def headers(authorizer):
    return dict(await authorizer.headers("a.example", "/x", b"{}"))


async def token(authorizer):
    return (await headers(authorizer))["x-amz-security-token"]


async def eventually(authorizer, expected):
    for _ in range(200):
        if await token(authorizer) == expected:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"never saw {expected}")


@pytest.mark.parametrize(
    "failure",
    [
        None,
        botocore.exceptions.ProfileNotFound(profile="none"),
        botocore.exceptions.CredentialRetrievalError(provider="p", error_msg="m"),
        REFUSED,
    ],
    ids=["none found", "no such profile", "a provider fails", "a role is refused"],
)
def test_a_chain_without_credentials_is_the_upstreams_failure(failure):
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(headers(SigV4("eu-north-1", Source(failure))))
    assert (caught.value.code, caught.value.retryable) == ("upstream.credentials", False)


def test_the_chain_is_asked_once_for_all_that_wait_and_again_in_the_background(monkeypatch, caplog):
    source = Source(credentials("one"), credentials("two"), REFUSED)
    authorizer = SigV4("eu-north-1", source)

    async def calls():
        assert set(await asyncio.gather(*[token(authorizer) for _ in range(4)])) == {"fake-one"}
        assert source.asked == 1
        monkeypatch.setattr(room, "AGE_S", 0.0)
        authorizer._credentials._look_at = 0.0
        assert await token(authorizer) == "fake-one"  # nobody waits for the new ones
        await eventually(authorizer, "fake-two")
        while source.asked < 3:
            assert await token(authorizer) == "fake-two"
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        assert await token(authorizer) == "fake-two"  # good still, though no others can be had

    with caplog.at_level(logging.WARNING, "keepstone.aws"):
        asyncio.run(calls())
    assert "AssumeRole: AccessDenied" in caplog.text


def test_a_profile_that_does_not_exist_is_told_when_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(headers(SigV4("eu-north-1", chain("no-such-profile"))))
    assert caught.value.message == "no AWS credentials could be had (ProfileNotFound)"


@pytest.fixture
def sts(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_key)
    with StsSimulator() as simulator:
        yield simulator


def role(sts, **changes):
    values = {"external_id": EXTERNAL_ID, "tags": {"team": "blue"}, "endpoint": sts.url} | changes
    return Renewed(assumed(Role(ROLE, "gateway-1", 3600, **values), "us-east-1"))


def test_a_role_is_assumed_with_all_that_its_trust_policy_may_ask_for(sts):
    found = asyncio.run(role(sts).get())
    assert (found.access_key, found.token) == (sts.issued[0].access_key, sts.issued[0].token)
    assert (
        sts.asked[0]
        | {
            "RoleArn": ROLE,
            "RoleSessionName": "gateway-1",
            "DurationSeconds": "3600",
            "ExternalId": EXTERNAL_ID,
            "Tags.member.1.Key": "team",
            "Tags.member.1.Value": "blue",
        }
        == sts.asked[0]
    )


def test_a_role_that_is_refused_says_by_whom_and_not_what(sts):
    with pytest.raises(UpstreamError) as caught:
        asyncio.run(role(sts, external_id="wrong-one").get())
    assert caught.value.message == "no AWS credentials could be had (AssumeRole: AccessDenied)"


def test_a_role_is_renewed_before_it_ends_and_no_call_waits(sts, monkeypatch):
    sts.lifetime = timedelta(minutes=14)  # botocore renews what ends within 15

    async def calls():
        renewed = role(sts)
        assert (await renewed.get()).token == "issued-token-0"
        monkeypatch.setattr(room, "AGE_S", 0.2)
        renewed._look_at = 0.0
        sts.usually(Behaviour(delay=0.3))
        longest, seen, ends = 0.0, set(), time.monotonic() + 1.2
        while time.monotonic() < ends:
            started = time.monotonic()
            seen.add((await renewed.get()).token)
            longest = max(longest, time.monotonic() - started)
            await asyncio.sleep(0.01)
        return longest, seen

    longest, seen = asyncio.run(calls())
    assert longest < 0.2
    assert {"issued-token-0", "issued-token-1"} <= seen


def test_one_that_has_ended_is_waited_for(sts):
    sts.lifetime = timedelta(minutes=14)

    async def calls():
        renewed = role(sts)
        await renewed.get()
        renewed._look_at = 0.0
        renewed._found._expiry_time = datetime.now(UTC) - timedelta(hours=1)
        return await renewed.get()

    assert asyncio.run(calls()).token == "issued-token-1"


def test_one_that_is_over_when_it_comes_is_none(sts):
    sts.lifetime = timedelta(hours=-1)
    with pytest.raises(UpstreamError, match="RuntimeError"):
        asyncio.run(role(sts).get())
