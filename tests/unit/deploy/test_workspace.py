"""A deployment's folder: written whole, never over other people's files; a plan holds for its own input."""

import json
import os
import resource
from contextlib import contextmanager

import pytest

from keepstone.core.errors import DeployError, UsageError
from keepstone.deploy.disk import LOCK
from keepstone.deploy.inputs import inputs_of
from keepstone.deploy.workspace import PLAN, PLAN_JSON, Workspace, compared
from tests.unit.deploy.documents import PLACE, policy

S3 = {**PLACE, "state": {"kind": "s3", "bucket": "acme-state", "kms_key_id": "alias/state"}}


def written(folder, **more):
    document = policy(**more)
    workspace = Workspace(folder)
    with workspace.held():
        workspace.write(document.deployment, inputs_of(document), "sha256:1")
    return workspace


def test_what_is_written(tmp_path) -> None:
    workspace = written(tmp_path / "d")
    values = json.loads((workspace.folder / "terraform.tfvars.json").read_text())
    root = (workspace.folder / "main.tf").read_text()
    assert values["environment"] == "production"
    assert all(f"= var.{name}\n" in root and f'variable "{name}"' in root for name in values)
    assert (workspace.folder / "module" / "data" / "alarms.json").is_file()
    assert workspace.require()["policy"] == "sha256:1"
    assert (workspace.folder / "terraform.tfvars.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, 'backend "local" {}'),
        ({"deployment": S3}, 'bucket       = "acme-state"'),
        ({"deployment": S3}, "use_lockfile = true"),
        ({"deployment": S3}, 'kms_key_id   = "alias/state"'),
    ],
)
def test_the_state_goes_where_the_policy_says(tmp_path, more, says) -> None:
    assert says in (written(tmp_path / "d", **more).folder / "backend.tf").read_text()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, 'provider "aws" {\n  region = "us-east-1"\n}\n'),
        ({"account": "012345678901"}, '  allowed_account_ids = ["012345678901"]\n}\n'),
    ],
)
def test_the_provider_takes_the_account_that_the_policy_names(tmp_path, more, says) -> None:
    workspace = written(tmp_path / "d", deployment={**PLACE, **more})
    assert says in (workspace.folder / "main.tf").read_text()
    assert workspace.account == more.get("account", "")


def test_an_account_that_is_taken_out_of_the_policy_is_taken_out_of_the_folder(tmp_path) -> None:
    written(tmp_path / "d", deployment={**PLACE, "account": "012345678901"})
    workspace = written(tmp_path / "d")
    assert workspace.account == ""
    assert "allowed_account_ids" not in (workspace.folder / "main.tf").read_text()


def test_it_is_written_again_and_the_users_own_files_stay(tmp_path) -> None:
    workspace = written(tmp_path / "d")
    (workspace.folder / "own.tf").write_text("# mine\n")
    (workspace.folder / "module" / "old.tf").write_text("# of an older Keepstone\n")
    written(tmp_path / "d")
    assert (workspace.folder / "own.tf").read_text() == "# mine\n"
    assert not (workspace.folder / "module" / "old.tf").exists()


