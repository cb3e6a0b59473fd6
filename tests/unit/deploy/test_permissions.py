"""IAM documents: real actions only, nothing for nobody, and the bounds that a persona has."""

import json
import re
from functools import cache
from importlib.resources import files

import botocore.session
import pytest

from keepstone.catalog.iam_actions import iam_actions
from keepstone.deploy import permissions
from keepstone.deploy.deployer import deployer
from keepstone.deploy.documents import Place
from keepstone.deploy.permissions_models import MANTLE
from keepstone.deploy.permissions_personas import persona
from keepstone.policy.schema.deployment import S3State
from keepstone.policy.schema.identities import Persona
from keepstone.posture.documents import parsed
from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.verdict import Verdict
from tests.unit.deploy.documents import policy
from tests.unit.posture.sound import snapshot

HERE = Place("production", "us-east-1", "123456789012")

# Actions whose name is no operation of the API; the service authorization reference says what they permit.
OTHER_NAMES = {
    "bedrock-mantle:CreateInference",
    "bedrock:InvokeModelWithResponseStream",
    "budgets:ModifyBudget",
    "budgets:ViewBudget",
    "elasticloadbalancing:SetWebACL",
    "iam:PassRole",
    "logs:Unmask",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:UpdateLogDelivery",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucketCORS",
    "s3:GetBucketObjectLockConfiguration",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetObjectVersion",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
}
GUARDED = {"us": {"kind": "bedrock", "region": "us-east-1", "guardrail": {"id": "gr8x5vk2p0d1"}}}
COPIED = {"store": {"bucket": "acme-ledger", "region": "us-east-1"}}
SERVICES = {
    "bedrock": ("bedrock", "bedrock-runtime"),
    "elasticfilesystem": ("efs",),
    "elasticloadbalancing": ("elbv2",),
}


@cache
def operations(service: str) -> frozenset[str]:
    session = botocore.session.get_session()
    models = [session.get_service_model(each) for each in SERVICES.get(service, (service,))]
    return frozenset(name for model in models for name in model.operation_names)


def documents():
    yield deployer(HERE, iam_actions())
    yield deployer(HERE, (), home=True, state=S3State(bucket="acme-state", kms_key_id="alias/state"))
    yield permissions.gateway(HERE, policy())
    yield permissions.gateway(HERE, policy(upstreams=GUARDED))
    yield permissions.gateway(HERE, policy(record=COPIED))
    yield permissions.service_control(HERE, ["us-east-1"])
    for each in Persona:
        yield persona(HERE, policy(), each)


def actions(document, effect="Allow"):
    return {
        action
        for statement in document["Statement"]
        if statement["Effect"] == effect
        for action in statement["Action"]
    }


def test_every_action_exists() -> None:
    named = {action for each in documents() for action in actions(each) | actions(each, "Deny")}
    unknown = {
        each for each in named - OTHER_NAMES if each.split(":")[1] not in operations(each.split(":")[0])
    }
    assert unknown == set()
    assert named >= OTHER_NAMES


OF_POLICIES = [each for name, each in EVERY.items() if "KS-IAM-001" <= name <= "KS-IAM-006"]


def findings(document):
    found = judged(snapshot("policy", {"policy": parsed(json.dumps(document))}), OF_POLICIES)
    return [each for each in found if each.verdict not in {Verdict.PASS, Verdict.NOT_APPLICABLE}]


@pytest.mark.parametrize("models", [["anthropic.claude-x"], ["anthropic.*", "us.amazon.nova-*"], ["*"]])
@pytest.mark.parametrize("who", Persona)
def test_our_own_checks_find_nothing_in_what_a_persona_may(who, models) -> None:
    asked = [{"id": each, "upstreams": ["us"]} for each in models]
    assert findings(persona(HERE, policy(models=asked), who)) == []


def test_our_own_checks_find_nothing_in_the_others_but_that_the_gateway_calls_unguarded() -> None:
    by_alias = {"content": "encrypted", "envelope": {"kms_key_id": "alias/k", "region": "us-east-1"}}
    deployers = [
        deployer(HERE, iam_actions(), home=True, state=S3State(bucket="acme-state", kms_key_id=key))
        for key in ("alias/state", "1234abcd-12ab-34cd-56ef-1234567890ab")
    ]
    for each in (*deployers, permissions.service_control(HERE, ["us-east-1"])):
        assert findings(each) == []
    found = findings(permissions.gateway(HERE, policy(retention=by_alias)))
    assert {each.check for each in found} == {"KS-IAM-003"}


def test_nobody_may_do_everything() -> None:
    for each in documents():
        assert all("*" not in action for action in actions(each))
        assert all(place != "" and "{" not in place for s in each["Statement"] for place in s["Resource"])


def test_a_gateway_whose_calls_have_a_guardrail_may_apply_it_and_read_it() -> None:
    needed = {"bedrock:ApplyGuardrail", "kms:Decrypt"}
    assert actions(permissions.gateway(HERE, policy(upstreams=GUARDED))) >= needed
    assert not actions(permissions.gateway(HERE, policy())) & needed


