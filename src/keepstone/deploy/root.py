"""The texts of a deployment's root: the call of the module, where the state lies, what git leaves out."""

import json

from keepstone.deploy.disk import ASIDE, LOCK
from keepstone.deploy.inputs import Input
from keepstone.policy.schema.deployment import Deployment, S3State

HEAD = "# Written by `keepstone deploy`; your own resources go into files of their own beside it.\n\n"
_IGNORE_HEAD = "# Written once by `keepstone deploy`; it is yours. Plans and states are not for git.\n"
_IGNORED = (
    ".terraform/",
    "*.tfplan",
    "plan.json",
    "before.json",
    "*.tfstate",
    "*.tfstate.*",
    "errored.tfstate",
    "crash.log",
    LOCK,
    f"{ASIDE}*",
)


def main_text(place: Deployment, inputs: tuple[Input, ...]) -> str:
    """Return main.tf: the provider, the module with every input, its outputs, and the inputs declared."""
    names = [each.name for each in inputs]
    width = max(map(len, ["source", *names]))
    arguments = "\n".join(f"  {name.ljust(width)} = var.{name}" for name in names)
    declared = "\n".join(f'variable "{name}" {{\n  type = any\n}}\n' for name in names)
    return (
        f"{HEAD}{_provider(place)}\n\n"
        f'module "bedrock_solution" {{\n  {"source".ljust(width)} = "./module"\n\n{arguments}\n}}\n\n'
        f'output "bedrock_solution" {{\n  value = module.bedrock_solution\n}}\n\n{declared}'
    )


def _provider(place: Deployment) -> str:
    """Return the provider's block, which refuses every account but the one that the policy names."""
    rows = {"region": _quoted(place.region)}
    if place.account is not None:
        rows["allowed_account_ids"] = f"[{_quoted(place.account)}]"
    width = max(map(len, rows))
    inner = "".join(f"  {name.ljust(width)} = {value}\n" for name, value in rows.items())
    return f'provider "aws" {{\n{inner}}}'


def backend_text(place: Deployment) -> str:
    """Return backend.tf: the state in a bucket with a lock beside it, or in the folder."""
    if not isinstance(place.state, S3State):
        return f'{HEAD}terraform {{\n  backend "local" {{}}\n}}\n'
    state = place.state
    rows = {
        "bucket": _quoted(state.bucket),
        "key": _quoted(state.key),
        "region": _quoted(state.region or place.region),
        "encrypt": "true",
        "use_lockfile": "true",
    }
    if state.kms_key_id:
        rows["kms_key_id"] = _quoted(state.kms_key_id)
    width = max(map(len, rows))
    inner = "\n".join(f"    {name.ljust(width)} = {value}" for name, value in rows.items())
    least = 'required_version = ">= 1.10" # older ones lock no state in a bucket'
    return f'{HEAD}terraform {{\n  {least}\n\n  backend "s3" {{\n{inner}\n  }}\n}}\n'


def _quoted(text: str) -> str:
    """Return a string of HCL that means just this text."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


def ignore_text() -> str:
    """Return .gitignore: plans, states, the lock and what is unfinished stay on this machine."""
    return _IGNORE_HEAD + "".join(f"{each}\n" for each in _IGNORED)
