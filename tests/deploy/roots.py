"""A root module that uses ours, in a folder of its own, and what Terraform makes of it on the test AWS."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.services.terraform import Done, Terraform
from tests.simulators.aws.server import Aws

HERE = Path(__file__).parent
MODULE = HERE.parents[1] / "src" / "keepstone" / "deploy" / "module"
SOURCE = "modules/solution-aws-bedrock-mgmt-runtime"
NAME = "module.bedrock_solution."


class Root:
    """One root module and its state."""

    def __init__(self, folder: Path, aws: Aws, main: str) -> None:
        shutil.copytree(MODULE, folder / SOURCE)
        shutil.copy(MODULE / "versions.tf", folder)
        self.terraform = Terraform(folder, folder.parent / "home")
        self.terraform.environment |= aws.environment
        self.write(main)
        done = self.terraform.run("init", "-input=false")
        assert done.code == 0, done.output

    def write(self, main: str) -> None:
        """Say what is wanted from now on."""
        (self.terraform.folder / "main.tf").write_text(main)

    def apply(self) -> Done:
        """Make it so."""
        return self.terraform.run("apply", "-input=false", "-auto-approve")

    def destroy(self) -> Done:
        """Take all of it away."""
        return self.terraform.run("destroy", "-input=false", "-auto-approve")

    def changes(self) -> dict[str, str]:
        """What a plan would do, `update`, `create` or `delete+create`, by address in the module."""
        planned = [
            (each["address"].removeprefix(NAME), "+".join(each["change"]["actions"]))
            for each in self.terraform.plan()["resource_changes"]
            if each["mode"] == "managed"
        ]
        return {address: actions for address, actions in planned if actions != "no-op"}

    def state(self) -> dict[str, dict[str, Any]]:
        """What Terraform knows of what it made, by address in the module."""
        shown = json.loads(self.terraform.run("show", "-json").output)
        modules = shown.get("values", {}).get("root_module", {}).get("child_modules", [])
        resources = [each for module in modules for each in module["resources"]]
        return {each["address"].removeprefix(NAME): each["values"] for each in resources}


def least(vpc: str, subnets: list[str], more: str = "") -> str:
    """A root with the input that has no default, and one subscriber."""
    return f"""module "bedrock_solution" {{
  source      = "./{SOURCE}"
  environment = "production"
  vpc_id      = "{vpc}"
  subnet_ids  = {json.dumps(subnets)}

  critical_alert_subscriptions = {{ ops = {{ protocol = "email", endpoint = "ops@example.com" }} }}
  budget_notification_emails   = ["finance@example.com"]
  {more}
}}
"""
