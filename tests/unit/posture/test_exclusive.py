"""Policies that an apply takes off a role: no more than those that the plan surely removes."""

import json
from datetime import UTC, datetime

import pytest

from keepstone.deploy.verdicts import refusing, report_of
from keepstone.posture.kinds import Kind
from keepstone.posture.readers.terraform_document import read
from tests.unit.posture.documents import change, plan, saved, written

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ROLE, LIST = "aws_iam_role.access", "aws_iam_role_policies_exclusive.access"
ARNS = "aws_iam_role_policy_attachments_exclusive.access"
OURS, OTHER = "arn:aws:iam::aws:policy/Ours", "arn:aws:iam::aws:policy/Other"
ALL = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "bedrock:*", "Resource": "*"}]}
)


def role(actions="no-op"):
    blocks = [{"name": name, "policy": ALL} for name in ("ours", "more")]
    after = {"name": "access", "inline_policy": blocks, "managed_policy_arns": [OURS, OTHER]}
    return change(ROLE, after, actions=[actions])


def names(names, actions="update", of="access", unknown=None):
    return change(LIST, {"role_name": of, "policy_names": names}, unknown, actions=[actions])


def inline(tmp_path, *changes, **more) -> int:
    return len(read(saved(tmp_path, plan(*changes, **more)), NOW).of(Kind.POLICY))


@pytest.mark.parametrize(
    ("listed", "left"),
    [
        (names(["ours"]), 1),
        (names([]), 0),
        (names(["ours"], actions="create"), 1),
        (names(["ours"], actions="no-op"), 2),
        (names(["ours"], actions="delete"), 2),
        (names(["ours"], of="another"), 2),
        (names(None, unknown={"policy_names": True}), 2),
        (names(["ours", None], unknown={"policy_names": [False, True]}), 2),
        (names(["ours"], of=None, unknown={"role_name": True}), 2),
    ],
)
def test_only_what_a_list_takes_off_is_gone(tmp_path, listed, left) -> None:
    assert inline(tmp_path, role(), listed) == left


def test_what_any_list_names_stays(tmp_path) -> None:
    other = names(["more"]) | {"address": "aws_iam_role_policies_exclusive.other"}
    assert inline(tmp_path, role(), names(["ours"]), other) == 2


def test_what_the_code_gives_stays(tmp_path) -> None:
    root = {"resources": [written(ROLE, inline_policy="given")]}
    assert inline(tmp_path, role(), names([]), root=root) == 2


def test_a_list_of_another_account_takes_nothing_off(tmp_path) -> None:
    providers = {"aws": {"name": "aws"}, "aws.other": {"name": "aws", "alias": "other"}}
    configuration = {"root_module": {}, "provider_config": providers}
    assert inline(tmp_path, role(), names([]), configuration=configuration) == 2


def test_attached_policies_are_taken_off_too(tmp_path) -> None:
    listed = change(ARNS, {"role_name": "access", "policy_arns": [OURS]}, actions=["update"])
    found = read(saved(tmp_path, plan(role(), listed)), NOW).of(Kind.ATTACHMENT)
    assert [each.value("policy") for each in found] == [OURS]


def test_a_plan_that_takes_the_policy_off_is_not_refused(tmp_path) -> None:
    kept = refusing(report_of(saved(tmp_path, plan(role(), names(["ours", "more"]))), NOW), ())
    assert {(row.check, row.resource) for row in kept} >= {("KS-IAM-001", f"{ROLE}.inline_policy[1]")}
    assert refusing(report_of(saved(tmp_path, plan(role(), names([]))), NOW), ()) == ()
