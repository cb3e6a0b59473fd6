"""`keepstone deploy apply` and `destroy`: what was planned is carried out; everything is taken down."""

from pathlib import Path

import click

from keepstone.cli.deploy_options import dir_option
from keepstone.cli.output import emit, format_option, talk


@click.command(epilog="Example: keepstone deploy plan && keepstone deploy apply")
@dir_option
@format_option
def apply(*, folder: Path, output_format: str) -> None:
    """Carry out the plan that `keepstone deploy plan` left in the folder, and no other.

    Interrupted half-way, it leaves a state from which the next plan and apply go on.
    """
    from keepstone.core.errors import UsageError
    from keepstone.deploy.terraform import Terraform
    from keepstone.deploy.workspace import PLAN, Workspace

    workspace = Workspace(folder)
    workspace.require()
    if not workspace.plan_is_current():
        hint = "`keepstone deploy plan` makes one, and shows what it does"
        raise UsageError("there is no plan of the input as it is now", hint=hint)
    terraform = Terraform(folder, talk)
    for each in terraform.apply(PLAN):
        talk(f"{each.severity}: {each.summary}: {' '.join(each.detail.split())}")
    (folder / PLAN).unlink()  # it is done; Terraform would refuse it a second time
    outputs = terraform.outputs().get("bedrock_solution", {})
    emit({name: outputs.get(name) for name in _TOLD} if output_format == "table" else outputs, output_format)


_TOLD = (
    "resource_prefix",
    "region",
    "bedrock_guardrail_id",
    "bedrock_guardrail_version",
    "bedrock_access_role_arn",
    "logs_bucket_id",
)


@click.command(epilog="Example: keepstone deploy destroy --yes-destroy production")
@dir_option
@click.option(
    "--yes-destroy", "named", default="", help="The environment's name, so that nobody destroys another one."
)
def destroy(*, folder: Path, named: str) -> None:
    """Take everything down that the deployment made. Logs in the bucket have to be emptied out first."""
    from keepstone.cli.deploy_options import loaded, prepared
    from keepstone.core.errors import UsageError

    place = loaded().document.deployment
    if place is None or named != place.environment:
        hint = f"`--yes-destroy {place.environment}` does it" if place else "the policy has no `deployment`"
        raise UsageError("destroying takes the environment's name", hint=hint)
    _, terraform = prepared(folder)
    terraform.destroy()
    talk("destroyed; the key can be rescued until its window is over")
