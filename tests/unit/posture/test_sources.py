"""What is read of several places: policies that compete, a trail's selectors, grants of keys, modalities."""

import json
from datetime import UTC, datetime

import pytest

from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.readers.terraform_document import read
from keepstone.posture.verdict import Verdict
from tests.unit.posture.documents import change, plan, resource, saved, state, written

ACCOUNT = "123456789012"


def verdicts(folder, check, *changes, **more) -> set[Verdict]:
    snapshot = read(saved(folder, plan(*changes, **more)), datetime.now(UTC))
    return {each.verdict for each in judged(snapshot, [EVERY[check]])}


def advanced(*fields):
    category = {"field": "eventCategory", "equals": ["Management"]}
    return {"advanced_event_selector": [{"field_selector": [category, *fields]}]}


@pytest.mark.parametrize(
    ("selectors", "verdict"),
    [
        ({}, Verdict.PASS),
        ({"event_selector": [{"include_management_events": True, "read_write_type": "All"}]}, Verdict.PASS),
        ({"event_selector": [{"read_write_type": "WriteOnly"}]}, Verdict.FAIL),
        (advanced(), Verdict.PASS),
        (advanced({"field": "eventSource", "not_equals": ["kms.amazonaws.com"]}), Verdict.PASS),
        (advanced({"field": "eventSource", "not_equals": ["bedrock.amazonaws.com"]}), Verdict.FAIL),
        (advanced({"field": "readOnly", "equals": ["false"]}), Verdict.FAIL),
    ],
)
def test_management_events(tmp_path, selectors, verdict):
    trail = change("aws_cloudtrail.t", {"is_multi_region_trail": True, **selectors})
    assert verdicts(tmp_path, "KS-TRL-001", trail) == {verdict}


@pytest.mark.parametrize(
    ("public", "verdict"), [(True, Verdict.FAIL), ("true", Verdict.FAIL), (False, Verdict.PASS)]
)
def test_networks_of_collections(tmp_path, public, verdict):
    policy = {"type": "network", "policy": json.dumps([{"AllowFromPublic": public}])}
    rule = change("aws_opensearchserverless_security_policy.n", policy)
    assert verdicts(tmp_path, "KS-KDB-006", rule) == {verdict}


OURS = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
PLAIN = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def policy(principal, *more) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "*", "Resource": "*"}
    return json.dumps({"Statement": [statement, *more]})


PUBLIC, CLOSED = policy("*"), policy(OURS)
HOLDERS = {
    "aws_s3_bucket": ("KS-BKT-008", "aws_s3_bucket_policy", "bucket"),
    "aws_sns_topic": ("KS-TOP-003", "aws_sns_topic_policy", "arn"),
    "aws_kms_key": ("KS-KEY-003", "aws_kms_key_policy", "key_id"),
    "aws_vpc_endpoint": ("KS-VPE-003", "aws_vpc_endpoint_policy", "vpc_endpoint_id"),
}


def holder(kind, own=None):
    return change(f"{kind}.b", {"id": "b", "service_name": "com.amazonaws.us-east-1.bedrock", "policy": own})


def beside(kind, name, text):
    _, policies, link = HOLDERS[kind]
    return change(f"{policies}.{name}", {link: "b", "policy": text})


@pytest.mark.parametrize("kind", HOLDERS)
@pytest.mark.parametrize(
    ("own", "others", "verdict"),
    [
        (None, (CLOSED,), Verdict.PASS),
        (CLOSED, (), Verdict.PASS),
        (CLOSED, (CLOSED, CLOSED), Verdict.PASS),
        (None, (CLOSED, PUBLIC), Verdict.FAIL),
        (None, (PUBLIC, CLOSED), Verdict.FAIL),
        (PUBLIC, (), Verdict.FAIL),
        (PUBLIC, (CLOSED,), Verdict.FAIL),
        (CLOSED, (PUBLIC,), Verdict.FAIL),
        (CLOSED, ("{",), Verdict.NOT_EVALUATED),
        (PUBLIC, ("{",), Verdict.FAIL),
        ("{", (PUBLIC,), Verdict.FAIL),
    ],
)
def test_each_policy_that_may_be_the_one_is_judged(tmp_path, kind, own, others, verdict):
    """AWS keeps one policy: where several are given, any of them may be it."""
    given = {"policy": own} if own else {}
    root = {"resources": [written(f"{kind}.b", **given)]}
    changes = [beside(kind, name, text) for name, text in zip("az", others, strict=False)]
    assert verdicts(tmp_path, HOLDERS[kind][0], holder(kind, own), *changes, root=root) == {verdict}


def test_a_policy_that_may_be_a_buckets_hides_nothing(tmp_path):
    root = {
        "resources": [
            written("aws_s3_bucket.b", policy=1),
            written("aws_s3_bucket_policy.z", bucket=("local.b",), policy=1),
        ]
    }
    other = change("aws_s3_bucket_policy.z", {"policy": CLOSED}, {"bucket": True})
    assert verdicts(tmp_path, "KS-BKT-008", holder("aws_s3_bucket", PUBLIC), other, root=root) == {
        Verdict.FAIL
    }
    assert verdicts(tmp_path, "KS-BKT-008", holder("aws_s3_bucket", CLOSED), other, root=root) == {
        Verdict.NOT_EVALUATED
    }


@pytest.mark.parametrize(
    ("kind", "check"), [("aws_s3_bucket", "KS-BKT-004"), ("aws_sns_topic", "KS-TOP-005")]
)
def test_what_is_denied_has_to_be_so_in_each(tmp_path, kind, check):
    tls = policy(OURS, PLAIN)
    found = holder(kind)
    root = {"resources": [written(f"{kind}.b")]}
    assert verdicts(tmp_path, check, found, beside(kind, "a", tls), root=root) == {Verdict.PASS}
    assert verdicts(tmp_path, check, found, beside(kind, "a", tls), beside(kind, "z", CLOSED), root=root) == {
        Verdict.FAIL
    }


