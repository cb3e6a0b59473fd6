"""Which checks a change by hand is about, and who should care."""

import json
from datetime import UTC, datetime

import pytest

from keepstone.core.errors import UsageError
from keepstone.deploy.verdicts import concerns, refusing, report_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BUCKET, BLOCK = "aws_s3_bucket.logs", "aws_s3_bucket_public_access_block.logs"
GROUP = 'aws_security_group.endpoint["runtime"]'


def resource(address, **values):
    kind, _, name = address.partition(".")
    return {
        "address": address,
        "mode": "managed",
        "type": kind,
        "name": name.partition("[")[0],
        "values": values,
        "sensitive_values": {},
    }


def group(cidr):
    rule = {
        "cidr_blocks": [cidr],
        "from_port": 443,
        "to_port": 443,
        "protocol": "tcp",
        "ipv6_cidr_blocks": [],
        "prefix_list_ids": [],
        "security_groups": [],
        "self": False,
        "description": "x",
    }
    return resource(GROUP, id="sg-1", name="g", description="d", vpc_id="vpc-1", ingress=[rule], egress=[])


def closed(bucket="b"):
    flags = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    return resource(BLOCK, bucket=bucket, **dict.fromkeys(flags, True))


def written(path, resources, *, planned):
    module = {"resources": resources}
    if planned:
        changes = [
            {
                "address": each["address"],
                "mode": "managed",
                "type": each["type"],
                "name": each["name"],
                "change": {
                    "actions": ["no-op"],
                    "before": each["values"],
                    "after": each["values"],
                    "after_unknown": {},
                    "before_sensitive": {},
                    "after_sensitive": {},
                },
            }
            for each in resources
        ]
        document = {
            "format_version": "1.2",
            "terraform_version": "1.11.4",
            "planned_values": {"root_module": module},
            "resource_changes": changes,
            "configuration": {"root_module": {}},
        }
    else:
        document = {"format_version": "1.0", "terraform_version": "1.11.4", "values": {"root_module": module}}
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("there", "changed", "check"),
    [
        ([resource(BUCKET, id="b", bucket="b"), closed(), group("0.0.0.0/0")], GROUP, "KS-NET-001"),
        ([resource(BUCKET, id="b", bucket="b"), group("10.1.0.0/16")], BLOCK, "KS-BKT-001"),
        ([resource(BUCKET, id="b", bucket="b"), closed()], GROUP, "KS-NET-001"),
    ],
)
def test_a_change_names_its_checks(tmp_path, there, changed, check) -> None:
    wanted = [resource(BUCKET, id="b", bucket="b"), closed(), group("10.1.0.0/16")]
    plan = written(tmp_path / "plan.json", wanted, planned=True)
    before = written(tmp_path / "before.json", there, planned=False)
    (found,) = concerns(plan, before, [changed], NOW).values()
    assert check in found.checks
    assert found.who


def test_what_is_there_names_only_what_fails_by_the_change(tmp_path) -> None:
    plan = written(tmp_path / "plan.json", [group("10.1.0.0/16")], planned=True)
    before = written(tmp_path / "before.json", [group("0.0.0.0/0")], planned=False)
    assert concerns(plan, before, [GROUP], NOW)[GROUP].checks == ("KS-NET-001", "KS-NET-002")


def test_what_nothing_is_about_names_none(tmp_path) -> None:
    resources = [resource(BUCKET, id="b", bucket="b"), closed()]
    plan = written(tmp_path / "plan.json", resources, planned=True)
    before = written(tmp_path / "before.json", resources, planned=False)
    assert concerns(plan, before, ["null_resource.mine"], NOW)["null_resource.mine"].checks == ()


def test_high_failures_refuse_until_they_are_accepted(tmp_path) -> None:
    plan = written(tmp_path / "plan.json", [group("0.0.0.0/0")], planned=True)
    report = report_of(plan, NOW)
    assert {row.check for row in refusing(report, [])} == {"KS-NET-001"}
    assert refusing(report, ["KS-NET-001"]) == ()
    with pytest.raises(UsageError, match="no check `KS-NET-999`"):
        refusing(report, ["KS-NET-999"])
