"""The folder of one deployment: what Keepstone writes into it, and what Terraform leaves there.

main.tf, backend.tf     a root that calls the module; written again when the policy changes
terraform.tfvars.json   the module's input
module/                 a copy of the module of this Keepstone
plan.tfplan, plan.json  the last plan; `keepstone.json` says what it is of
.gitignore              for plans, states and the lock; where there is one, it is the user's
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from keepstone.core.errors import DeployError, UsageError
from keepstone.deploy import root
from keepstone.deploy.disk import LOCK, alone, aside, clear, copy_tree, is_unfinished, replace, told, write
from keepstone.deploy.inputs import Input
from keepstone.policy.schema.deployment import Deployment

MARK = "keepstone.json"
PLAN = "plan.tfplan"
PLAN_JSON = "plan.json"
_IGNORE = ".gitignore"
_READ = ("*.tf", "*.tf.json", "*.tfvars", "*.tfvars.json")
_NOTHING = {"format_version": "1.0", "terraform_version": "", "values": {"root_module": {}}}
_DAMAGED = "delete that file and run `keepstone deploy init`: the state and your own files stay as they are"
_AGAIN = "nothing was changed; `keepstone deploy plan` makes a new plan, and shows what it does"


class Workspace:
    """One deployment's folder; what its disk refuses is a `DeployError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the folder, which may be new, for this process alone; raise `DeployError` if another has it.

        What a process that was killed has left unfinished is taken away.
        """
        with told(self.folder, "used"):
            self._require_ours()
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self.folder):
            with told(self.folder, "cleared"):
                clear(self.folder)
            yield

    def write(self, place: Deployment, inputs: tuple[Input, ...], policy_hash: str) -> None:
        """Write root, input and module, all of them or none."""
        values = {each.name: each.value for each in inputs}
        texts = {
            "main.tf": root.main_text(place, inputs),
            "backend.tf": root.backend_text(place),
            "terraform.tfvars.json": json.dumps(values, indent=2, sort_keys=True) + "\n",
        }
        with told(self.folder, "written"):
            noted = self.require() if self._is_marked() else {}
            texts[MARK] = _mark(
                noted | {"policy": policy_hash, "region": place.region, "account": place.account or ""}
            )
            if not (self.folder / _IGNORE).exists():
                texts[_IGNORE] = root.ignore_text()
            with aside(self.folder) as fresh:
                with as_file(files("keepstone.deploy") / "module") as source:
                    copy_tree(source, fresh / "module")
                for name, text in texts.items():
                    write(fresh / name, text)
                self._take(fresh, texts)

    @property
    def region(self) -> str:
        """Return where the deployment is; empty for a folder that an earlier version wrote."""
        return str(self.require().get("region", ""))

    @property
    def account(self) -> str:
        """Return the account that the policy names; empty where it names none."""
        return str(self.require().get("account", ""))

    def require(self) -> dict[str, Any]:
        """Return what `init` noted; raise `DeployError` when this is no deployment's folder."""
        path = self.folder / MARK
        try:
            with told(path, "read"):
                noted = json.loads(path.read_bytes()) if self._is_marked() else None
        except ValueError as error:
            raise DeployError(f"`{path}` is damaged", hint=_DAMAGED) from error
        if noted is None:
            hint = "`keepstone deploy init` makes one; `--dir` names another"
            raise DeployError(f"`{self.folder}` is no folder of a deployment", hint=hint)
        if not isinstance(noted, dict) or not isinstance(noted.get("policy"), str):
            raise DeployError(f"`{path}` is damaged", hint=_DAMAGED)
        return noted

    def note_plan(self, shown: bytes) -> None:
        """Note the plan that Terraform just wrote, with its JSON for people."""
        noted = self.require()
        with told(self.folder, "written"):
            replace(self.folder / PLAN_JSON, shown.decode())
            noted |= {"planned": self._digest(), "plan": _digest(self.folder / PLAN)}
            replace(self.folder / MARK, _mark(noted))

    def require_plan(self, policy_hash: str) -> None:
        """Raise `UsageError` unless the plan here is the one noted, of this policy and these files."""
        noted, path = self.require(), self.folder / PLAN
        with told(self.folder, "read"):
            if not path.is_file() or "plan" not in noted:
                hint = "`keepstone deploy plan` makes one, and shows what it does"
                raise UsageError(f"there is no plan in `{self.folder}`", hint=hint)
            if noted["policy"] != policy_hash:
                raise UsageError("the policy is not the one that was planned", hint=_AGAIN)
            if noted["plan"] != _digest(path):
                raise UsageError(f"`{path}` is damaged, or not the plan that was shown", hint=_AGAIN)
            if noted.get("planned") != self._digest():
                raise UsageError(f"the input in `{self.folder}` is not the one that was planned", hint=_AGAIN)

    def drop_plan(self) -> None:
        """Take away the plan that is carried out: Terraform would refuse it a second time."""
        with told(self.folder / PLAN, "taken away", so="what it says is applied"):
            (self.folder / PLAN).unlink(missing_ok=True)

    @contextmanager
    def beside(self) -> Iterator[Path]:
        """Yield a folder within this one for plans that nobody applies; it is gone afterwards."""
        with ExitStack() as opened:
            with told(self.folder, "written"):
                fresh = opened.enter_context(aside(self.folder))
            yield fresh

    def _require_ours(self) -> None:
        """Raise `DeployError` where something lies that no `init` wrote, be it one that was killed."""
        if self._is_marked() or self._has_our_root() or not self.folder.exists():
            return
        for path in self.folder.iterdir():
            if path.name not in {LOCK, _IGNORE} and not is_unfinished(path):
                hint = "name an empty folder with `--dir`, or one that `keepstone deploy init` wrote"
                raise DeployError(f"`{self.folder}` holds files that are not ours", hint=hint)

    def _is_marked(self) -> bool:
        """Say whether `init` has written here."""
        return (self.folder / MARK).is_file()

    def _has_our_root(self) -> bool:
        """Say whether Keepstone's own root lies here, though its mark may be gone."""
        path = self.folder / "main.tf"
        return path.is_file() and path.read_bytes().startswith(root.HEAD.encode())

    def _take(self, fresh: Path, names: Iterable[str]) -> None:
        """Put what was written aside in its places; what takes room on the disk is done by now."""
        module = self.folder / "module"
        if module.exists():
            module.rename(fresh / "old")
        (fresh / "module").rename(module)
        for name in names:
            (fresh / name).replace(self.folder / name)

    def _digest(self) -> str:
        """Return a hash of everything that Terraform reads here; a plan holds for one of them only."""
        whole = hashlib.sha256()
        for path in sorted(self._sources()):
            whole.update(f"{path.relative_to(self.folder)}\0".encode())
            whole.update(bytes.fromhex(_digest(path)))
        return whole.hexdigest()

    def _sources(self) -> list[Path]:
        own = [path for each in _READ for path in self.folder.glob(each)]
        return [*own, *(path for path in (self.folder / "module").rglob("*") if path.is_file())]


def compared(folder: Path, plan: dict[str, Any]) -> tuple[Path, Path]:
    """Write a plan's JSON into a folder, and the state as the plan found it as `terraform show -json` has it.

    Terraform refreshes the state in memory while it plans: what somebody changed by hand stands in it.
    """
    documents = {PLAN_JSON: plan, "before.json": plan.get("prior_state") or _NOTHING}
    with told(folder, "written"):
        for name, document in documents.items():
            write(folder / name, json.dumps(document))
    return folder / PLAN_JSON, folder / "before.json"


def _mark(noted: dict[str, Any]) -> str:
    return json.dumps(noted, indent=2) + "\n"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
