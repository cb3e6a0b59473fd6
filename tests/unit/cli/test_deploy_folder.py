"""`keepstone deploy plan`, `apply`, `outputs` and `overlay` as they are used; a stand-in is Terraform.

The real one, on a simulated AWS, is at work in tests/deploy.
"""

import json
import stat

import pytest

from keepstone.cli.main import main
from tests.unit.posture.documents import change, plan

POLICY = """\
version: 1
organisation: {name: Acme}
identities: {roles: {app: {allow: [{models: ["*"]}]}}}
upstreams: {us: {kind: bedrock, region: us-east-1}}
models: [{id: anthropic.claude-3-haiku-20240307-v1:0, upstreams: [us]}]
deployment: {environment: production, region: us-east-1, vpc_id: vpc-0a1b2c3d, subnet_ids: [SUBNET]}
"""
TERRAFORM = """\
#!/bin/sh
case "$1" in
  plan) echo planned > plan.tfplan ;;
  show) if [ $# -gt 3 ]; then cat plan.answer; else cat state.answer; fi ;;
  output) cat output.answer ;;
esac
"""
ARN = "arn:aws:iam::123456789012:user/ann"
TOLD = {
    "address": "module.bedrock_solution.data.aws_caller_identity.this",
    "mode": "data",
    "type": "aws_caller_identity",
    "name": "this",
    "values": {"account_id": "123456789012", "arn": ARN},
}
PRIOR = {"values": {"root_module": {"resources": [TOLD]}}}
SOUND = change("aws_kms_key.k", {"enable_key_rotation": True, "policy": None})
LOST = change("aws_kms_key.k", {"enable_key_rotation": True, "is_enabled": False, "policy": None})
MADE = {
    "region": "us-east-1",
    "endpoint_urls": {},
    "bedrock_access_role_arn": "arn:aws:iam::123456789012:role/r",
    "bedrock_guardrail_id": "g1",
    "bedrock_guardrail_version": "1",
}


class Place:
    """A folder with a policy and a deployment, and what Terraform will say there."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.write()

    def write(self, subnet="subnet-0a1b2c3d", more="") -> None:
        text = POLICY.replace("SUBNET", subnet).replace(
            "region: us-east-1, vpc", f"region: us-east-1, {more}vpc"
        )
        (self.folder / "keepstone.yaml").write_text(text)

    def answers(self, **documents) -> None:
        for name, document in documents.items():
            (self.folder / "deployment" / f"{name}.answer").write_text(json.dumps(document))

    def plans(self, *changes) -> int:
        found = plan(*changes, prior_state=PRIOR, planned_values={"root_module": {}})
        self.answers(plan=found)
        return main(["deploy", "plan"])


@pytest.fixture
def place(tmp_path, monkeypatch, capsys):
    script = tmp_path / "terraform"
    script.write_text(TERRAFORM)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("KEEPSTONE_TERRAFORM", str(script))
    monkeypatch.setenv("KEEPSTONE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    found = Place(tmp_path)
    assert main(["deploy", "init"]) == 0
    capsys.readouterr()
    return found


def test_a_plan_says_whose_account_it_is_of(place, capsys) -> None:
    assert place.plans(SOUND) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"account 123456789012, region us-east-1, as {ARN}\n")
    assert 'no account is named in the policy; `account: "123456789012"`' in said.err
    assert said.err.endswith("next: `keepstone deploy apply`\n")
    assert "`keepstone deploy check deployment/plan.json` names them" in said.out


def test_nobody_is_told_to_name_an_account_that_is_named(place, capsys) -> None:
    place.write(more='account: "123456789012", ')
    assert place.plans(SOUND) == 0
    assert "no account is named" not in capsys.readouterr().err


def test_a_plan_that_apply_will_refuse_says_so(place, capsys) -> None:
    assert place.plans(LOST) == 0
    said = capsys.readouterr().err
    assert "`keepstone deploy apply` refuses 1 check of high severity" in said
    assert "`keepstone deploy apply --accept KS-KEY-005 --reason ...`" in said
    assert main(["deploy", "apply"]) == 2
    assert "the plan fails 1 check of high severity" in capsys.readouterr().err


def test_nothing_to_do_is_said_without_an_empty_table(place, capsys) -> None:
    assert place.plans() == 0
    said = capsys.readouterr()
    assert "nothing changes: what is deployed is what the policy asks for" in said.out
    assert "USD" not in said.out
    assert "next:" not in said.err


def test_ids_that_aws_never_gives_are_planned_and_not_applied(place, capsys) -> None:
    place.write("snet-0123456789a")
    assert place.plans(SOUND) == 0
    assert main(["deploy", "apply"]) == 2
    assert "`snet-0123456789a` cannot be the id of a subnet of AWS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"format_version": "1.0"}, "nothing is deployed from this folder"),
        ({"format_version": "1.0", "values": {"root_module": {}}}, "nothing is deployed from this folder"),
        (PRIOR, "nothing is deployed from this folder"),
        (
            {"values": {"root_module": {"child_modules": [{"resources": [{"mode": "managed"}]}]}}},
            "something is deployed from this folder, but the apply did not finish",
        ),
    ],
)
@pytest.mark.parametrize("command", [["outputs"], ["overlay", "--out", "new.yaml"]])
def test_without_outputs_it_is_told_whether_something_stands(place, capsys, command, state, says) -> None:
    place.answers(output={}, state=state)
    assert main(["deploy", *command]) == 2
    assert says in capsys.readouterr().err
    assert not (place.folder / "new.yaml").exists()


def test_an_overlay_is_written_whole_or_not_at_all(place, capsys) -> None:
    place.answers(output={"bedrock_solution": {"value": MADE}})
    assert main(["deploy", "overlay"]) == 0
    printed = capsys.readouterr().out
    assert 'id: "g1"' in printed
    assert main(["deploy", "overlay", "--out", "keepstone.deployed.yaml"]) == 0
    path = place.folder / "keepstone.deployed.yaml"
    assert path.read_text() == printed
    place.answers(output={}, state={})
    assert main(["deploy", "overlay", "--out", "keepstone.deployed.yaml"]) == 2
    assert path.read_text() == printed
    assert main(["deploy", "overlay", "--out", "none/keepstone.deployed.yaml"]) == 2
