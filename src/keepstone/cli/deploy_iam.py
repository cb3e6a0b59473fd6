"""`keepstone deploy iam-policy`: the least that each needs in AWS, as IAM policy documents."""

import json

import click

from keepstone.cli.deploy_options import loaded
from keepstone.cli.output import talk

_ROLES = ("deployer", "gateway", "scp")
_DIGITS = 12
_PERSONAS = ("data-scientist", "ml-engineer", "application", "auditor", "security-operator", "billing")


def _numbered(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value != "*" and not (value.isascii() and value.isdecimal() and len(value) == _DIGITS):
        raise click.BadParameter(f"`{value[:32]}` is no account, expected {_DIGITS} digits")
    return value


@click.command(
    "iam-policy",
    epilog="""\b
Examples:
  keepstone deploy iam-policy deployer --account 123456789012 > deployer.json
  keepstone deploy iam-policy auditor
  keepstone deploy iam-policy scp""",
)
@click.argument("who", type=click.Choice([*_ROLES, *_PERSONAS]))
@click.option(
    "--account",
    default="*",
    show_default=True,
    callback=_numbered,
    help="The account's number, where ARNs hold it.",
)
def iam_policy(*, who: str, account: str) -> None:
    """Print an IAM policy: what the deployer, the gateway or a persona needs, or what nobody may do (`scp`).

    They are made from the policy document, and compared in our tests with what Terraform really calls.
    """
    from keepstone.core.errors import UsageError
    from keepstone.deploy import permissions
    from keepstone.deploy.inputs import inputs_of

    policy = loaded().document
    if policy.deployment is None:
        raise UsageError("the policy has no section `deployment`", hint="docs/deploy.md shows one")
    values = {each.name: each.value for each in inputs_of(policy)}
    place = permissions.Place(
        policy.deployment.environment,
        policy.deployment.region,
        account,
        role=values.get("bedrock_role_name", permissions.DEFAULT_ROLE),
    )
    document = permissions.for_whom(place, policy, who, values["allowed_model_regions"])
    kind = "service control policy" if who == "scp" else "managed policy"
    length = len(json.dumps(document, separators=(",", ":")))
    most = permissions.MOST_CHARACTERS[kind]
    if length > most:
        talk(f"note: {length} characters without white space; a {kind} holds {most}: attach it in parts")
    click.echo(json.dumps(document, indent=2))
