"""What is read of several places: a bucket's policies, a trail's selectors, networks of OpenSearch."""

import json
from datetime import UTC, datetime

import pytest

from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.readers.terraform_document import read
from keepstone.posture.verdict import Verdict
from tests.unit.posture.documents import change, plan, saved


def verdicts(folder, check, *changes) -> set[Verdict]:
    snapshot = read(saved(folder, json.dumps(plan(*changes))), datetime.now(UTC))
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


def test_all_policies_of_a_bucket_are_judged(tmp_path):
    def policy(name, principal):
        statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": "*"}
        return change(
            f"aws_s3_bucket_policy.{name}", {"bucket": "b", "policy": json.dumps({"Statement": [statement]})}
        )

    bucket = change("aws_s3_bucket.b", {"bucket": "b", "id": "b"})
    closed = policy("a", {"AWS": "arn:aws:iam::123456789012:root"})
    assert verdicts(tmp_path, "KS-BKT-008", bucket, closed) == {Verdict.PASS}
    assert verdicts(tmp_path, "KS-BKT-008", bucket, closed, policy("z", "*")) == {Verdict.FAIL}
