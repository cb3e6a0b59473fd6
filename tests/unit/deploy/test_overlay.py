"""The overlay that leads the gateway to what is deployed: valid, and nothing in it that was not made."""

import pytest

from keepstone.core.errors import UsageError
from keepstone.deploy.overlay import overlay
from keepstone.policy.load import load_texts
from tests.unit.deploy.documents import PLACE, policy

OWN = "arn:aws:iam::123456789012:role/own"
ROLE = "arn:aws:iam::123456789012:role/production-access"
OUTPUTS = {
    "region": "us-east-1",
    "endpoint_urls": {
        "bedrock": "https://vpce-1.bedrock.us-east-1.vpce.amazonaws.com",
        "bedrock-runtime": "https://vpce-2.bedrock-runtime.us-east-1.vpce.amazonaws.com",
        "sts": "https://vpce-3.sts.us-east-1.vpce.amazonaws.com",
    },
    "bedrock_access_role_arn": ROLE,
    "bedrock_guardrail_id": "gr8x5vk2p0d1",
    "bedrock_guardrail_version": "1",
}
TRUSTS = PLACE | {"variables": {"trusted_principals": ["arn:aws:iam::123456789012:user/gateway"]}}
BASE = """\
version: 1
organisation: {name: Acme}
identities: {roles: {app: {allow: [{models: ["*"]}]}}}
upstreams: {us: {kind: bedrock, region: us-east-1}}
models: [{id: anthropic.claude-x, upstreams: [us]}]
deployment: {environment: production, region: us-east-1, vpc_id: vpc-1, subnet_ids: [subnet-1]}
"""


def merged(text):
    document, warnings = load_texts([("base", BASE.encode()), ("overlay", text.encode())])
    assert warnings == ()
    return document.upstreams["us"]


def upstream(**more):
    return {"us": {"kind": "bedrock", "region": "us-east-1", **more}}


def test_everything_that_was_made_is_used() -> None:
    us = merged(overlay(policy(deployment=TRUSTS), OUTPUTS))
    assert us.endpoint_url == OUTPUTS["endpoint_urls"]["bedrock-runtime"]
    assert us.control_endpoint_url == OUTPUTS["endpoint_urls"]["bedrock"]
    assert (us.assume_role.arn, us.assume_role.sts_endpoint_url) == (ROLE, OUTPUTS["endpoint_urls"]["sts"])
    assert (us.guardrail.id, us.guardrail.version) == ("gr8x5vk2p0d1", "1")


@pytest.mark.parametrize(
    ("more", "outputs", "absent"),
    [
        ({}, {}, "assume_role"),  # nobody may assume it
        (
            {"deployment": TRUSTS},
            {"bedrock_guardrail_id": None, "bedrock_guardrail_version": None},
            "guardrail",
        ),
        ({"deployment": TRUSTS}, {"endpoint_urls": {}}, "endpoint_url"),
        ({"deployment": TRUSTS, "upstreams": upstream(fips=True)}, {}, " endpoint_url"),
        ({"deployment": TRUSTS, "upstreams": upstream(bearer_token={"env": "TOKEN"})}, {}, "assume_role"),
        (
            {"deployment": TRUSTS, "upstreams": upstream(assume_role={"arn": OWN})},
            {},
            "assume_role",
        ),
    ],
)
def test_what_was_not_made_or_would_not_work_is_left_out(more, outputs, absent) -> None:
    assert f"{absent}:" not in overlay(policy(**more), OUTPUTS | outputs)


def test_written_again_it_says_the_same() -> None:
    text = overlay(policy(deployment=TRUSTS), OUTPUTS)
    again = policy(deployment=TRUSTS, upstreams=upstream(assume_role={"arn": ROLE}))
    assert overlay(again, OUTPUTS) == text


def test_a_policy_without_an_upstream_there_is_told() -> None:
    with pytest.raises(UsageError, match="no upstream of Bedrock in `us-east-1`"):
        overlay(policy(upstreams={"us": {"kind": "bedrock", "region": "eu-west-1"}}), OUTPUTS)
