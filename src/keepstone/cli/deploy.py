"""`keepstone deploy`: the secured environment, from one policy to Terraform and back."""

import importlib

import click

COMMANDS = {
    "init": "keepstone.cli.deploy_init:init",
    "plan": "keepstone.cli.deploy_plan:plan",
    "check": "keepstone.cli.deploy_check:check",
    "apply": "keepstone.cli.deploy_apply:apply",
    "drift": "keepstone.cli.deploy_plan:drift",
    "destroy": "keepstone.cli.deploy_apply:destroy",
    "outputs": "keepstone.cli.deploy_outputs:outputs",
    "overlay": "keepstone.cli.deploy_outputs:overlay",
    "iam-policy": "keepstone.cli.deploy_iam:iam_policy",
    "variables": "keepstone.cli.deploy_outputs:variables",
}


@click.group(
    epilog="""\b
Examples:
  keepstone deploy init && keepstone deploy plan
  keepstone deploy apply
  keepstone deploy drift --format json"""
)
def deploy() -> None:
    """Provision the secured Bedrock environment with Terraform, and see what has changed since."""


for _path in COMMANDS.values():
    _module, _, _name = _path.partition(":")
    deploy.add_command(getattr(importlib.import_module(_module), _name))
