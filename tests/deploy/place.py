"""A folder with a policy, in which `keepstone deploy` is run as a person would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.signals import hear
from tests.services.terraform import Terraform
from tests.simulators.aws.server import Aws

Run = tuple[int, str, str]
"""Exit code, stdout, stderr."""


HEAD = """\
version: 1
organisation: {{name: Trial}}
identities: {{roles: {{app: {{allow: [{{models: ["*"]}}]}}}}}}
upstreams: {{us: {{kind: bedrock, region: us-east-1}}}}
models: [{{id: anthropic.claude-3-haiku-20240307-v1:0, upstreams: [us]}}]
deployment:
  environment: production
  region: us-east-1
  vpc_id: {vpc}
  subnet_ids: [{subnets}]
"""
"""How the policy of a trial begins; what follows belongs to `deployment`."""


class Place:
    """One such folder; `network` are a VPC and its subnets on the test AWS."""

    def __init__(self, folder: Path, aws: Aws, network: tuple[str, list[str]] | None = None) -> None:
        self.folder = folder
        self.network = aws.network() if network is None else network
        self.environment = {**os.environ, **Terraform(folder, folder).environment, **aws.environment}

    def write(self, more: str) -> None:
        """Write the policy: its head, and what it says besides of the deployment."""
        vpc, subnets = self.network
        head = HEAD.format(vpc=vpc, subnets=", ".join(subnets))
        (self.folder / "keepstone.yaml").write_text(head + more)

    def copy(self, folder: Path) -> "Place":
        """Return the same in another folder, on the same AWS."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = Place.__new__(Place)
        other.folder, other.network, other.environment = folder, self.network, dict(self.environment)
        return other

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command, and go on."""
        return subprocess.Popen(
            [Path(sys.executable).parent / "keepstone", "deploy", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hear,  # noqa: PLW1509 - no thread of the test starts processes
        )

    def deploy(self, *arguments: str) -> Run:
        return ended(self.start(*arguments))


def ended(process: "subprocess.Popen[str]") -> Run:
    """Wait for a command."""
    out, err = process.communicate()
    return process.returncode, out, err
