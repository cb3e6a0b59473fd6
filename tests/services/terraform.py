"""Terraform and the AWS provider, from this machine or the registry, run without a user's settings."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_PROVIDER = "registry.terraform.io/hashicorp/aws"
_MIRRORS = (
    *sorted(Path("/opt").glob("*/")),
    Path("/usr/local/share/terraform/plugins"),
    Path("/usr/share/terraform/plugins"),
    Path.home() / ".terraform.d" / "plugins",
)


@dataclass(frozen=True)
class Done:
    """What a run of Terraform gave: its exit code and all it said."""

    code: int
    output: str


class Terraform:
    """Runs Terraform in one folder; nothing of the user's own configuration or credentials gets in."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        binary = shutil.which("terraform")
        assert binary is not None
        self._binary = binary
        settings = home / "terraform.rc"
        home.mkdir(parents=True, exist_ok=True)
        mirror = provider_mirror()
        if mirror is not None:
            settings.write_text(
                f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n'
            )
        else:
            settings.write_text("")
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        self.environment = {
            **kept,
            "TF_CLI_CONFIG_FILE": str(settings),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run(self, *arguments: str, timeout: float = 600) -> Done:
        """Run one command and return what it gave."""
        done = subprocess.run(
            [self._binary, *arguments, "-no-color"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def plan(self) -> dict:
        """Plan, and return the plan's JSON."""
        done = self.run("plan", "-input=false", "-out=plan.out")
        assert done.code == 0, done.output
        shown = self.run("show", "-json", "plan.out")
        assert shown.code == 0, shown.output
        return json.loads(shown.output)


def provider_mirror() -> Path | None:
    """Return the machine's folder of providers, laid out as a filesystem mirror, if it has one."""
    return next((each for each in _MIRRORS if (each / _PROVIDER).is_dir()), None)


def missing() -> str:
    """Say what of Terraform this machine lacks; empty where its tests have to run."""
    if shutil.which("terraform") is None:
        return "no `terraform` on the path"
    if provider_mirror() is None and os.environ.get("KEEPSTONE_TERRAFORM_REGISTRY") != "1":
        return "no provider mirror; KEEPSTONE_TERRAFORM_REGISTRY=1 takes the provider from the registry"
    return ""


# With KEEPSTONE_TERRAFORM_TESTS=required nothing is skipped: what is missing fails the test.
_REQUIRED = os.environ.get("KEEPSTONE_TERRAFORM_TESTS") == "required"
needs_terraform = pytest.mark.skipif(bool(missing()) and not _REQUIRED, reason=missing())
