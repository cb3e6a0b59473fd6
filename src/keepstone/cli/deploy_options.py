"""What the commands of `keepstone deploy` share: the folder, the policy, Terraform made ready."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepstone.cli.output import talk
from keepstone.core.settings import from_environment

if TYPE_CHECKING:
    from keepstone.deploy.inputs import Input
    from keepstone.deploy.terraform import Terraform
    from keepstone.deploy.workspace import Workspace
    from keepstone.policy.load import LoadedPolicy
    from keepstone.posture.report import Row

dir_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("deployment"),
    show_default=True,
    help="Folder of the deployment.",
)


def loaded() -> "LoadedPolicy":
    """Return the policy that the environment's settings name."""
    from keepstone.policy.load import load

    settings = from_environment()
    return load(settings.policy, settings.environment)


@contextmanager
def prepared(folder: Path) -> "Iterator[tuple[Workspace, Terraform]]":
    """Yield a deployment's folder as the policy has it now, for us alone, and Terraform ready in it."""
    from keepstone.deploy.terraform import Terraform
    from keepstone.deploy.workspace import Workspace

    workspace = Workspace(folder)
    workspace.require()
    with workspace.held():
        written(workspace)
        terraform = Terraform(folder, talk, workspace.region, workspace.account)
        terraform.init()
        yield workspace, terraform


def how_many(failed: "Sequence[Row]") -> str:
    """Return how many checks fail, as people say it."""
    return "1 check" if len(failed) == 1 else f"{len(failed)} checks"


def accepting(failed: "Sequence[Row]") -> str:
    """Return the options by which `apply` accepts that these checks fail."""
    ids = " ".join(f"--accept {check}" for check in sorted({row.check for row in failed}))
    return f"{ids} --reason ..."


def written(workspace: "Workspace") -> "tuple[Input, ...]":
    """Write a deployment's folder from the policy, after its input was looked at; return the input."""
    from keepstone.core.errors import UsageError
    from keepstone.deploy.explained import explained
    from keepstone.deploy.notices import Weight

    policy = loaded()
    inputs, notices = explained(policy.document)
    place = policy.document.deployment
    assert place is not None  # noqa: S101 - `explained` refuses a policy without one
    for each in notices:
        talk(f"{each.weight}: {each.variable}: {each.found}; {each.done} ({each.why})")
    if any(each.weight is Weight.ERROR for each in notices):
        raise UsageError("the input cannot be deployed as it is", hint="the lines above say what and why")
    workspace.write(place, inputs, policy.hash)
    return inputs
