"""What whoever deploys needs, and no more: bound to the deployment's names, its state and its services."""

import re
from pathlib import Path

import pytest

from keepstone.catalog.iam_actions import home_actions, iam_actions
from keepstone.deploy.deployer import deployer, state_of
from keepstone.deploy.documents import Place
from keepstone.policy.schema.deployment import S3State
from tests.unit.deploy.documents import PLACE, policy

HERE = Place("production", "us-east-1", "123456789012")
MODULE = Path(__file__).parents[3] / "src" / "keepstone" / "deploy" / "module"
HOME = MODULE / "modules" / "gateway"
BY_RULE = "aws_vpc_security_group_"
"""Rules are parts of a group: the group's actions are theirs."""


def types(*files: Path) -> set[str]:
    """Types of the resources in these files."""
    text = "".join(each.read_text() for each in files)
    return set(re.findall(r'^resource "(\w+)"', text, re.MULTILINE))


def granted(document, action: str) -> set[str]:
    """Where an action is allowed."""
    statements = [each for each in document["Statement"] if action in each["Action"]]
    return {arn for each in statements for arn in each["Resource"]}


@pytest.mark.parametrize(
    ("files", "grants"),
    [
        (list(MODULE.glob("*.tf")), iam_actions()),
        ([*HOME.glob("*.tf"), *HOME.glob("machines/*.tf")], home_actions()),
    ],
)
def test_every_type_of_a_module_has_its_actions(files, grants) -> None:
    assert {each for each in types(*files) if not each.startswith(BY_RULE)} - grants.keys() == set()


def test_what_both_build_takes_the_same_actions() -> None:
    for kind in iam_actions().keys() & home_actions().keys():
        here, there = ({action for each in found[kind] for action in each.actions} for found in LISTS)
        assert here == there, kind


LISTS = (iam_actions(), home_actions())


def test_the_home_is_added_when_asked_for() -> None:
    without, whole = deployer(HERE, iam_actions()), deployer(HERE, iam_actions(), home=True)
    assert granted(without, "ecs:CreateService") == set()
    assert granted(whole, "ecs:CreateService") == {
        "arn:aws:ecs:us-east-1:123456789012:service-deployment/production-bedrock-gateway/*",
        "arn:aws:ecs:us-east-1:123456789012:service/production-bedrock-gateway/*",
    }


def test_what_the_home_is_made_of_is_bound_to_its_names() -> None:
    """Everywhere stands only what knows no resource, or what has no name before it is made."""
    loose = re.compile(r"^[\w-]+:(Describe|List|Get|Create|Register|Deregister)|^(ec2|logs|sts|kms):")
    anywhere = [each for each in deployer(HERE, (), home=True)["Statement"] if each["Resource"] == ["*"]]
    assert [action for each in anywhere for action in each["Action"] if not loose.match(action)] == []


def test_what_a_role_may_be_changed_by_is_bound_to_the_deployment() -> None:
    document = deployer(HERE, iam_actions())
    places = {
        place
        for statement in document["Statement"]
        if any(action.startswith("iam:") for action in statement["Action"])
        for place in statement["Resource"]
    }
    assert places == {
        "arn:aws:iam::123456789012:role/production-bedrock-*",
        "arn:aws:iam::123456789012:role/JQ-12345678-Bedrock",
        "arn:aws:iam::123456789012:policy/production-bedrock-*",
    }
    (passing,) = [each for each in document["Statement"] if each["Action"] == ["iam:PassRole"]]
    assert set(passing["Condition"]["StringEquals"]) == {"iam:PassedToService"}


def test_roles_are_passed_to_named_services_only() -> None:
    document = deployer(HERE, iam_actions(), home=True)
    special = {
        statement["Action"][0]: statement["Condition"]["StringEquals"]
        for statement in document["Statement"]
        if "Condition" in statement
    }
    assert special["iam:PassRole"] == {"iam:PassedToService": ["ecs-tasks.amazonaws.com"]}
    assert "ecs.amazonaws.com" in special["iam:CreateServiceLinkedRole"]["iam:AWSServiceName"]
    assert granted(document, "iam:CreateServiceLinkedRole") == {
        "arn:aws:iam::123456789012:role/aws-service-role/*"
    }


def test_a_state_in_a_bucket_is_read_written_and_locked() -> None:
    state = {"kind": "s3", "bucket": "acme-state", "key": "a/state", "kms_key_id": "alias/state"}
    document = deployer(HERE, (), state=state_of(policy(deployment={**PLACE, "state": state})))
    assert granted(document, "s3:PutObject") == {
        "arn:aws:s3:::acme-state/a/state",
        "arn:aws:s3:::acme-state/a/state.tflock",
    }
    assert granted(document, "s3:DeleteObject") == {"arn:aws:s3:::acme-state/a/state.tflock"}
    assert granted(document, "kms:Decrypt") == {"arn:aws:kms:us-east-1:123456789012:key/*"}
    one = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-4000-8000-000000000000"
    named = deployer(HERE, (), state=S3State(bucket="acme-state", kms_key_id=one))
    assert granted(named, "kms:Decrypt") == {one}
    assert state_of(policy()) is None
    assert granted(deployer(HERE, ()), "s3:PutObject") == set()
