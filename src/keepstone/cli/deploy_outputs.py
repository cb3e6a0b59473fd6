"""`keepstone deploy outputs`, `overlay` and `variables`: what a deployment gives, and what it takes."""

from pathlib import Path
from typing import Any

import click

from keepstone.cli.deploy_options import dir_option, loaded
from keepstone.cli.output import emit, format_option, talk

_READABLE = 0o644
"""The gateway may run as somebody else, and nothing in an overlay is secret."""


@click.command(epilog="Example: keepstone deploy outputs --format json | jq -r .bedrock_guardrail_id")
@dir_option
@format_option
def outputs(*, folder: Path, output_format: str) -> None:
    """Show the outputs of what is deployed."""
    found = _deployed(folder)
    if output_format == "table":
        emit([{"output": name, "value": value} for name, value in sorted(found.items())], fit=("value",))
    else:
        emit(found, "json")


@click.command(
    epilog="""\b
Example:
  keepstone deploy overlay --out keepstone.deployed.yaml && keepstone up --env deployed"""
)
@dir_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, whole or not at all; without it the overlay is printed.",
)
def overlay(*, folder: Path, out: Path | None) -> None:
    """Make an overlay on the policy by which the gateway uses what is deployed.

    For each Bedrock upstream in the deployment's region: the endpoints, the guardrail, and the access role
    where `trusted_principals` says who may assume it.
    """
    from keepstone.deploy.disk import replace, told
    from keepstone.deploy.overlay import overlay as overlay_of

    text = overlay_of(loaded().document, _deployed(folder))
    if out is None:
        click.echo(text, nl=False)
        return
    with told(out, "written", so="what is deployed is as it was"):
        replace(out, text, mode=_READABLE)
    talk(f"written to `{out}`")


def _deployed(folder: Path) -> dict[str, Any]:
    from keepstone.core.errors import UsageError
    from keepstone.deploy.account import has_resources
    from keepstone.deploy.terraform import Terraform
    from keepstone.deploy.workspace import Workspace

    workspace = Workspace(folder)
    workspace.require()
    terraform = Terraform(folder, talk, workspace.region, workspace.account)
    found = terraform.outputs().get("bedrock_solution")
    if found is not None:
        return dict(found)
    if has_resources(terraform.state()):
        raise UsageError(
            "something is deployed from this folder, but the apply did not finish: outputs come with the "
            "last resource",
            hint="`keepstone deploy plan` and `apply` go on from what there is",
        )
    raise UsageError("nothing is deployed from this folder", hint="`keepstone deploy apply` builds it")


@click.command(epilog="Example: keepstone deploy variables alarm")
@click.argument("part", default="")
@format_option
def variables(*, part: str, output_format: str) -> None:
    """List the module's variables, or those whose name has PART in it: type, default and meaning.

    Each can be set under `deployment.variables` in the policy.
    """
    from keepstone.catalog.terraform_module import terraform_module
    from keepstone.core.errors import UsageError

    rows = [
        {
            "variable": name,
            "type": each.type,
            "default": "(required)" if each.default is None else each.default,
            "meaning": each.description,
        }
        for name, each in terraform_module().variables.items()
        if part in name
    ]
    if not rows:
        raise UsageError(
            f"no variable has `{part}` in its name", hint="`keepstone deploy variables` lists all"
        )
    emit(rows, output_format, fit=("type", "default", "meaning"))
