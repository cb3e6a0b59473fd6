"""`keepstone keys`: a key is on record before it is shown, and no secret ever is."""

import json
import os
from contextlib import nullcontext as _none
from pathlib import Path

import pytest

from keepstone.cli import on_record
from keepstone.cli.main import main
from keepstone.core.errors import LedgerError, UsageError
from keepstone.core.settings import Settings
from keepstone.ledger.record import decode
from keepstone.ledger.whole import WholeReader
from keepstone.policy.template import default_document


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "keepstone.yaml").write_text(default_document() + "\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEEPSTONE_DATABASE", raising=False)
    return tmp_path / ".keepstone"


def run(capsys, *arguments):
    """Run a command; return (exit status, stdout, stderr)."""
    capsys.readouterr()
    status = main([*arguments])
    return status, *capsys.readouterr()


def events(home):
    return [decode(data) for _, data in WholeReader(home / "ledger").entries()]


def test_creation_and_revocation_are_on_record_without_a_gateway(home, capsys):
    status, out, _ = run(
        capsys, "keys", "create", "--name", "ann", "--role", "admin", "--by", "sec", "--format", "json"
    )
    made = json.loads(out)
    assert status == 0
    assert run(capsys, "keys", "revoke", made["id"], "--by", "sec")[0] == 0
    created, revoked = events(home)
    assert (created.event, revoked.event) == ("key.created", "key.revoked")
    for each in (created, revoked):
        assert each.detail["key"] == made["id"]
        assert each.detail["name"] == "ann"
        assert each.detail["roles"] == "admin"
        assert each.detail["by"] == "sec"
        assert each.detail["os_user"] == on_record.login_name()
        assert made["expires"][:10] in each.detail["expires"]
        assert made["token"].rpartition("_")[2] not in str(each)
    assert revoked.detail["revoked"]
    assert run(capsys, "ledger", "verify")[0] == 0


def test_the_secret_of_an_access_key_is_not_on_record(home, capsys):
    document = (home.parent / "keepstone.yaml").read_text().replace("identities:", "identities:\n  sigv4: {}")
    (home.parent / "keepstone.yaml").write_text(document)
    status, out, err = run(capsys, "keys", "create", "--name", "a", "--role", "admin", "--sigv4")
    assert status == 0, err
    secret = out.rpartition("=")[2].strip()
    assert len(secret) == 40
    assert secret not in str(events(home))
    assert events(home)[0].detail["kind"] == "sigv4"


def test_a_key_that_cannot_be_recorded_is_revoked_and_not_shown(home, capsys, monkeypatch):
    def refuse(*_):
        raise LedgerError("the disk is full", code="ledger.full")

    monkeypatch.setattr("keepstone.cli.key_record.put_on_record", refuse)
    status, out, err = run(capsys, "keys", "create", "--name", "ann", "--role", "admin")
    assert (status, out) == (3, "")
    assert "was revoked and is not shown: the disk is full" in err
    assert [each["state"] for each in json.loads(run(capsys, "keys", "list", "--format", "json")[1])] == [
        "revoked"
    ]


def test_a_key_whose_creation_was_interrupted_is_revoked(home, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("keepstone.cli.key_record.put_on_record", interrupt)
    assert run(capsys, "keys", "create", "--name", "ann", "--role", "admin")[:2] == (130, "")
    assert json.loads(run(capsys, "keys", "list", "--format", "json")[1])[0]["state"] == "revoked"


def test_a_revocation_works_even_if_it_cannot_be_recorded(home, capsys, monkeypatch):
    made = json.loads(run(capsys, "keys", "create", "--name", "a", "--role", "admin", "--format", "json")[1])

    def refuse(*_):
        raise LedgerError("the disk is full", code="ledger.full")

    monkeypatch.setattr("keepstone.cli.on_record.put_on_record", refuse)
    status, _, err = run(capsys, "keys", "revoke", made["id"])
    assert status == 3
    assert "is revoked, but that is not on record" in err
    assert json.loads(run(capsys, "keys", "list", "--format", "json")[1])[0]["state"] == "revoked"
    monkeypatch.undo()
    monkeypatch.chdir(home.parent)
    assert run(capsys, "keys", "revoke", made["id"])[0] == 0
    assert [each.event for each in events(home)] == ["key.created", "key.revoked"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--name", "a", "--role", "nobody"], "the policy has no role `nobody`"),
        (["create", "--name", "a", "--role", "admin", "--expires", "soon"], "`--expires`"),
        (["create", "--name", "\n", "--role", "admin"], "`--name`"),
        (["create", "--name", "a", "--role", "admin", "--by", " "], "`--by`"),
        (["create", "--name", "a", "--role", "admin", "--model", "m" * 5000], "`--model`"),
        (["revoke", "123456"], "there is no `.keepstone/keepstone.db`"),
        (["list", "--home", "elsewhere"], "there is no `elsewhere/keepstone.db`"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(home, arguments, said, capsys):
    status, out, err = run(capsys, "keys", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert not home.exists()


@pytest.mark.parametrize(
    ("key", "folder", "fresh", "refused"),
    [
        (4711, 0, True, True),
        (4711, 0, False, True),
        (0, 4711, True, False),  # root serves from a mount of somebody else
        (None, 4711, True, True),
        (None, 4711, False, False),
        (None, 0, True, False),
    ],
)
def test_root_does_not_work_on_the_state_of_another_user(tmp_path, monkeypatch, key, folder, fresh, refused):
    settings = Settings(home=tmp_path / "home")
    settings.keys.mkdir(parents=True)
    if key is not None:
        (settings.keys / "ledger.key").touch()
    owners = {settings.home: folder, settings.keys / "ledger.key": key}
    real = Path.stat

    def stat(self, **options):
        found = real(self, **options)
        return os.stat_result((*found[:4], owners.get(self, found.st_uid), *found[5:]))

    monkeypatch.setattr(Path, "stat", stat)
    for user in (0, 4711):
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        with (
            pytest.raises(UsageError, match="`#4711`, and you are root") if refused and not user else _none()
        ):
            on_record.refuse_other_owner(settings, fresh=fresh)
