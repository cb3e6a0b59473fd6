"""A deployment's folder among other processes: on a disk that is really full, in two hands, under git."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.deploy.documents import policy

from keepstone.core.errors import DeployError
from keepstone.deploy.disk import LOCK
from keepstone.deploy.inputs import inputs_of
from keepstone.deploy.workspace import PLAN, Workspace


def write(workspace: Workspace) -> None:
    document = policy()
    with workspace.held():
        workspace.write(document.deployment, inputs_of(document), "sha256:1")


def written(folder: Path) -> Workspace:
    workspace = Workspace(folder)
    write(workspace)
    return workspace


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != LOCK)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_real_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(DeployError, match="no space left on device") as refused:
            written(disk / "d")
        assert "make room" in refused.value.hint
        assert contents(disk) == {}
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        workspace = written(disk / "d")
        (workspace.folder / PLAN).write_bytes(b"plan")
        before = contents(disk)
        (disk / "ballast").write_bytes(b"0" * shutil.disk_usage(disk).free)
        for operation in (write, lambda workspace: workspace.note_plan(b"{}")):
            with pytest.raises(DeployError, match="no space left on device"):
                operation(workspace)
        (disk / "ballast").unlink()
        assert contents(disk) == before
    finally:
        subprocess.run(["umount", disk], check=True)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """The other one is a process; it is killed, and the lock is free at once."""
    workspace = written(tmp_path / "d")
    code = (
        "import sys, time; from pathlib import Path; from keepstone.deploy.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).held(): print('mine', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, workspace.folder], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"mine\n"
        with (
            pytest.raises(
                DeployError, match=f"works in `{workspace.folder}`, process {other.pid}"
            ) as refused,
            workspace.held(),
        ):
            raise AssertionError
        assert refused.value.hint
        other.kill()
    with workspace.held():
        pass


def test_plans_and_states_are_kept_out_of_git(tmp_path: Path) -> None:
    workspace = written(tmp_path / "d")
    subprocess.run(["git", "init", "-q", workspace.folder], check=True)
    names = ["plan.tfplan", "plan.json", "before.json", "terraform.tfstate", "terraform.tfstate.backup", LOCK]
    names += [".terraform/modules/modules.json", "errored.tfstate", ".terraform.tfstate.lock.info"]
    kept = ["main.tf", "backend.tf", "terraform.tfvars.json", "keepstone.json", ".terraform.lock.hcl"]
    kept += [".gitignore", "module/main.tf"]
    command = ["git", "-C", workspace.folder, "check-ignore", *names, *kept]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    assert found == names
