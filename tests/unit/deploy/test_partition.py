"""What is deployed lies in one partition, and what a partition lacks is not asked of it."""

import re

import botocore.session
import pytest

from keepstone.core.errors import DeployError
from keepstone.deploy.inputs import inputs_of
from keepstone.deploy.partition import WITHOUT
from tests.unit.deploy.documents import PLACE, policy

US = {"kind": "bedrock", "region": "us-east-1"}
GOV = {"kind": "bedrock", "region": "us-gov-west-1"}
THERE = {**PLACE, "region": "us-gov-west-1"}


def values(**more):
    return {each.name: each.value for each in inputs_of(policy(**more))}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"upstreams": {"us": US, "gov": GOV}},
            "`us-gov-west-1` of `upstreams.gov.region` is in the partition `aws-us-gov`",
        ),
        ({"deployment": THERE}, "`us-east-1` of `upstreams.us.region` is in the partition `aws`"),
        (
            {"deployment": {**PLACE, "state": {"kind": "s3", "bucket": "state", "region": "cn-north-1"}}},
            "`cn-north-1` of `deployment.state.region` is in the partition `aws-cn`",
        ),
        (
            {
                "deployment": {
                    **PLACE,
                    "variables": {"kms_administrators": ["arn:aws-cn:iam::123456789012:root"]},
                }
            },
            "`arn:aws-cn:iam::123456789012:root` of `deployment.variables.kms_administrators`",
        ),
        (
            {
                "upstreams": {
                    "us": {**US, "assume_role": {"arn": "arn:aws-us-gov:iam::123456789012:role/calls"}},
                }
            },
            "of `upstreams.us.assume_role.arn` is in the partition `aws-us-gov`",
        ),
        ({"deployment": {**PLACE, "region": "xx-new-1"}}, "nobody knows the region `xx-new-1`"),
    ],
)
def test_a_deployment_lies_in_one_partition(more, says) -> None:
    with pytest.raises(DeployError, match=re.escape(says)) as refused:
        inputs_of(policy(**more))
    assert refused.value.hint


def test_another_partition_is_as_good() -> None:
    (arn,) = values(upstreams={"us": GOV}, deployment=THERE)["foundation_models"]
    assert arn.startswith("arn:aws-us-gov:bedrock:us-gov-west-1::")


def test_money_is_watched_where_aws_can() -> None:
    there = values(upstreams={"us": GOV}, deployment=THERE)
    assert not there["enable_budget_monitoring"] | there["enable_budget_anomaly_detection"]
    assert "enable_budget_monitoring" not in values()


@pytest.mark.parametrize("service", WITHOUT)
def test_what_a_partition_lacks_is_as_botocore_says(service) -> None:
    session = botocore.session.get_session()
    found = {
        each
        for each in session.get_available_partitions()
        if not session.get_available_regions(service, partition_name=each, allow_non_regional=True)
    }
    assert found == WITHOUT[service]
