"""`keepstone deploy init`: the folder that Terraform works in, written from the policy."""

from pathlib import Path

import click

from keepstone.cli.deploy_options import dir_option, written
from keepstone.cli.output import emit, format_option, talk


@click.command(
    epilog="""\b
The policy says where to build:

\b
  deployment:
    environment: production
    region: eu-central-1
    vpc_id: vpc-0a1b2c3d4e5f60718
    subnet_ids: [subnet-0a1b2c3d4e5f60718, subnet-0b1b2c3d4e5f60718]
    variables:
      critical_alert_subscriptions: {ops: {protocol: email, endpoint: ops@example.com}}

\b
Example: keepstone deploy init --dir deployment"""
)
@dir_option
@format_option
def init(*, folder: Path, output_format: str) -> None:
    """Write root, module and input of a deployment from the policy, and explain the input.

    Nothing is asked of AWS and nothing is built. After a change of the policy `plan` does the same.
    """
    from keepstone.deploy.workspace import Workspace

    workspace = Workspace(folder)
    with workspace.held():
        inputs = written(workspace)
    rows = [{"variable": each.name, "value": each.value, "because_of": each.because} for each in inputs]
    emit(rows, output_format, fit=("value", "because_of"))
    talk(f"written to `{folder}`; next: `keepstone deploy plan`")
