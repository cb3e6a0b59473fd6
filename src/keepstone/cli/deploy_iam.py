"""`keepstone deploy iam-policy`: the least that each needs in AWS, as IAM policy documents."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepstone.cli.deploy_options import loaded
from keepstone.cli.output import emit, talk

if TYPE_CHECKING:
    from keepstone.deploy.documents import Document

_ROLES = ("deployer", "gateway", "scp")
_DIGITS = 12
_MANAGED, _SCP = "managed policy", "service control policy"
_MOST_ATTACHED = 10
_PERSONAS = ("data-scientist", "ml-engineer", "application", "auditor", "security-operator", "billing")


def _numbered(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value != "*" and not (value.isascii() and value.isdecimal() and len(value) == _DIGITS):
        raise click.BadParameter(f"`{value[:32]}` is no account, expected {_DIGITS} digits")
    return value


@click.command(
    "iam-policy",
    epilog="""\b
Examples:
  keepstone deploy iam-policy deployer --account 123456789012 --out policies
  keepstone deploy iam-policy gateway --account 123456789012 > gateway-policy.json
  keepstone deploy iam-policy scp""",
)
@click.argument("who", type=click.Choice([*_ROLES, *_PERSONAS]))
@click.option(
    "--account",
    default="*",
    show_default=True,
    callback=_numbered,
    help="The account's number in ARNs; `*` lets any account's guardrails, profiles and keys fit.",
)
@click.option(
    "--with-home", "home", is_flag=True, help="`deployer`: the gateway's home (`modules/gateway`) besides."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write it into, WHO-1.json, WHO-2.json ..., each of a length that AWS takes.",
)
def iam_policy(*, who: str, account: str, home: bool, out: Path | None) -> None:
    """Print an IAM policy: what the deployer, the gateway or a persona needs, or what nobody may do (`scp`).

    The output is JSON as AWS takes it, made from the policy document, and compared in our tests with what
    Terraform really calls. What is longer than AWS takes is written in parts by `--out`: together they say
    the same, and all are attached.
    """
    from keepstone.core.errors import UsageError
    from keepstone.deploy.documents import MOST_CHARACTERS, characters, split

    if home and who != "deployer":
        raise UsageError("`--with-home` is for `deployer`", hint="the gateway's own role is `gateway`")
    made = _made(who, account, home=home)
    if account == "*" and who != "scp":
        talk("note: without `--account` ARNs hold `*`: any account's guardrails, profiles and keys fit")
    kind = _SCP if who == "scp" else _MANAGED
    most = MOST_CHARACTERS[kind]
    if out is not None:
        parts = {f"{who}-{number}.json": each for number, each in enumerate(split(made, most), 1)}
        _write(out, parts)
        _tell(who, kind, out, parts)
        return
    length = characters(made)
    if length > most:
        parts_needed = len(split(made, most))
        talk(
            f"note: {length} characters without white space, and a {kind} holds {most}: "
            f"`--out FOLDER` writes it as {parts_needed} of them"
        )
    click.echo(json.dumps(made, indent=2))


def _made(who: str, account: str, *, home: bool) -> "Document":
    from keepstone.core.errors import UsageError
    from keepstone.deploy import permissions
    from keepstone.deploy.documents import DEFAULT_ROLE, Place
    from keepstone.deploy.inputs import inputs_of

    policy = loaded().document
    if policy.deployment is None:
        raise UsageError("the policy has no section `deployment`", hint="docs/deploy.md shows one")
    values = {each.name: each.value for each in inputs_of(policy)}
    place = Place(
        policy.deployment.environment,
        policy.deployment.region,
        account,
        role=values.get("bedrock_role_name") or DEFAULT_ROLE,
    )
    return permissions.for_whom(place, policy, who, values["allowed_model_regions"], home=home)


def _write(folder: Path, parts: "Mapping[str, Document]") -> None:
    from keepstone.deploy.disk import replace, told

    with told(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in parts.items():
            replace(folder / name, json.dumps(part, indent=2) + "\n")


def _tell(who: str, kind: str, folder: Path, parts: "Mapping[str, Document]") -> None:
    """Say what was written and how it is attached; and what an earlier, longer policy has left there."""
    from keepstone.deploy.documents import characters

    emit(
        [
            {"file": folder / name, "statements": len(part["Statement"]), "characters": characters(part)}
            for name, part in parts.items()
        ]
    )
    for path in sorted(folder.glob(f"{who}-*.json")):
        if path.name not in parts and path.stem.removeprefix(f"{who}-").isdecimal():
            talk(f"`{path}` is of an earlier policy: detach it and delete it")
    if kind == _SCP:
        talk(f"attach all {len(parts)}: `aws organizations create-policy` and `attach-policy` for each")
        return
    document = f"file://{folder / next(iter(parts))}"
    talk(f"attach all {len(parts)} to the role, each by these two:")
    talk(f"  aws iam create-policy --policy-name {who}-1 --policy-document {document}")
    talk(f"  aws iam attach-role-policy --role-name ROLE --policy-arn ARN_OF_{who.upper()}_1")
    if len(parts) > _MOST_ATTACHED:
        talk(f"a role takes {_MOST_ATTACHED} at first: ask AWS for a higher quota")
