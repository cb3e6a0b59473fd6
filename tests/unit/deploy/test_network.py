"""Ids that AWS never gives are refused before anything is made."""

import pytest

from keepstone.core.errors import UsageError
from keepstone.deploy.network import require_ids_of_aws
from tests.unit.deploy.documents import PLACE, policy

SUBNET = PLACE["subnet_ids"][0]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"subnet_ids": [SUBNET, "snet-0123456789a"]}, r"`snet-0123456789a`.*deployment\.subnet_ids.*Azure"),
        ({"subnet_ids": ["subnet-12"]}, r"`subnet-12` cannot be the id of a subnet of AWS"),
        ({"subnet_ids": [f"{SUBNET}\n"]}, "cannot be"),
        ({"vpc_id": "vpc-0123456789abcdef"}, r"`vpc-0123456789abcdef`.*VPC.*deployment\.vpc_id"),
        ({"vpc_id": SUBNET}, "VPC"),
    ],
)
def test_ids_that_aws_never_gives_are_refused(more, says) -> None:
    with pytest.raises(UsageError, match=says):
        require_ids_of_aws(policy(deployment={**PLACE, **more}).deployment)


@pytest.mark.parametrize("more", [{}, {"vpc_id": "vpc-0a1b2c3d", "subnet_ids": ["subnet-0a1b2c3d"]}])
def test_ids_of_aws_are_taken(more) -> None:
    assert require_ids_of_aws(policy(deployment={**PLACE, **more}).deployment) is None


def test_a_policy_without_a_deployment_has_no_ids() -> None:
    assert require_ids_of_aws(None) is None
