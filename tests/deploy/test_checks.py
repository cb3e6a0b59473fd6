"""Our module under our own checks, planned by the real provider; and a user's plan with agents in it."""

import json
import shutil
from pathlib import Path

import pytest
from tests.deploy.hiding import worlds
from tests.services.terraform import Terraform, needs_terraform
from tests.simulators.aws.server import aws_server

from keepstone.catalog.checks import check_texts
from keepstone.cli.main import main
from keepstone.posture.engine import judged
from keepstone.posture.every import EVERY
from keepstone.posture.readers.plan import read_raws
from keepstone.posture.readers.terraform.assembly import assembled
from keepstone.posture.readers.world import World
from keepstone.posture.snapshot import Provenance
from keepstone.posture.verdict import Verdict

HERE = Path(__file__).parent
MODULE = Path(__file__).parents[2] / "src" / "keepstone" / "deploy" / "module"

NETWORK = """
  vpc_id      = "vpc-0a1b2c3d4e5f60718"
  subnet_ids  = ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"]
"""
BY_USERS = """
  permissions_boundary_arn     = "arn:aws:iam::123456789012:policy/Boundary"
  critical_alert_subscriptions = { ops = { protocol = "email", endpoint = "ops@example.com" } }
  denied_topics                = [{ name = "law", definition = "Advice on the law", examples = [] }]
  budget_notification_emails   = ["money@example.com"]
  budget_anomaly_emails        = ["money@example.com"]
"""
"""What nobody but the user can know: without it the module's defaults fail, and say so."""

LEFT_TO_USERS = {"KS-BUD-002", "KS-GRD-011", "KS-IAM-008", "KS-TOP-006"}

pytestmark = [needs_terraform, pytest.mark.slow]


@pytest.fixture(scope="module")
def plans(tmp_path_factory) -> dict[str, Path]:
    """Plan the module with the least input and with all of it, and a root of somebody else's."""
    folder = tmp_path_factory.mktemp("checks")
    roots = {"least": f"{NETWORK}", "full": f"{NETWORK}{BY_USERS}"}
    for name, arguments in roots.items():
        (folder / name).mkdir()
        (folder / name / "main.tf").write_text(module(arguments))
        shutil.copytree(MODULE, folder / name / "module")
    shutil.copytree(HERE / "examples" / "agents", folder / "agents")
    (folder / "quick_start").mkdir()
    shutil.copy(HERE / "examples" / "quick_start.tf", folder / "quick_start" / "main.tf")
    shutil.copytree(MODULE, folder / "quick_start" / "modules" / "solution-aws-bedrock-mgmt-runtime")
    with aws_server() as aws:
        return {
            name: planned(folder / name, folder, aws.environment)
            for name in (*roots, "agents", "quick_start")
        }


def test_after_apply_all_can_be_told(tmp_path, capsys):
    """The state of our module, applied to the test AWS by the real provider, leaves nothing open."""
    root = tmp_path / "root"
    shutil.copytree(MODULE, root / "module")
    shutil.copy(MODULE / "versions.tf", root)
    terraform = Terraform(root, tmp_path / "home")
    with aws_server() as aws:
        terraform.environment |= aws.environment
        vpc, subnets = aws.network()
        network = f'  vpc_id     = "{vpc}"\n  subnet_ids = {json.dumps(subnets)}\n'
        (root / "main.tf").write_text(module(network + BY_USERS))
        for command in (["init"], ["apply", "-auto-approve"]):
            done = terraform.run(*command, "-input=false")
            assert done.code == 0, done.output
    path = tmp_path / "state.json"
    path.write_text(terraform.run("show", "-json").output)
    status, found, rows = findings(path, capsys)
    assert status == 0
    assert found.keys() == {"PASS", "NOT_APPLICABLE"}, [each for each in rows if each["verdict"] == "FAIL"]
    assert len(found["PASS"]) > 60


def module(arguments: str) -> str:
    return f'module "bedrock" {{\n  source      = "./module"\n  environment = "production"\n{arguments}}}\n'


def planned(root: Path, folder: Path, environment: dict[str, str]) -> Path:
    shutil.copy(MODULE / "versions.tf", root)
    terraform = Terraform(root, folder / "home")
    terraform.environment |= environment
    done = terraform.run("init", "-input=false")
    assert done.code == 0, done.output
    path = folder / f"{root.name}.json"
    path.write_text(json.dumps(terraform.plan()))
    return path


