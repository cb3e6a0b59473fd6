"""The source's two examples, word for word, for real; and a deployment that is killed half-way."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.inventory import standing
from tests.deploy.rights import granted, needed
from tests.deploy.roots import HERE, Root, least
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


def test_an_apply_that_is_killed_is_gone_on_from(aws: Aws, tmp_path: Path) -> None:
    before = standing(aws)
    root = Root(tmp_path / "root", aws, least(*aws.network()))
    terraform = root.terraform
    running: list[subprocess.Popen[bytes]] = []
    aws.after("CreateGuardrail", lambda: os.killpg(running[0].pid, signal.SIGKILL))
    binary = shutil.which("terraform")
    assert binary is not None
    running.append(
        subprocess.Popen(
            [binary, "apply", "-input=false", "-auto-approve", "-parallelism=1", "-no-color"],
            cwd=terraform.folder,
            env=terraform.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )
    assert running[0].wait(300) == -signal.SIGKILL
    (made,) = aws.client("bedrock").list_guardrails()["guardrails"]
    assert "aws_kms_key.this" in root.state()
    assert "aws_bedrock_guardrail.this[0]" not in root.state()

    done = root.apply()  # made, but not noted: AWS has the name already, and says so
    assert (done.code, "ConflictException" in done.output) == (1, True), done.output
    address = "module.bedrock_solution.aws_bedrock_guardrail.this[0]"
    assert f"with {address}" in done.output
    imported = terraform.run("import", "-input=false", address, f"{made['arn']},DRAFT")
    assert imported.code == 0, imported.output
    done = root.apply()
    assert done.code == 0, done.output
    assert root.changes() == {}
    assert len(aws.client("bedrock").list_guardrails()["guardrails"]) == 1

    s3, bucket = aws.client("s3"), root.state()["aws_s3_bucket.logs"]["id"]
    s3.delete_bucket_policy(Bucket=bucket)  # moto reads its Deny without the conditions, and takes no object
    version = s3.put_object(Bucket=bucket, Key="invocations/log", Body=b"{}")["VersionId"]
    done = root.destroy()  # logs are not thrown away, nor the key that opens them
    assert (done.code, "BucketNotEmpty" in done.output) == (1, True), done.output
    assert standing(aws).keys() == {"buckets", "keys"}
    s3.delete_object(Bucket=bucket, Key="invocations/log", VersionId=version)
    done = root.destroy()
    assert (done.code, standing(aws)) == (0, before), done.output
