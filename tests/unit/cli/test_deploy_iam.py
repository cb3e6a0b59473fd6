"""`keepstone deploy iam-policy` as it is used: on the screen, and in parts that AWS takes."""

import json

import pytest

from keepstone.cli.main import main
from keepstone.deploy.documents import characters

POLICY = """
version: 1
organisation: {name: Acme}
identities: {roles: {app: {allow: [{models: ["*"]}]}}}
upstreams: {us: {kind: bedrock, region: us-east-1}}
models: [{id: anthropic.claude-x, upstreams: [us]}]
deployment:
  environment: production
  region: us-east-1
  vpc_id: vpc-0a1b2c3d4e5f60718
  subnet_ids: [subnet-0a1b2c3d4e5f60718]
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    (tmp_path / "keepstone.yaml").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(capsys, *arguments):
    assert main(["deploy", "iam-policy", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def statements(*documents):
    return sorted(json.dumps(each) for document in documents for each in document["Statement"])


@pytest.mark.parametrize(
    ("who", "most"), [(["deployer"], 6144), (["deployer", "--with-home"], 6144), (["scp"], 5120)]
)
def test_parts_say_what_the_whole_says(place, capsys, who, most) -> None:
    whole = printed(capsys, *who)
    assert main(["deploy", "iam-policy", *who, "--out", "policies"]) == 0
    parts = [json.loads(path.read_text()) for path in sorted((place / "policies").iterdir())]
    assert statements(*parts) == statements(whole)
    assert all(characters(each) <= most for each in parts)


def test_it_says_how_they_are_attached(place, capsys) -> None:
    (place / "policies").mkdir()
    for name in ("deployer-9.json", "deployer-mine.json", "scp-9.json"):
        (place / "policies" / name).write_text("{}")
    assert main(["deploy", "iam-policy", "deployer", "--out", "policies"]) == 0
    told = capsys.readouterr()
    assert "policies/deployer-1.json" in told.out
    assert "attach all 2 to the role" in told.err
    assert "--policy-document file://policies/deployer-1.json" in told.err
    assert "`policies/deployer-9.json` is of an earlier policy" in told.err
    assert "mine" not in told.err
    assert "scp-9" not in told.err


def test_what_is_too_long_says_what_to_do(capsys) -> None:
    assert main(["deploy", "iam-policy", "deployer"]) == 0
    assert "`--out FOLDER` writes it as 2 of them" in capsys.readouterr().err


def test_the_home_is_the_deployers(capsys) -> None:
    assert main(["deploy", "iam-policy", "auditor", "--with-home"]) == 2
    assert "`--with-home` is for `deployer`" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told(place, capsys) -> None:
    (place / "file").write_text("mine")
    assert main(["deploy", "iam-policy", "scp", "--out", "file/policies"]) == 3
    assert "`file/policies` cannot be written: not a directory" in capsys.readouterr().err
