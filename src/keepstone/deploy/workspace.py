"""The folder of one deployment: what Keepstone writes into it, and what Terraform leaves there.

main.tf, backend.tf     a root that calls the module; written again when the policy changes
terraform.tfvars.json   the module's input
module/                 a copy of the module of this Keepstone
plan.tfplan, plan.json  the last plan; `keepstone.json` says what it is of
"""

import hashlib
import json
import os
import shutil
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from keepstone.core.errors import DeployError
from keepstone.deploy.inputs import Input
from keepstone.policy.schema.deployment import Deployment, S3State

MARK = "keepstone.json"
PLAN = "plan.tfplan"
PLAN_JSON = "plan.json"
_NOTHING = {"format_version": "1.0", "terraform_version": "", "values": {"root_module": {}}}
_DAMAGED = "delete that file and run `keepstone deploy init`: the state and your own files stay as they are"
_HEAD = "# Written by `keepstone deploy`; your own resources go into files of their own beside it.\n\n"


class Workspace:
    """One deployment's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def exists(self) -> bool:
        """Say whether `init` has written here."""
        return (self.folder / MARK).is_file()

    def write(self, place: Deployment, inputs: tuple[Input, ...], policy_hash: str) -> None:
        """Write root, input and module; raise `DeployError` where something else lies already."""
        if not self.exists and not self._is_ours() and self.folder.is_dir() and any(self.folder.iterdir()):
            hint = "name an empty folder with `--dir`, or one that `keepstone deploy init` wrote"
            raise DeployError(f"`{self.folder}` holds files that are not ours", hint=hint)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._copy_module()
            _replace(self.folder / "main.tf", _root(place, inputs))
            _replace(self.folder / "backend.tf", _backend(place))
            values = {each.name: each.value for each in inputs}
            _replace(
                self.folder / "terraform.tfvars.json", json.dumps(values, indent=2, sort_keys=True) + "\n"
            )
            self._mark(policy_hash)
        except OSError as error:
            raise DeployError(f"`{self.folder}` cannot be written: {_reason(error)}") from error

    def require(self) -> dict[str, Any]:
        """Return what `init` noted; raise `DeployError` when this is no deployment's folder."""
        try:
            noted = json.loads((self.folder / MARK).read_text())
        except OSError as error:
            hint = "`keepstone deploy init` makes one; `--dir` names another"
            raise DeployError(f"`{self.folder}` is no folder of a deployment", hint=hint) from error
        except ValueError as error:
            raise DeployError(f"`{self.folder / MARK}` is damaged", hint=_DAMAGED) from error
        if not isinstance(noted, dict) or not isinstance(noted.get("policy"), str):
            raise DeployError(f"`{self.folder / MARK}` is damaged", hint=_DAMAGED)
        return noted

    def digest(self) -> str:
        """Return a hash of everything that Terraform reads here; a plan holds for one of them only."""
        whole = hashlib.sha256()
        for path in sorted(self._sources()):
            whole.update(f"{path.relative_to(self.folder)}\0".encode())
            whole.update(hashlib.sha256(path.read_bytes()).digest())
        return whole.hexdigest()

    def note_plan(self, shown: bytes) -> None:
        """Note the plan that Terraform just wrote, with its JSON for people."""
        _replace(self.folder / PLAN_JSON, shown.decode())
        noted = self.require() | {"planned": self.digest(), "plan": _digest(self.folder / PLAN)}
        _replace(self.folder / MARK, json.dumps(noted, indent=2) + "\n")

    def plan_is_current(self) -> bool:
        """Say whether the plan here is the one noted, of the files as they are now."""
        noted = self.require()
        path = self.folder / PLAN
        return path.is_file() and noted.get("planned") == self.digest() and noted.get("plan") == _digest(path)

    def _is_ours(self) -> bool:
        """Say whether Keepstone's own root lies here, though its mark is gone."""
        try:
            return (self.folder / "main.tf").read_text().startswith(_HEAD)
        except OSError:
            return False

    def _mark(self, policy_hash: str) -> None:
        noted = self.require() if self.exists else {}
        _replace(self.folder / MARK, json.dumps(noted | {"policy": policy_hash}, indent=2) + "\n")

    def _copy_module(self) -> None:
        target = self.folder / "module"
        fresh = Path(tempfile.mkdtemp(dir=self.folder, prefix=".module-"))
        with as_file(files("keepstone.deploy") / "module") as source:
            shutil.copytree(source, fresh, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".terraform*"))
        fresh.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)

    def _sources(self) -> list[Path]:
        own = [*self.folder.glob("*.tf"), *self.folder.glob("*.tfvars.json"), *self.folder.glob("*.tfvars")]
        return [*own, *(path for path in (self.folder / "module").rglob("*") if path.is_file())]


def before_plan(folder: Path) -> Path:
    """Return a file with the state as the last plan found it, in the form of `terraform show -json`.

    Terraform refreshes the state in memory while it plans: what somebody changed by hand stands in it.
    """
    prior = json.loads((folder / PLAN_JSON).read_bytes()).get("prior_state") or _NOTHING
    path = folder / "before.json"
    _replace(path, json.dumps(prior))
    return path


def _root(place: Deployment, inputs: tuple[Input, ...]) -> str:
    names = [each.name for each in inputs]
    width = max(map(len, ["source", *names]))
    arguments = "\n".join(f"  {name.ljust(width)} = var.{name}" for name in names)
    declared = "\n".join(f'variable "{name}" {{\n  type = any\n}}\n' for name in names)
    return (
        f'{_HEAD}provider "aws" {{\n  region = "{place.region}"\n}}\n\n'
        f'module "bedrock_solution" {{\n  {"source".ljust(width)} = "./module"\n\n{arguments}\n}}\n\n'
        f'output "bedrock_solution" {{\n  value = module.bedrock_solution\n}}\n\n{declared}'
    )


def _backend(place: Deployment) -> str:
    if not isinstance(place.state, S3State):
        return f'{_HEAD}terraform {{\n  backend "local" {{}}\n}}\n'
    state = place.state
    rows = {
        "bucket": f'"{state.bucket}"',
        "key": f'"{state.key}"',
        "region": f'"{state.region or place.region}"',
        "encrypt": "true",
        "use_lockfile": "true",
    }
    if state.kms_key_id:
        rows["kms_key_id"] = f'"{state.kms_key_id}"'
    width = max(map(len, rows))
    inner = "\n".join(f"    {name.ljust(width)} = {value}" for name, value in rows.items())
    return f'{_HEAD}terraform {{\n  backend "s3" {{\n{inner}\n  }}\n}}\n'


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "w") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(0o600)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
