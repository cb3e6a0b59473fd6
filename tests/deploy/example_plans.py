"""The plans that docs/costs.md is worked out from: real Terraform's, cut down to what the estimate looks at.

`python -m tests.deploy.example_plans` writes them to docs/plans; a trial says if Terraform plans so.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from tests.deploy.roots import HERE, MODULE, SOURCE, Root
from tests.deploy.test_gateway_home import ROOT as GATEWAY_ROOT
from tests.services.terraform import Terraform
from tests.simulators.aws.server import Aws, aws_server
from tests.unit.deploy.documents import policy

from keepstone.catalog.terraform_module import terraform_module
from keepstone.deploy.costs import estimate
from keepstone.deploy.documents import Place
from keepstone.deploy.permissions import gateway

FOLDER = HERE.parents[1] / "docs" / "plans"
READ = frozenset(
    {
        "cpu",
        "cpu_architecture",
        "desired_count",
        "engine",
        "expression",
        "family",
        "instance_class",
        "launch_type",
        "load_balancer_type",
        "manage_master_user_password",
        "memory",
        "metric",
        "metric_name",
        "metric_query",
        "min_capacity",
        "name",
        "node_type",
        "num_cache_clusters",
        "period",
        "rule",
        "runtime_platform",
        "serverlessv2_scaling_configuration",
        "subnet_ids",
        "vpc_endpoint_type",
    }
)
"""What `keepstone.deploy.costs` looks at."""
_KEPT_ON = frozenset({"enable_private_dns", "enable_ok_actions"})
"""Switches that cost nothing."""


def example_plans() -> dict[str, dict[str, Any]]:
    """Plan all of them on an empty test AWS, one after the other."""
    found = {}
    for name, main in (
        ("quick-start", (HERE / "examples" / "quick_start.tf").read_text()),
        ("advanced", (HERE / "examples" / "advanced.tf").read_text()),
        ("least", least()),
    ):
        with aws_server() as aws, tempfile.TemporaryDirectory() as folder:
            found[name] = cut(Root(Path(folder) / "root", aws, main).terraform.plan())
    with aws_server() as aws, tempfile.TemporaryDirectory() as folder:
        found["gateway"] = cut(_gateway(Path(folder), aws))
    return found


def least() -> str:
    """Return a root with every switch off but that of the runtime's endpoint."""
    switches = sorted(name for name in terraform_module().variables if name.startswith("enable_"))
    off = [each for each in switches if each not in _KEPT_ON | {"enable_bedrock_runtime_endpoint"}]
    lines = "\n".join(f"  {name} = false" for name in off)
    return f"""module "bedrock_solution" {{
  source      = "./{SOURCE}"
  environment = "production"
  vpc_id      = "vpc-0a1b2c3d4e5f60718"
  subnet_ids  = ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"]

{lines}
}}
"""


def _gateway(folder: Path, aws: Aws) -> dict[str, Any]:
    root = folder / "root"
    shutil.copytree(MODULE / "modules" / "gateway", root / "gateway")
    shutil.copy(MODULE / "versions.tf", root)
    (root / "main.tf").write_text(GATEWAY_ROOT)
    document = gateway(Place("production", "us-east-1", "123456789012"), policy())
    (root / "policy.json").write_text(json.dumps(document))
    terraform = Terraform(root, folder / "home")
    terraform.environment |= aws.environment
    done = terraform.run("init", "-input=false")
    assert done.code == 0, done.output
    return terraform.plan()


def cut(plan: dict[str, Any]) -> dict[str, Any]:
    """Return what the estimate looks at of a plan, in a stable order."""
    root = _module(plan["planned_values"]["root_module"])
    found = {"format_version": "1.2", "planned_values": {"root_module": root}}
    assert estimate(found) == estimate(plan)
    return found


def _module(module: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"address": module["address"]} if "address" in module else {}
    managed = [each for each in module.get("resources", ()) if each["mode"] == "managed"]
    found["resources"] = [
        {
            "address": each["address"],
            "mode": "managed",
            "type": each["type"],
            "values": _values(each.get("values") or {}),
        }
        for each in sorted(managed, key=lambda each: each["address"])
    ]
    children = sorted(module.get("child_modules", ()), key=lambda each: each["address"])
    return found | ({"child_modules": [_module(each) for each in children]} if children else {})


def _values(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {
            name: _values(each) for name, each in value.items() if name in READ and each not in (None, "", [])
        }
        return dict(sorted(kept.items()))
    return [_values(each) for each in value] if isinstance(value, list) else value


def written(plan: dict[str, Any]) -> str:
    """Return a plan as it is written down: one resource a line."""
    lines = []

    def module(node: dict[str, Any], indent: str) -> None:
        head = json.dumps({name: value for name, value in node.items() if name == "address"})[1:-1]
        lines.append(f'{indent}{{{head}{", " if head else ""}"resources": [')
        rows = [f"{indent} {json.dumps(each)}" for each in node["resources"]]
        lines.append(",\n".join(rows))
        lines.append(f'{indent}], "child_modules": [')
        for number, child in enumerate(node.get("child_modules", ())):
            if number:
                lines.append(f"{indent},")
            module(child, indent + " ")
        lines.append(f"{indent}]}}")

    lines.append(f'{{"format_version": "{plan["format_version"]}", "planned_values": {{"root_module":')
    module(plan["planned_values"]["root_module"], " ")
    lines.append("}}")
    return "\n".join(line for line in lines if line) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for _name, _plan in example_plans().items():
        (FOLDER / f"{_name}.json").write_text(written(_plan))
