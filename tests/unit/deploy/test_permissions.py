"""IAM documents: real actions only, nothing for nobody, and the bounds that a persona has."""

import json
import re
from functools import cache

import botocore.session
import pytest

from keepstone.catalog.iam_actions import iam_actions
from keepstone.deploy import permissions
from keepstone.deploy.deployer import deployer
from keepstone.deploy.documents import Place
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
    "bedrock:InvokeModelWithResponseStream",
    "budgets:ModifyBudget",
    "budgets:ViewBudget",
    "elasticloadbalancing:SetWebACL",
    "iam:PassRole",
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
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
}
GUARDED = {"us": {"kind": "bedrock", "region": "us-east-1", "guardrail": {"id": "gr8x5vk2p0d1"}}}
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
    yield permissions.service_control(HERE, ["us-east-1"])
    for each in Persona:
        yield permissions.persona(HERE, policy(), each)


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


@pytest.mark.parametrize("who", Persona)
@pytest.mark.parametrize("check", ["KS-IAM-001", "KS-IAM-002", "KS-IAM-003", "KS-IAM-004"])
def test_our_own_checks_find_nothing_in_what_a_persona_may(who, check) -> None:
    written = json.dumps(permissions.persona(HERE, policy(), who))
    found = judged(snapshot("policy", {"policy": parsed(written)}), [EVERY[check]])
    assert {each.verdict for each in found} <= {Verdict.PASS, Verdict.NOT_APPLICABLE}, found


def test_nobody_may_do_everything() -> None:
    for each in documents():
        assert all("*" not in action for action in actions(each))
        assert all(place != "" and "{" not in place for s in each["Statement"] for place in s["Resource"])


def test_a_gateway_whose_calls_have_a_guardrail_may_apply_it_and_read_it() -> None:
    needed = {"bedrock:ApplyGuardrail", "kms:Decrypt"}
    assert actions(permissions.gateway(HERE, policy(upstreams=GUARDED))) >= needed
    assert not actions(permissions.gateway(HERE, policy())) & needed


def test_a_profile_s_models_are_allowed_where_it_may_compute() -> None:
    document = permissions.gateway(HERE, policy(models=[{"id": "us.anthropic.*", "upstreams": ["us"]}]))
    places = {place for each in document["Statement"] for place in each["Resource"]}
    assert places >= {f"arn:aws:bedrock:us-{each}::foundation-model/*" for each in ("east-2", "west-2")}


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
    allowed = actions(permissions.persona(HERE, policy(), who))
    assert may in allowed
    assert may_not not in allowed


def test_who_calls_models_calls_them_with_a_guardrail() -> None:
    for each in Persona:
        document = permissions.persona(HERE, policy(), each)
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
            record={"store": {"bucket": "acme-ledger", "region": "us-east-1"}},
            retention={"content": "encrypted", "envelope": {"kms_key_id": "alias/k", "region": "us-east-1"}},
        ),
    )
    assert {"s3:PutObject", "kms:GenerateDataKey", "bedrock:InvokeModel"} <= actions(kept)


@pytest.mark.parametrize(("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")])
def test_arns_are_of_the_regions_partition(region, partition) -> None:
    place = Place("production", region, "123456789012")
    bedrock = policy(upstreams={"us": {"kind": "bedrock", "region": region}})
    made = [permissions.for_whom(place, bedrock, who, [region]) for who in ("deployer", "gateway", "scp")]
    made += [permissions.persona(place, bedrock, each) for each in Persona]
    arns = set(re.findall(r'"arn:([^:"]*):', json.dumps(made)))
    assert arns == {partition}


def test_calls_by_a_profile_are_let_through_where_it_leads() -> None:
    upstreams = {name: {"kind": "bedrock", "region": name} for name in ("us-east-1", "us-west-2")}
    models = [{"id": "us.anthropic.claude-x", "upstreams": list(upstreams)}]
    document = permissions.gateway(HERE, policy(upstreams=upstreams, models=models))
    (statement,) = [each for each in document["Statement"] if "bedrock:InvokeModel" in each["Action"]]
    assert statement["Resource"] == [
        *(
            f"arn:aws:bedrock:us-{each}::foundation-model/*"
            for each in ("east-1", "east-2", "west-1", "west-2")
        ),
        *(f"arn:aws:bedrock:{each}:123456789012:inference-profile/*" for each in upstreams),
    ]


def test_documents_are_json() -> None:
    for each in documents():
        assert json.loads(json.dumps(each))["Version"] == "2012-10-17"
