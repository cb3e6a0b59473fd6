"""Policies with a deployment, for tests."""

import msgspec

from keepstone.policy.schema.document import Policy

PLACE = {
    "environment": "production",
    "region": "us-east-1",
    "vpc_id": "vpc-0a1b2c3d4e5f60718",
    "subnet_ids": ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"],
}


def policy(**more: object) -> Policy:
    document = {
        "version": 1,
        "organisation": {"name": "Acme"},
        "identities": {"roles": {"app": {"allow": [{"models": ["*"]}]}}},
        "upstreams": {"us": {"kind": "bedrock", "region": "us-east-1"}},
        "models": [{"id": "anthropic.claude-x", "upstreams": ["us"]}],
        "deployment": PLACE,
        **more,
    }
    return msgspec.convert(document, Policy)
