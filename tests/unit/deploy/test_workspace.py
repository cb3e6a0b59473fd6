"""A deployment's folder: written whole, never over other people's files; a plan holds for its own input."""

import json

import pytest

from keepstone.core.errors import DeployError
from keepstone.deploy.inputs import inputs_of
from keepstone.deploy.workspace import PLAN, Workspace
from tests.unit.deploy.documents import PLACE, policy

S3 = {**PLACE, "state": {"kind": "s3", "bucket": "acme-state", "kms_key_id": "alias/state"}}


def written(folder, **more):
    document = policy(**more)
    workspace = Workspace(folder)
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
    assert not workspace.plan_is_current()
    (workspace.folder / PLAN).write_bytes(b"plan")
    assert not workspace.plan_is_current()
    workspace.note_plan(b"{}")
    assert workspace.plan_is_current()
    (workspace.folder / PLAN).write_bytes(b"another")
    assert not workspace.plan_is_current()
    (workspace.folder / PLAN).write_bytes(b"plan")
    (workspace.folder / "own.tf").write_text("# mine\n")
    assert not workspace.plan_is_current()
