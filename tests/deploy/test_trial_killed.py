"""A deployment whose Terraform is killed half-way, for real: what it did not note is taken in."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.inventory import standing
from tests.deploy.roots import Root, least
from tests.services.terraform import needs_terraform
from tests.simulators.aws.server import Aws, aws_server

pytestmark = [needs_terraform, pytest.mark.deploy_trial]


@pytest.fixture
def aws() -> Iterator[Aws]:
    with aws_server() as server:
        yield server


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
