"""Which checks a change by hand is about, and who should care."""

import json
import re
from datetime import UTC, datetime
from importlib.resources import as_file, files

import pytest

from keepstone.catalog.resource_owners import resource_owners
from keepstone.core.errors import UsageError
from keepstone.deploy.verdicts import Concern, concerns, refusing, report_of

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


def one(folder, wanted, there, address):
    plan = written(folder / "plan.json", wanted, planned=True)
    before = written(folder / "before.json", there, planned=False)
    return concerns(plan, before, [address], NOW)[address]


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("null_resource.mine", "platform"),
        ("module.a.module.b[0].aws_budgets_budget.gone", "finance"),
        ("data", "platform"),
    ],
)
def test_what_nothing_is_about_has_an_owner(tmp_path, address, who) -> None:
    resources = [resource(BUCKET, id="b", bucket="b"), closed()]
    assert one(tmp_path, resources, resources, address) == Concern((), (), (who,))


def test_what_fails_nothing_names_the_checks_that_are_about_it(tmp_path) -> None:
    found = one(tmp_path, [group("10.1.0.0/16")], [group("10.77.0.0/16")], GROUP)
    assert found.checks == ()
    assert {"KS-NET-001", "KS-NET-002"} <= set(found.about)
    assert "security" in found.who


ROLE, TOPIC = resource("aws_iam_role.access", name="access"), "aws_sns_topic.alerts"
RULE = resource("aws_cloudwatch_event_rule.key[0]", name="key", state="ENABLED")


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        (ROLE, resource('aws_iam_role_policies_exclusive.this["access"]', role_name="access")),
        (
            resource(TOPIC, arn="t"),
            resource('aws_sns_topic_subscription.alerts["critical ops"]', topic_arn="t"),
        ),
        (RULE, resource("aws_cloudwatch_event_target.alert[0]", rule="key")),
        (resource("aws_kms_key.this", key_id="k"), resource("aws_kms_alias.this", target_key_id="k")),
    ],
)
def test_a_part_names_the_checks_of_what_it_belongs_to(tmp_path, whole, part) -> None:
    found = one(tmp_path, [whole, part], [whole], part["address"])
    whole_one = one(tmp_path, [whole, part], [whole], whole["address"])
    assert set(found.checks + found.about)
    assert (found.checks, found.about) == (whole_one.checks, whole_one.about)


def test_a_failure_is_laid_at_what_it_saw_otherwise(tmp_path) -> None:
    logs = resource("aws_cloudwatch_log_group.invocations", name="logs", arn="l", retention_in_days=365)
    mask = {"Statement": [{"Operation": {"Deidentify": {"MaskConfig": {}}}}]}
    policy = "aws_cloudwatch_log_data_protection_policy.invocations[0]"
    masking = resource(policy, log_group_name="logs", policy_document=json.dumps(mask))
    delivery = {"text_data_delivery_enabled": True, "cloudwatch_config": [{"log_group_name": "logs"}]}
    logging = resource("aws_bedrock_model_invocation_logging_configuration.this", logging_config=[delivery])
    wanted, there = [logs, masking, logging, group("10.1.0.0/16")], [logs, logging, group("10.77.0.0/16")]
    assert "KS-LOG-008" in one(tmp_path, wanted, there, policy).checks
    assert one(tmp_path, wanted, there, GROUP).checks == ()


def test_each_type_of_the_module_has_an_owner() -> None:
    module = files("keepstone.deploy").joinpath("module")
    with as_file(module) as folder:
        code = "\n".join(path.read_text() for path in folder.rglob("*.tf"))
    made = set(re.findall(r'^resource "(\w+)"', code, re.MULTILINE))
    assert sorted(made - resource_owners().keys()) == []
    assert sorted(resource_owners().keys() - made) == []
    assert {each.of for each in resource_owners().values()} - {""} <= made


def test_high_failures_refuse_until_they_are_accepted(tmp_path) -> None:
    plan = written(tmp_path / "plan.json", [group("0.0.0.0/0")], planned=True)
    report = report_of(plan, NOW)
    assert {row.check for row in refusing(report, [])} == {"KS-NET-001"}
    assert refusing(report, ["KS-NET-001"]) == ()
    with pytest.raises(UsageError, match="no check `KS-NET-999`"):
        refusing(report, ["KS-NET-999"])
