"""Times `keepstone deploy check` on large plans: `python -m bench.posture [SIZES]`.

A plan is made of teams: each has a bucket with what stands beside it, a role with its policies, a key, a
log group, a guardrail, a security group with a rule, and an endpoint. Half of the teams are written out, half
come by `for_each`; ids are known after apply, as in a first plan. CPU seconds, the best of three runs; what
one resource takes should not grow with the plan.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.readers.terraform_document import read
from keepstone.posture.snapshot import Snapshot

SIZES = (500, 2000, 8000)
_RUNS = 3
_ACCOUNT = "arn:aws:iam::123456789012:root"
_POLICY = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": _ACCOUNT}, "Action": "s3:GetObject", "Resource": "*"},
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
    }
)
_INVOKE = json.dumps(
    {
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "bedrock:InvokeModel",
                "Resource": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
            }
        ]
    }
)
Part = tuple[str, dict[str, Any], dict[str, tuple[str, str]]]
"""A type, what is known of the resource, and which arguments come from which attribute of which type."""

_TEAM: tuple[Part, ...] = (
    ("aws_kms_key", {"enable_key_rotation": True, "policy": _POLICY}, {}),
    ("aws_s3_bucket", {}, {}),
    ("aws_s3_bucket_policy", {"policy": _POLICY}, {"bucket": ("aws_s3_bucket", "id")}),
    (
        "aws_s3_bucket_versioning",
        {"versioning_configuration": [{"status": "Enabled"}]},
        {"bucket": ("aws_s3_bucket", "id")},
    ),
    (
        "aws_s3_bucket_public_access_block",
        {"block_public_acls": True, "block_public_policy": True},
        {"bucket": ("aws_s3_bucket", "id")},
    ),
    ("aws_iam_role", {"assume_role_policy": _POLICY}, {}),
    ("aws_iam_policy", {"policy": _INVOKE}, {}),
    (
        "aws_iam_role_policy_attachment",
        {},
        {"role": ("aws_iam_role", "name"), "policy_arn": ("aws_iam_policy", "arn")},
    ),
    ("aws_cloudwatch_log_group", {"retention_in_days": 90}, {"kms_key_id": ("aws_kms_key", "arn")}),
    ("aws_bedrock_guardrail", {"name": "g"}, {"kms_key_arn": ("aws_kms_key", "arn")}),
    ("aws_security_group", {"ingress": []}, {}),
    (
        "aws_vpc_security_group_ingress_rule",
        {"ip_protocol": "tcp", "from_port": 80, "to_port": 80, "cidr_ipv4": "10.0.0.0/8"},
        {"security_group_id": ("aws_security_group", "id")},
    ),
    (
        "aws_vpc_endpoint",
        {"service_name": "com.amazonaws.us-east-1.s3", "vpc_endpoint_type": "Interface", "policy": _POLICY},
        {"security_group_ids": ("aws_security_group", "id")},
    ),
)


def plan(resources: int) -> dict[str, Any]:
    """Return a plan of about so many resources."""
    teams = max(2, resources // len(_TEAM))
    alone = [f"team{n}" for n in range(teams // 2)]
    keys = [f"team{n}" for n in range(teams // 2, teams)]
    return {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "resource_changes": [
            *(_change(part, f"{part[0]}.{name}") for name in alone for part in _TEAM),
            *(_change(part, f'{part[0]}.each["{key}"]') for key in keys for part in _TEAM),
        ],
        "configuration": {
            "root_module": {
                "resources": [
                    *(_written(part, name) for name in alone for part in _TEAM),
                    *(_written(part, "each", "each.key", "each") for part in _TEAM),
                ]
            }
        },
    }


def _change(part: Part, address: str) -> dict[str, Any]:
    kind, known, links = part
    unknown = dict.fromkeys(("id", "arn", *links), True)
    change = {"actions": ["create"], "after": known, "after_unknown": unknown, "after_sensitive": {}}
    return {"address": address, "mode": "managed", "type": kind, "name": "x", "change": change}


def _written(part: Part, name: str, *more: str) -> dict[str, Any]:
    kind, known, links = part
    told: dict[str, Any] = {each: {"constant_value": value} for each, value in known.items()}
    for argument, (other, attribute) in links.items():
        target = f"{other}.{name}"
        references = [target, *more] if more else [f"{target}.{attribute}", target]
        told[argument] = {"references": references}
    return {"address": f"{kind}.{name}", "type": kind, "expressions": told}


def measured(resources: int) -> Iterator[float]:
    """Yield the CPU seconds of reading a plan, and of judging it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        path.write_text(json.dumps(plan(resources)))
        found: list[Snapshot] = []
        yield _best(lambda: found.append(read(path, datetime.now(UTC))))
        yield _best(lambda: judged(found[-1], EVERY.values()))


def _best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(_RUNS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def main(arguments: list[str]) -> int:
    """Print a row for each size."""
    sys.stdout.write("resources     read    judge      all   per resource\n")
    for size in [int(each) for each in arguments] or SIZES:
        reading, judging = measured(size)
        each = 1e6 * (reading + judging) / size
        sys.stdout.write(
            f"{size:9} {reading:6.2f} s {judging:6.2f} s {reading + judging:6.2f} s {each:11.0f} µs\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