def findings(path: Path, capsys) -> tuple[int, dict[str, set[str]], list[dict]]:
    status = main(["deploy", "check", str(path), "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    found: dict[str, set[str]] = {}
    for each in report["findings"]:
        found.setdefault(each["verdict"], set()).add(each["check"])
    return status, found, report["findings"]


def test_deploy_plan_says_how_many_checks_fail(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--yes"]) == 0, capsys.readouterr().err
    with aws_server() as aws:
        settings = Terraform(tmp_path, tmp_path / "home").environment | aws.environment
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        vpc, subnets = aws.network()
        with (tmp_path / "keepstone.yaml").open("a") as policy:
            policy.write(
                "\ndeployment:\n  environment: production\n  region: us-east-1\n"
                f"  vpc_id: {vpc}\n  subnet_ids: {json.dumps(subnets)}\n"
            )
        assert main(["deploy", "init"]) == 0, capsys.readouterr().err
        capsys.readouterr()
        assert main(["deploy", "plan", "--format", "json"]) == 0, capsys.readouterr().err
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert checks["counts"]["PASS"] > 60
    assert main(["deploy", "check", "deployment/plan.json", "--format", "json"]) == 1  # nobody is subscribed
    report = json.loads(capsys.readouterr().out)
    assert checks == {"counts": report["counts"], "failures": report["failures"]}


def test_our_module_passes_our_own_checks(plans, capsys):
    status, found, rows = findings(plans["full"], capsys)
    assert [each for each in rows if each["verdict"] == "FAIL"] == []
    assert status == 0
    assert len(found["PASS"]) > 60


def test_with_the_least_input_only_what_users_must_say_fails(plans, capsys):
    status, found, _ = findings(plans["least"], capsys)
    assert found["FAIL"] == LEFT_TO_USERS
    assert status == 1


def test_what_a_plan_of_our_module_cannot_tell_is_documented(plans, capsys):
    open_ones = {
        check
        for name in ("least", "full")
        for check in findings(plans[name], capsys)[1].get("NOT_EVALUATED", set())
    }
    assert open_ones == {check for check, text in check_texts().items() if text.at_plan}


def test_the_wide_range_of_the_sources_example_is_found(plans, capsys):
    _, _, rows = findings(plans["quick_start"], capsys)
    found = [each for each in rows if each["check"] == "KS-NET-002" and each["verdict"] == "FAIL"]
    assert found
    assert all("management" in each["resource"] for each in found)
    assert "10.0.0.0/8" in found[0]["evidence"][0]["seen"]


def test_a_plan_with_agents_is_judged_resource_by_resource(plans, capsys):
    status, _, rows = findings(plans["agents"], capsys)
    verdicts = {(each["check"], each["resource"]): each["verdict"] for each in rows}
    assert status == 1
    for check in ("KS-AGT-001", "KS-AGT-002", "KS-AGT-004", "KS-AGT-006"):
        assert verdicts[check, "aws_bedrockagent_agent.sound"] == "PASS", check
    assert verdicts["KS-AGT-001", "aws_bedrockagent_agent.bare"] == "FAIL"
    assert verdicts["KS-AGT-002", "aws_bedrockagent_agent.bare"] == "FAIL"
    assert verdicts["KS-AGT-006", "aws_bedrockagent_agent.bare"] == "NOT_EVALUATED"
    for check, resource in FAILING:
        assert verdicts[check, resource] == "FAIL", check
    for check, resource in PASSING:
        assert verdicts[check, resource] == "PASS", check


def test_hiding_a_part_of_a_plan_makes_nothing_better(plans):
    """Whatever is not known: no reader stumbles, and what failed for sure does not pass."""
    plan = json.loads(plans["agents"].read_text())
    raws = list(read_raws(plan))
    provenance = Provenance("plan", "agents.json", "", "", "", "")
    before = {
        (each.check, each.resource)
        for each in judged(assembled(World(raws), provenance), EVERY.values())
        if each.verdict is Verdict.FAIL
    }
    assert before
    for world in worlds(raws):
        for each in judged(assembled(World(world), provenance), EVERY.values()):
            better = each.verdict is Verdict.PASS and (each.check, each.resource) in before
            assert not better, each


def test_no_reader_stumbles_over_what_our_module_may_leave_open(plans):
    raws = list(read_raws(json.loads(plans["full"].read_text())))
    provenance = Provenance("plan", "full.json", "", "", "", "")
    whole = assembled(World(raws), provenance)
    for n, world in enumerate(worlds(raws)):
        if n % 5 == 0:  # a fifth of some two thousand is enough of them, for they are alike
            assert len(assembled(World(world), provenance).resources) >= len(whole.resources) - 4


FAILING = (
    ("KS-AGT-008", "aws_bedrockagent_agent_action_group.code"),
    ("KS-CMO-001", "aws_bedrock_custom_model.bare"),
    ("KS-CMO-002", "aws_bedrock_custom_model.bare"),
    ("KS-CMO-003", "aws_bedrock_custom_model.bare"),
    ("KS-CMO-004", "aws_bedrock_custom_model.bare"),
    ("KS-GRD-008", "aws_bedrock_guardrail.empty"),
    ("KS-IAM-001", "aws_iam_role_policy.wide"),
    ("KS-IAM-003", "aws_iam_role_policy.wide"),
    ("KS-IAM-007", "aws_iam_role_policy_attachment.full"),
    ("KS-IAM-009", "aws_iam_role.wide"),
    ("KS-IAM-011", "aws_iam_service_specific_credential.key"),
    ("KS-IAM-012", "aws_lambda_permission.open"),
    ("KS-KDB-001", "aws_bedrockagent_data_source.bare"),
    ("KS-KDB-002", "aws_bedrockagent_data_source.bare"),
    ("KS-KDB-003", "aws_bedrockagent_data_source.bare"),
    ("KS-KDB-005", "aws_opensearchserverless_security_policy.encryption"),
    ("KS-KDB-006", "aws_opensearchserverless_security_policy.network"),
)
PASSING = (
    ("KS-CMO-001", "aws_bedrock_custom_model.sound"),
    ("KS-CMO-002", "aws_bedrock_custom_model.sound"),
    ("KS-CMO-003", "aws_bedrock_custom_model.sound"),
    ("KS-IAM-009", "module.role.aws_iam_role.this"),
    ("KS-KDB-001", "aws_bedrockagent_data_source.sound"),
    ("KS-KDB-002", "aws_bedrockagent_data_source.sound"),
    ("KS-KDB-003", "aws_bedrockagent_data_source.sound"),
)