def test_other_peoples_folders_are_left_alone(tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(DeployError, match="not ours"):
        written(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_folder_that_init_did_not_write_is_refused(tmp_path, text) -> None:
    if text is not None:
        (tmp_path / "keepstone.json").write_text(text)
    with pytest.raises(DeployError):
        Workspace(tmp_path).require()


def test_a_plan_holds_for_the_input_it_was_made_of(tmp_path) -> None:
    workspace = written(tmp_path / "d")

    def refused(says):
        with pytest.raises(UsageError, match=says) as error:
            workspace.require_plan("sha256:1")
        assert "keepstone deploy plan" in error.value.hint

    refused("there is no plan")
    (workspace.folder / PLAN).write_bytes(b"plan")
    refused("there is no plan")
    workspace.note_plan(b"{}")
    workspace.require_plan("sha256:1")
    (workspace.folder / PLAN).write_bytes(b"another")
    refused("damaged, or not the plan that was shown")
    (workspace.folder / PLAN).write_bytes(b"plan")
    workspace.require_plan("sha256:1")
    (workspace.folder / "own.tf").write_text("# mine\n")
    refused("not the one that was planned")
    (workspace.folder / "own.tf").unlink()
    (workspace.folder / "own.tf.json").write_text("{}")
    refused("not the one that was planned")
    (workspace.folder / "own.tf.json").unlink()
    workspace.require_plan("sha256:1")
    with pytest.raises(UsageError, match="the policy is not the one that was planned"):
        workspace.require_plan("sha256:2")
    workspace.drop_plan()
    refused("there is no plan")


@pytest.mark.parametrize(
    ("key", "as_written"), [("a/b", '"a/b"'), ('a"b', r'"a\"b"'), ("${path}%{if}", '"$${path}%%{if}"')]
)
def test_what_the_policy_says_of_the_state_stays_text(tmp_path, key, as_written) -> None:
    place = {**PLACE, "state": {"kind": "s3", "bucket": "acme-state", "key": key}}
    assert (
        f"key          = {as_written}\n"
        in (written(tmp_path / "d", deployment=place).folder / "backend.tf").read_text()
    )


@contextmanager
def as_nobody():
    """Be a user without rights, if we are root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LOCK
    }


def compared_beside(workspace):
    with workspace.beside() as beside:
        compared(beside, {"planned_values": {}})


WRITES = {
    "write": lambda workspace: workspace.write(policy().deployment, inputs_of(policy()), "sha256:2"),
    "note_plan": lambda workspace: workspace.note_plan(b"{}"),
    "compared": compared_beside,
}


@pytest.fixture
def planned(tmp_path):
    workspace = written(tmp_path / "d")
    (workspace.folder / PLAN).write_bytes(b"plan")
    (workspace.folder / PLAN_JSON).write_text("{}")
    return workspace


@contextmanager
def files_of_at_most(size):
    """Let no file of this process grow longer: the disk is full for what is longer, as by `ulimit -f`."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("operation", WRITES)
@pytest.mark.parametrize("size", [0, 10])
def test_a_full_disk_is_told_and_changes_nothing(planned, operation, size) -> None:
    before = contents(planned.folder)
    with files_of_at_most(size), pytest.raises(DeployError, match="file too large") as refused:
        WRITES[operation](planned)
    assert str(planned.folder) in refused.value.message
    assert "make room" in refused.value.hint
    assert "nothing was changed" in refused.value.hint
    assert contents(planned.folder) == before


def test_a_disk_that_is_full_half_way_changes_nothing(planned) -> None:
    """The module's first files fit, a longer one does not."""
    (planned.folder / "module" / "old.tf").write_text("# of an older Keepstone\n")
    before = contents(planned.folder)
    with files_of_at_most(4096), pytest.raises(DeployError):
        WRITES["write"](planned)
    assert contents(planned.folder) == before


def test_a_file_where_the_folder_should_be_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DeployError, match="not a directory") as refused:
        written(tmp_path / "file" / "d")
    assert "--dir" in refused.value.hint
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("operation", WRITES)
def test_a_folder_that_is_not_ours_to_write_is_told(planned, operation) -> None:
    """Root may write everywhere, so another user tries it."""
    before = contents(planned.folder)
    for path in [planned.folder, *planned.folder.rglob("*"), *planned.folder.parents]:
        if path.is_relative_to(planned.folder) or path.is_relative_to("/tmp"):
            path.chmod(path.stat().st_mode | 0o055)
    (planned.folder).chmod(0o555)
    with as_nobody(), pytest.raises(DeployError, match="permission denied") as refused:
        WRITES[operation](planned)
    assert "yours to write" in refused.value.hint
    assert contents(planned.folder) == before


def test_what_a_killed_process_left_is_taken_away(tmp_path) -> None:
    folder = tmp_path / "d"
    for name in (".module-abcdefg1", ".writing-abcdefg1"):
        (folder / name).mkdir(parents=True)
        (folder / name / "main.tf").write_text("half")
    (folder / ".writing-_bcdefg2").write_text("half")
    workspace = written(folder)  # such a folder counts as empty
    (folder / ".module-abcdefg1").mkdir()
    with workspace.held():
        pass
    (folder / ".module-of-mine").mkdir()
    with workspace.held():
        pass
    left = [each.name for each in folder.iterdir() if each.name.startswith((".module", ".writing"))]
    assert left == [".module-of-mine"]


def test_a_users_own_gitignore_stays(tmp_path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / ".gitignore").write_text("mine\n")
    assert (written(tmp_path / "d").folder / ".gitignore").read_text() == "mine\n"
