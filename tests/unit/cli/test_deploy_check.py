"""`keepstone deploy check` as it is used."""

import json
import os

import pytest

from keepstone.cli.main import main
from tests.unit.posture.documents import change, plan, resource, saved, state

SOUND = change("aws_kms_key.k", {"enable_key_rotation": True, "policy": None})
LOST = change("aws_kms_key.k", {"enable_key_rotation": True, "is_enabled": False, "policy": None})
STALE = change("aws_kms_key.k", {"enable_key_rotation": False, "policy": None})


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (plan(SOUND), 0),
        (plan(STALE), 0),
        (plan(LOST), 1),
        (state(resource("aws_kms_key.k", {"enable_key_rotation": True, "policy": None})), 0),
        (plan(), 3),
        (plan(change("aws_ecs_cluster.c", {})), 3),
        ("no plan", 2),
    ],
)
def test_the_exit_status_says_how_it_went(tmp_path, capsys, document, status):
    assert main(["deploy", "check", str(saved(tmp_path, document))]) == status


def test_the_worst_comes_first_with_what_to_do(tmp_path, capsys):
    bad = change("aws_kms_key.k", {"enable_key_rotation": False, "is_enabled": False, "policy": None})
    main(["deploy", "check", str(saved(tmp_path, plan(bad)))])
    said = capsys.readouterr()
    rows = said.out.splitlines()[2:]
    assert rows[0].startswith("KS-KEY-005")
    assert rows[1].startswith("KS-KEY-001")
    assert "KS-KEY-001 (medium, platform): Keys are rotated. Set `enable_key_rotation`." in said.err
    assert "2 FAIL, 0 NOT_EVALUATED, 3 PASS" in said.err
    assert "failures: 1 high, 1 medium" in said.err


def test_all_is_shown_when_asked(tmp_path, capsys):
    main(["deploy", "check", "--all", str(saved(tmp_path, plan(SOUND)))])
    assert "KS-KEY-001   PASS" in capsys.readouterr().out


def test_machines_get_everything(tmp_path, capsys):
    path = saved(tmp_path, plan(LOST, change("aws_ecs_cluster.c", {})))
    assert main(["deploy", "check", str(path), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["provenance"]["source"] == "plan"
    assert found["counts"]["FAIL"] == found["failures"]["high"] == 1
    assert found["unread"] == ["aws_ecs_cluster"]
    first = found["findings"][0]
    assert first["check"] == "KS-KEY-005"
    assert first["evidence"] == [{"path": "aws_kms_key.k: enabled", "seen": "false"}]
    assert {each["verdict"] for each in found["findings"]} == {"FAIL", "PASS", "NOT_APPLICABLE"}


def test_a_state_is_what_terraform_last_wrote(tmp_path, capsys):
    found = state(resource("aws_kms_key.k", {"enable_key_rotation": True, "policy": None}))
    path = saved(tmp_path, found)
    os.utime(path, (0, 1_700_000_000))
    main(["deploy", "check", str(path)])
    first = capsys.readouterr().err.splitlines()[0]
    assert "what Terraform last wrote is judged, before 2023-11-14 22:13:20 UTC" in first
    assert "refresh-only" in first
    main(["deploy", "check", str(saved(tmp_path, plan(SOUND)))])
    assert "last wrote" not in capsys.readouterr().err


def test_what_could_not_be_told_is_said(tmp_path, capsys):
    unknown = change("aws_kms_key.k", {"enable_key_rotation": True}, {"policy": True})
    assert main(["deploy", "check", str(saved(tmp_path, plan(unknown)))]) == 0
    assert "could not be told: KS-KEY-003, KS-KEY-004" in capsys.readouterr().err
