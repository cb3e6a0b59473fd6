"""The source's two examples, word for word, for real."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.rights import granted, needed
from tests.deploy.roots import HERE, Root
from tests.deploy.tampering import ALL
from tests.services.terraform import needs_terraform
from tests.simulators.aws.server import Aws, aws_server

from keepstone.catalog.iam_actions import iam_actions
from keepstone.deploy.deployer import deployer
from keepstone.deploy.documents import Place

pytestmark = [needs_terraform, pytest.mark.deploy_trial]
VPC, SUBNETS = "vpc-0123456789abcdef", ["snet-0123456789a", "snet-0123456789b"]


@pytest.fixture
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


def example(name: str) -> str:
    return (HERE / "examples" / f"{name}.tf").read_text()


def warnings(output: str) -> set[str]:
    return set(re.findall(r'in check "(\w+)":$', output, re.MULTILINE))


def test_the_sources_examples_are_built_one_after_the_other(aws: Aws, tmp_path: Path) -> None:
    aws.network(VPC, SUBNETS)  # ids such as AWS never gives, as the source writes them
    aws.client("iam").create_policy(
        PolicyName="DeveloperBoundary",
        PolicyDocument=ALL,
    )
    root = Root(tmp_path / "root", aws, example("quick_start"))
    planned = root.terraform.run("plan", "-input=false")
    assert (planned.code, "cidrs_are_as_written" in warnings(planned.output)) == (0, True), planned.output
    done = root.apply()
    assert done.code == 0, done.output
    groups = aws.client("ec2").describe_security_groups()["SecurityGroups"]
    management = next(each for each in groups if each["GroupName"] == "production-bedrock-management")
    (rule,) = management["IpPermissions"]
    assert [each["CidrIp"] for each in rule["IpRanges"]] == ["10.0.0.0/8"]
    root.write(example("advanced"))
    planned = root.terraform.run("plan", "-input=false")
    assert (planned.code, "prompt_attacks_have_no_output" in warnings(planned.output)) == (0, True)
    done = root.apply()
    assert done.code == 0, done.output
    assert root.changes() == {}
    # Fewer alarms: CloudWatch lets go of none that a composite alarm still names.
    root.write(re.sub(r"(enable_(?:agents|training)_monitoring *= )true", r"\1false", example("advanced")))
    done = root.apply()
    assert done.code == 0, done.output
    assert root.changes() == {}
    done = root.destroy()
    assert done.code == 0, done.output
    permitted = granted(deployer(Place("production", aws.region, aws.account), iam_actions()))
    assert sorted(needed(aws.called_by_terraform) - permitted) == []
