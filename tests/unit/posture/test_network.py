"""Who is let in: by a group's rules together, by prefix lists, and by what is no range."""

import json
from datetime import UTC, datetime

from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.readers.terraform_document import read
from keepstone.posture.verdict import Verdict
from tests.unit.posture.documents import change, plan, saved

FAIL, PASS, DOUBT = {Verdict.FAIL}, {Verdict.PASS}, {Verdict.NOT_EVALUATED}


def verdicts(folder, *changes) -> set[Verdict]:
    snapshot = read(saved(folder, json.dumps(plan(*changes))), datetime.now(UTC))
    return {each.verdict for each in judged(snapshot, [EVERY["KS-NET-001"]])}


def rule(name: str, **values):
    more = {"security_group_id": "sg-1", "ip_protocol": "-1", **values}
    return change(f"aws_vpc_security_group_ingress_rule.{name}", more)


def prefix_list(*ranges: str):
    return change(
        "aws_ec2_managed_prefix_list.p", {"id": "pl-1", "entry": [{"cidr": each} for each in ranges]}
    )


def test_rules_of_a_group_are_added_up(tmp_path):
    halves = (rule("a", cidr_ipv4="0.0.0.0/2"), rule("b", cidr_ipv4="64.0.0.0/2"))
    assert verdicts(tmp_path, *halves) == FAIL
    assert verdicts(tmp_path, halves[0], rule("b", cidr_ipv4="64.0.0.0/2", security_group_id="sg-2")) == PASS


def test_what_is_no_range_is_not_judged(tmp_path):
    assert verdicts(tmp_path, rule("a", cidr_ipv4="garbage")) == DOUBT


def test_a_prefix_list_is_looked_into(tmp_path):
    by_list = rule("a", prefix_list_id="pl-1")
    entry = change("aws_ec2_managed_prefix_list_entry.e", {"prefix_list_id": "pl-1", "cidr": "::/0"})
    assert verdicts(tmp_path, prefix_list("0.0.0.0/0"), by_list) == FAIL
    assert verdicts(tmp_path, prefix_list("10.0.0.0/16"), by_list) == PASS
    assert verdicts(tmp_path, prefix_list("10.0.0.0/16"), entry, by_list) == FAIL
    assert verdicts(tmp_path, by_list) == DOUBT
