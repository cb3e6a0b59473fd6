"""What `keepstone deploy` leaves on record: that something began, and how it ended; no words of an error."""

import json

import pytest

from keepstone.cli.deploy_record import APPLY, DESTROY, on_record
from keepstone.core.errors import DeployError, LedgerError
from keepstone.deploy.inputs import inputs_of
from keepstone.deploy.workspace import Workspace
from keepstone.ledger.whole import WholeReader
from tests.unit.deploy.documents import policy

WHOSE = {"account": "123456789012", "planned_as": "arn:aws:iam::123456789012:user/ann"}
BY = {"plan": "sha256:2", "by": "ann", "accepted": "KS-NET-001", "reason": "an office", **WHOSE}


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("KEEPSTONE_HOME", str(tmp_path / "home"))
    made = Workspace(tmp_path / "deployment")
    with made.held():
        made.write(policy().deployment, inputs_of(policy()), "sha256:1")
    return made


def events(workspace):
    entries = WholeReader(workspace.folder.parent / "home" / "ledger").entries()
    found = [json.loads(data) for _, data in entries]
    return [(each["event"], each["detail"]) for each in found]


def test_a_beginning_and_an_end(workspace) -> None:
    with on_record(APPLY, workspace, BY):
        assert events(workspace) == [("deploy.apply_begun", {"policy": "sha256:1", **BY})]
    by = {"policy": "sha256:1", "plan": "sha256:2", "by": "ann", **WHOSE}
    assert events(workspace)[1:] == [("deploy.applied", by)]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (DeployError("user/ann may not", code="deploy.denied"), "deploy.denied"),
        (KeyboardInterrupt(), "interrupted"),
        (ValueError("of ann's"), "ValueError"),
    ],
)
def test_a_failure_is_named_by_its_code(workspace, error, why, capsys) -> None:
    with (
        pytest.raises(type(error)),
        on_record(DESTROY, workspace, {"environment": "production", "by": "ann"}),
    ):
        raise error
    told = {"policy": "sha256:1", "environment": "production", "by": "ann"}
    assert events(workspace) == [
        ("deploy.destroy_begun", told),
        ("deploy.destroy_failed", {**told, "error": why}),
    ]
    assert "`keepstone deploy plan` says what is left to do" in capsys.readouterr().err


def test_what_cannot_be_recorded_does_not_begin(workspace, monkeypatch) -> None:
    def refuse(*_):
        raise LedgerError("the disk is full")

    monkeypatch.setattr("keepstone.cli.on_record.put_on_record", refuse)
    with pytest.raises(LedgerError), on_record(APPLY, workspace, BY):
        raise AssertionError


def test_a_failure_that_cannot_be_recorded_hides_no_error(workspace, monkeypatch, capsys) -> None:
    def refuse(*_):
        raise LedgerError("the disk is full")

    def fail():
        monkeypatch.setattr("keepstone.cli.on_record.put_on_record", refuse)
        raise DeployError("refused")

    with pytest.raises(DeployError, match="refused"), on_record(APPLY, workspace, BY):
        fail()
    assert "that it failed is not on record: the disk is full" in capsys.readouterr().err
