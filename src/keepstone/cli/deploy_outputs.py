"""`keepstone deploy outputs` and `variables`: what a deployment gives, and what it takes."""

from pathlib import Path

import click

from keepstone.cli.deploy_options import dir_option
from keepstone.cli.output import emit, format_option, talk


@click.command(epilog="Example: keepstone deploy outputs --format json | jq -r .bedrock_guardrail_id")
@dir_option
@format_option
def outputs(*, folder: Path, output_format: str) -> None:
    """Show the outputs of what is deployed."""
    from keepstone.core.errors import UsageError
    from keepstone.deploy.terraform import Terraform
    from keepstone.deploy.workspace import Workspace

    Workspace(folder).require()
    found = Terraform(folder, talk).outputs().get("bedrock_solution")
    if found is None:
        raise UsageError("nothing is deployed from this folder", hint="`keepstone deploy apply` builds it")
    if output_format == "table":
        emit([{"output": name, "value": value} for name, value in sorted(found.items())], fit=("value",))
    else:
        emit(found, "json")


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