@pytest.mark.parametrize(
    ("own", "verdict"),
    [
        ("", Verdict.PASS),
        (CLOSED, Verdict.PASS),
        (json.dumps({"Statement": json.loads(CLOSED)["Statement"][0]}), Verdict.PASS),
        (PUBLIC, Verdict.NOT_EVALUATED),
    ],
)
def test_a_state_that_contradicts_itself_is_not_believed(tmp_path, own, verdict):
    bucket = resource("aws_s3_bucket.b", {"id": "b", "policy": own})
    policies = resource("aws_s3_bucket_policy.p", {"bucket": "b", "policy": CLOSED})
    snapshot = read(saved(tmp_path, state(bucket, policies)), datetime.now(UTC))
    assert {each.verdict for each in judged(snapshot, [EVERY["KS-BKT-008"]])} == {verdict}


KEY_ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/r"
IDENTITY = resource("data.aws_caller_identity.me", {"account_id": ACCOUNT})
OTHER = resource("module.m.data.aws_caller_identity.me", {"account_id": "999999999999"})


def prior(*resources):
    return state(*resources) if resources else None


@pytest.mark.parametrize(
    ("key", "principal", "before", "verdict"),
    [
        (KEY_ARN, ROLE_ARN, (), Verdict.PASS),
        (KEY_ARN, "*", (), Verdict.FAIL),
        (KEY_ARN, ROLE_ARN.replace(ACCOUNT, "999999999999"), (), Verdict.FAIL),
        ("made", ROLE_ARN, (IDENTITY,), Verdict.PASS),
        ("made", ROLE_ARN, (OTHER,), Verdict.FAIL),
        ("made", ROLE_ARN, (), Verdict.NOT_EVALUATED),
        ("made", ROLE_ARN, (IDENTITY, OTHER), Verdict.NOT_EVALUATED),
        ("made", "*", (), Verdict.FAIL),
    ],
)
def test_grants_stay_in_the_keys_account(tmp_path, key, principal, before, verdict):
    grant = change("aws_kms_grant.g", {"key_id": key, "grantee_principal": principal})
    found = verdicts(tmp_path, "KS-KEY-006", grant, prior_state=prior(*before))
    assert found == {verdict}


def test_with_several_providers_nobody_says_whose_a_new_key_is(tmp_path):
    grant = change("aws_kms_grant.g", {"key_id": "made", "grantee_principal": ROLE_ARN})
    document = plan(grant, prior_state=state(IDENTITY))
    document["configuration"]["provider_config"] = {
        each: {"name": "aws", "full_name": "registry.terraform.io/hashicorp/aws"}
        for each in ("aws", "aws.west")
    }
    snapshot = read(saved(tmp_path, document), datetime.now(UTC))
    assert {each.verdict for each in judged(snapshot, [EVERY["KS-KEY-006"]])} == {Verdict.NOT_EVALUATED}


def test_a_grant_to_a_role_of_the_same_plan(tmp_path):
    root = {
        "resources": [
            written("aws_kms_grant.g", grantee_principal=("aws_iam_role.r.arn", "aws_iam_role.r"), key_id=1),
            written("aws_kms_grant.h", grantee_principal=("local.who",), key_id=1),
        ]
    }
    role = change("aws_iam_role.r", {"name": "r"}, {"arn": True})
    changes = [change(f"aws_kms_grant.{name}", {"key_id": "k"}, {"grantee_principal": True}) for name in "gh"]
    snapshot = read(saved(tmp_path, plan(role, *changes, root=root)), datetime.now(UTC))
    found = [each.verdict for each in judged(snapshot, [EVERY["KS-KEY-006"]])]
    assert found == [Verdict.PASS, Verdict.NOT_EVALUATED]


@pytest.mark.parametrize(
    ("modalities", "unknown", "verdict"),
    [
        (None, {}, Verdict.PASS),
        ([], {}, Verdict.PASS),
        (["TEXT"], {}, Verdict.PASS),
        (["IMAGE", "TEXT"], {}, Verdict.PASS),
        (["IMAGE"], {}, Verdict.FAIL),
        (None, {"input_modalities": True}, Verdict.NOT_EVALUATED),
    ],
)
def test_a_filter_of_images_is_none_of_texts(tmp_path, modalities, unknown, verdict):
    row = {"type": "PROMPT_ATTACK", "input_strength": "HIGH", "output_strength": "NONE"}
    content = [{"filters_config": [{**row, "input_modalities": modalities, "output_modalities": None}]}]
    guardrail = change(
        "aws_bedrock_guardrail.g",
        {"content_policy_config": content},
        {"content_policy_config": [{"filters_config": [unknown]}]},
    )
    assert verdicts(tmp_path, "KS-GRD-001", guardrail) == {verdict}


def test_rules_that_nobody_knows_yet_are_not_none(tmp_path):
    group = change("aws_security_group.g", {"name": "g"}, {"id": True, "ingress": True})
    told = {"resources": [written("aws_security_group.g", ingress=("local.rules",))]}
    untold = {"resources": [written("aws_security_group.g", name="g")]}
    for check in ("KS-NET-001", "KS-NET-002", "KS-NET-003", "KS-NET-004"):
        assert verdicts(tmp_path, check, group, root=told) == {Verdict.NOT_EVALUATED}
        assert verdicts(tmp_path, check, group, root=untold) == {Verdict.NOT_APPLICABLE}