@pytest.mark.parametrize(
    ("who", "may", "may_not"),
    [
        (Persona.DATA_SCIENTIST, "bedrock:InvokeModel", "bedrock:UpdateGuardrail"),
        (Persona.ML_ENGINEER, "bedrock:CreateModelCustomizationJob", "bedrock:UpdateGuardrail"),
        (Persona.APPLICATION, "bedrock:InvokeModelWithResponseStream", "logs:GetLogEvents"),
        (Persona.AUDITOR, "cloudtrail:LookupEvents", "bedrock:InvokeModel"),
        (Persona.SECURITY_OPERATOR, "bedrock:UpdateGuardrail", "bedrock:InvokeModel"),
        (Persona.BILLING, "ce:GetCostAndUsage", "bedrock:InvokeModel"),
    ],
)
def test_a_persona(who, may, may_not) -> None:
    allowed = actions(persona(HERE, policy(), who))
    assert may in allowed
    assert may_not not in allowed


def test_who_calls_models_calls_them_with_a_guardrail() -> None:
    for each in Persona:
        document = persona(HERE, policy(), each)
        if "bedrock:InvokeModel" in actions(document):
            assert "bedrock:InvokeModel" in actions(document, "Deny")


def test_the_gateway_needs_what_its_policy_says() -> None:
    role = {
        "kind": "bedrock",
        "region": "us-east-1",
        "assume_role": {"arn": "arn:aws:iam::123456789012:role/x"},
    }
    document = permissions.gateway(HERE, policy(upstreams={"us": role}))
    assert actions(document) == {"sts:AssumeRole", "sts:TagSession"}
    kept = permissions.gateway(
        HERE,
        policy(
            record=COPIED,
            retention={"content": "encrypted", "envelope": {"kms_key_id": "alias/k", "region": "us-east-1"}},
        ),
    )
    assert {"s3:PutObject", "kms:GenerateDataKey", "bedrock:InvokeModel"} <= actions(kept)


@pytest.mark.parametrize(("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")])
def test_arns_are_of_the_regions_partition(region, partition) -> None:
    place = Place("production", region, "123456789012")
    bedrock = policy(upstreams={"us": {"kind": "bedrock", "region": region}})
    made = [permissions.for_whom(place, bedrock, who, [region]) for who in ("deployer", "gateway", "scp")]
    made += [persona(place, bedrock, each) for each in Persona]
    arns = set(re.findall(r'"arn:([^:"]*):', json.dumps(made)))
    assert arns == {partition}


@pytest.mark.parametrize(
    ("key", "resource", "condition"),
    [
        ("alias/k", "arn:aws:kms:eu-central-1:123456789012:key/*", "alias/k"),
        (
            "arn:aws:kms:eu-central-1:999999999999:alias/k",
            "arn:aws:kms:eu-central-1:999999999999:key/*",
            "alias/k",
        ),
        ("1234abcd", "arn:aws:kms:eu-central-1:123456789012:key/1234abcd", None),
        (
            "arn:aws:kms:eu-central-1:999999999999:key/1234abcd",
            "arn:aws:kms:eu-central-1:999999999999:key/1234abcd",
            None,
        ),
    ],
)
def test_the_gateway_s_key_is_that_key(key, resource, condition) -> None:
    envelope = {"kms_key_id": key, "region": "eu-central-1", "former_key_ids": ["alias/old"]}
    document = permissions.gateway(HERE, policy(retention={"content": "encrypted", "envelope": envelope}))
    use, former = [each for each in document["Statement"] if "kms:Decrypt" in each["Action"]]
    assert use["Resource"] == [resource]
    named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": [condition]}}
    assert use.get("Condition") == (named if condition else None)
    assert former["Action"] == ["kms:Decrypt"]


def test_nobody_turns_logging_off_or_elsewhere_but_deployers() -> None:
    document = permissions.service_control(HERE, ["us-east-1"])
    by_sid = {each["Sid"]: each for each in document["Statement"]}
    kept = by_sid["LoggingStaysOn"]
    assert {each.split(":")[1][:3] for each in kept["Action"]} == {"Del", "Put"}
    assert kept["Condition"] == {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*-deployer"}}
    for sid in ("NoUnguardedCalls", "NoCallsElsewhere"):
        assert "bedrock-mantle:CreateInference" in by_sid[sid]["Action"]


def test_the_mantle_s_action_is_one_that_the_module_s_endpoint_knows() -> None:
    endpoints = json.loads(files("keepstone.deploy").joinpath("module/data/endpoints.json").read_text())
    assert MANTLE in endpoints["bedrock-mantle"]["actions"]


def test_documents_are_json() -> None:
    for each in documents():
        assert json.loads(json.dumps(each))["Version"] == "2012-10-17"
