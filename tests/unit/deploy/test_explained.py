"""What `policy check` says of a deployment: what `deploy init` would refuse, where it stands."""

import json

import pytest

from keepstone.cli.main import main
from keepstone.deploy.explained import explained, faults_of
from keepstone.deploy.notices import Weight
from tests.unit.deploy.documents import PLACE, policy

ROWS = [
    ({"runtime_allowed_cidrs": ["0.0.0.0/0"]}, "runtime_allowed_cidrs", "`0.0.0.0/0` is every address"),
    ({"log_retention_days": 91}, "log_retention_days", "`91` days"),
    ({"enable_flow_logs": "maybe"}, "enable_flow_logs", "`'maybe'`"),
]


@pytest.mark.parametrize(("variables", "name", "says"), ROWS)
def test_what_init_refuses_is_a_fault_with_its_path(variables, name, says) -> None:
    document = policy(deployment={**PLACE, "variables": variables})
    assert Weight.ERROR in {each.weight for each in explained(document)[1]}
    (fault,) = faults_of(document)
    assert (fault.path, fault.message) == (
        ("deployment", "variables", name),
        f"{says}; nothing is built",
    )


def test_what_init_takes_has_none() -> None:
    assert not list(faults_of(policy(deployment={**PLACE, "variables": {"log_retention_days": 120}})))
    assert not list(faults_of(policy()))


def test_partitions_that_are_mixed_are_a_fault_of_the_section() -> None:
    document = policy(deployment={**PLACE, "region": "us-gov-west-1"})
    (fault,) = faults_of(document)
    assert (fault.path, "aws-us-gov" in fault.message) == (("deployment",), True)


@pytest.mark.parametrize(("days", "status"), [(91, 2), (120, 0)])
def test_policy_check_tells_line_and_column(tmp_path, capsys, days, status) -> None:
    file = tmp_path / "keepstone.yaml"
    file.write_text(f"""\
version: 1
organisation: {{name: Trial}}
identities: {{roles: {{app: {{allow: [{{models: ["*"]}}]}}}}}}
upstreams: {{us: {{kind: bedrock, region: us-east-1}}}}
models: [{{id: anthropic.claude-3-haiku-20240307-v1:0, upstreams: [us]}}]
deployment:
  environment: production
  region: us-east-1
  vpc_id: vpc-0a1b2c3d4e5f60718
  subnet_ids: [subnet-0a1b2c3d4e5f60718]
  variables:
    log_retention_days: {days}
""")
    assert main(["policy", "check", str(file), "--format", "json"]) == status
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] == (status == 0)
    assert [(each["line"], each["column"]) for each in told["problems"]] == [(12, 25)] * (status == 2)
