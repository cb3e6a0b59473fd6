"""The real command: `keepstone init`, `keepstone policy ...`, its help, its exit codes."""

import json
import os
import resource
import subprocess
import sys
from itertools import product
from pathlib import Path

import click
import pytest

from keepstone.cli.main import main
from keepstone.cli.output import emit
from keepstone.core.errors import KeepstoneError, LedgerError, PolicyError, StoreError, UsageError

Capture = pytest.CaptureFixture[str]
DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = DOCS / "examples" / "keepstone.yaml"
KEEPSTONE = Path(sys.executable).with_name("keepstone")


def keepstone(
    *arguments: str | Path, cwd: Path | None = None, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed command without any of our own environment."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("KEEPSTONE_")} | extra
    return subprocess.run(
        [KEEPSTONE, *arguments], cwd=cwd, env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def processor_seconds(*arguments: str) -> float:
    """Return the processor time of one run, which other work on the machine changes least."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    keepstone(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


class TestMain:
    def test_help_names_every_command_and_imports_none(self) -> None:
        code = (
            "import sys; from keepstone.cli.main import main; main(['--help']); "
            "print(sorted({'yaml', 'rich', 'sqlalchemy', 'botocore', 'msgspec', 're2'} & set(sys.modules)))"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert result.stdout.splitlines()[-1] == "[]"
        assert all(
            f"  {name} " in result.stdout for name in ("init", "policy", "keys", "up", "ledger", "demo")
        )

    def test_help_is_quick(self) -> None:
        spent = [processor_seconds("--help") for _ in range(5)]
        assert min(spent) < 0.15

    def test_version(self) -> None:
        assert keepstone("--version").stdout == "keepstone, version 0.1.0\n"

    @pytest.mark.parametrize("arguments", [["nope"], ["policy", "nope"], ["policy", "check", "--nope"]])
    def test_what_does_not_exist_is_a_usage_error(self, arguments: list[str]) -> None:
        result = keepstone(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize(
        "arguments", [["init"], ["policy", "check"], ["policy", "explain"], ["policy", "schema"]]
    )
    def test_every_help_has_an_example(self, arguments: list[str]) -> None:
        assert "Example: keepstone" in keepstone(*arguments, "--help").stdout

    def test_a_reader_that_leaves_is_no_fault(self) -> None:
        command = f"{KEEPSTONE} policy schema | head -1"
        result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert (result.stdout, result.stderr) == ("{\n", "")


class TestCheck:
    def test_a_valid_document(self) -> None:
        result = keepstone("policy", "check", EXAMPLE)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("valid: sha256:")

    def test_an_overlay_changes_the_hash(self) -> None:
        base = keepstone("policy", "check", EXAMPLE).stdout
        overlaid = keepstone("policy", "check", EXAMPLE, "--env", "prod").stdout
        by_environment = keepstone("policy", "check", EXAMPLE, KEEPSTONE_ENV="prod").stdout
        assert base != overlaid == by_environment

    def test_a_refused_document(self, tmp_path: Path) -> None:
        file = tmp_path / "keepstone.yaml"
        file.write_text(EXAMPLE.read_text().replace("upstreams: [frankfurt]", "upstreams: [frankfort]"))
        result = keepstone("policy", "check", cwd=tmp_path)
        assert result.returncode == 2
        assert result.stdout == (
            "keepstone.yaml:62:17: error: unknown upstream `frankfort` (at `models[1].upstreams[0]`)\n"
            "   62 |     upstreams: [frankfort]\n      |                 ^\n"
            "      = did you mean `frankfurt`?\n\n"
        )
        assert result.stderr == "1 error\n"

    def test_json(self, tmp_path: Path) -> None:
        (tmp_path / "keepstone.yaml").write_text("version: 2\n")
        result = keepstone("policy", "check", "--format", "json", cwd=tmp_path)
        answer = json.loads(result.stdout)
        assert (result.returncode, answer["valid"], answer["hash"]) == (2, False, "")
        assert {"file", "line", "column", "path", "message", "hint", "severity"} <= set(answer["problems"][0])

    def test_warnings_fail_only_when_strict(self, tmp_path: Path) -> None:
        file = tmp_path / "keepstone.yaml"
        file.write_text(EXAMPLE.read_text().replace("https://models", "http://models"))
        assert keepstone("policy", "check", file).returncode == 0
        strict = keepstone("policy", "check", file, "--strict")
        assert strict.returncode == 2
        assert "unencrypted" in strict.stdout

    def test_a_missing_file(self, tmp_path: Path) -> None:
        result = keepstone("policy", "check", cwd=tmp_path)
        assert result.returncode == 2
        assert "the file does not exist" in result.stdout


CONDITIONS = """\
version: 1
organisation: {name: Acme}
purposes: {support: {description: answering customers}}
identities:
  roles:
    desk:
      allow: [{models: ["*"], purposes: [support], regions: ["eu-*"], times: ["Mon-Fri 08:00-18:00 UTC"]}]
upstreams:
  frankfurt: {kind: bedrock, region: eu-central-1}
  virginia: {kind: bedrock, region: us-east-1}
models: [{id: m, upstreams: [virginia, frankfurt]}]
"""


class TestExplain:
    def test_a_document(self) -> None:
        result = keepstone("policy", "explain", EXAMPLE)
        assert result.returncode == 0
        assert "Not protected\n" in result.stdout

    def test_an_allowed_call(self) -> None:
        call = ["--role", "analyst", "--model", "eu.amazon.nova-x", "--data-class", "confidential"]
        result = keepstone("policy", "explain", EXAMPLE, *call)
        assert result.returncode == 0
        assert result.stdout.startswith(
            "allow: role `analyst` may use `eu.amazon.nova-*` up to Confidential\n"
        )

    def test_a_refused_call_as_json(self) -> None:
        call = [
            "--role",
            "analyst",
            "--model",
            "eu.amazon.nova-x",
            "--operation",
            "InvokeModel",
            "--format",
            "json",
        ]
        result = keepstone("policy", "explain", EXAMPLE, *call)
        answer = json.loads(result.stdout)
        assert (result.returncode, answer["outcome"]) == (1, "refuse")
        assert answer["reasons"][0]["path"] == "identities.roles.analyst.allow[0]"
        assert answer["considered"][0]["says"] == "does not speak of InvokeModel"

    @pytest.mark.parametrize(
        ("options", "status", "said"),
        [
            (["--purpose", "support"], 0, "it may go to: frankfurt (eu-central-1)\n"),
            (["--purpose", "support", "--region", "us-east-1"], 1, "of which none is in `us-east-1`"),
            (["--purpose", "support", "--time", "2026-11-21T12:00:00+01:00"], 1, "it is another time now"),
            (["--purpose", "fun"], 1, "purpose `fun` is not one of the policy's, expected one of `support`"),
            ([], 1, "only, this call states no purpose"),
        ],
    )
    def test_purpose_time_and_region_of_a_call(
        self, tmp_path: Path, options: list[str], status: int, said: str
    ) -> None:
        (tmp_path / "keepstone.yaml").write_text(CONDITIONS)
        friday = [] if "--time" in options else ["--time", "2026-11-20T12:00:00+01:00"]
        call = ["--role", "desk", "--model", "m", *options, *friday]
        result = keepstone("policy", "explain", *call, cwd=tmp_path)
        assert result.returncode == status
        assert said in result.stdout
        assert "not asked here: guardrails, residency" in result.stderr

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--role", "analyst"], "a call by Converse names a model"),
            (["--role", "analyst", "--model", "m", "--time", "noon"], "--time: expected a moment"),
            (["--role", "analyst", "--model", "m", "--time", "2026-01-07T12:00:00"], "--time: expected"),
            (["--purpose", "support"], "a call is explained for a caller"),
        ],
    )
    def test_half_a_question(self, options: list[str], said: str) -> None:
        result = keepstone("policy", "explain", EXAMPLE, *options)
        assert (result.returncode, result.stdout) == (2, "")
        assert said in result.stderr

    def test_an_unknown_class_is_a_usage_error(self) -> None:
        result = keepstone("policy", "explain", EXAMPLE, "--role", "analyst", "--data-class", "Secret")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("error: --data-class: expected one of Public")

    def test_an_invalid_document_is_told_with_positions(self, tmp_path: Path) -> None:
        (tmp_path / "keepstone.yaml").write_text("versoin: 1\n")
        result = keepstone("policy", "explain", cwd=tmp_path)
        assert (result.returncode, result.stdout) == (2, "")
        assert "keepstone.yaml:1:1: error: unknown field `versoin`" in result.stderr
        assert "Traceback" not in result.stderr


def test_the_schema_in_the_docs_is_current() -> None:
    assert keepstone("policy", "schema").stdout == (DOCS / "keepstone.schema.json").read_text()


class TestInit:
    def test_defaults(self, tmp_path: Path) -> None:
        result = keepstone("init", "--yes", cwd=tmp_path)
        assert (result.returncode, result.stdout) == (0, "keepstone.yaml\n")
        assert keepstone("policy", "check", "--strict", cwd=tmp_path).returncode == 0

    @pytest.mark.parametrize(
        ("data_class", "upstream"), list(product(["Public", "Restricted"], ["dev", "bedrock", "openai"]))
    )
    def test_options(self, tmp_path: Path, data_class: str, upstream: str) -> None:
        given = [
            "--data-class",
            data_class,
            "--upstream",
            upstream,
            "--jurisdictions",
            "eu, uk,NO",
            "--scope",
            "4",
        ]
        result = keepstone("init", "a.yaml", "--yes", "--use-case", "agents", *given, cwd=tmp_path)
        assert result.returncode == 0
        assert "jurisdictions: [EU, GB, NO]" in (tmp_path / "a.yaml").read_text()
        assert keepstone("policy", "check", "a.yaml", "--strict", cwd=tmp_path).returncode == 0

    def test_it_asks(self, tmp_path: Path) -> None:
        answers = "Fjord\nsupport\nConfidential\nNO\n3\nbedrock\neu-north-1\n"
        result = subprocess.run(
            [KEEPSTONE, "init"], cwd=tmp_path, input=answers, capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stdout) == (0, "keepstone.yaml\n")
        text = (tmp_path / "keepstone.yaml").read_text()
        assert all(
            word in text for word in ("Fjord", "customer support", "Confidential", "[NO]", "eu-north-1")
        )

    def test_it_does_not_overwrite(self, tmp_path: Path) -> None:
        (tmp_path / "keepstone.yaml").write_text("mine")
        result = keepstone("init", "--yes", cwd=tmp_path)
        assert result.returncode == 2
        assert result.stderr == "error: `keepstone.yaml` exists\nhint: --force overwrites it\n"
        assert (tmp_path / "keepstone.yaml").read_text() == "mine"
        assert keepstone("init", "--yes", "--force", cwd=tmp_path).returncode == 0
        assert sorted(each.name for each in tmp_path.iterdir()) == ["keepstone.yaml", "policy-tests.yaml"]

    def test_its_table_of_cases_passes_and_is_never_overwritten(self, tmp_path: Path) -> None:
        assert keepstone("init", "--yes", cwd=tmp_path).returncode == 0
        result = keepstone("policy", "test", cwd=tmp_path)
        assert (result.returncode, result.stdout.splitlines()[-1]) == (0, "4 of 4 as expected")
        table = tmp_path / "policy-tests.yaml"
        table.write_text(table.read_text().replace("reason: role_unknown", "reason: denied_by_rule"))
        assert keepstone("init", "--yes", "--force", cwd=tmp_path).returncode == 0
        result = keepstone("policy", "test", cwd=tmp_path)
        assert result.returncode == 1
        assert "reason: expected `denied_by_rule`, got `role_unknown`" in result.stderr

    def test_an_invalid_answer_writes_nothing(self, tmp_path: Path) -> None:
        result = keepstone("init", "--yes", "--upstream", "bedrock", "--region", "the moon", cwd=tmp_path)
        assert result.returncode == 2
        assert "`the moon` does not have the expected form" in result.stderr
        assert list(tmp_path.iterdir()) == []

    def test_an_unwritable_place_is_told(self, tmp_path: Path) -> None:
        result = keepstone("init", tmp_path / "none" / "keepstone.yaml", "--yes")
        assert result.returncode == 2
        assert "cannot be written: no such file or directory" in result.stderr

    def test_editors_find_the_schema(self, tmp_path: Path) -> None:
        assert keepstone("init", "--yes", "--schema", cwd=tmp_path).returncode == 0
        first = (tmp_path / "keepstone.yaml").read_text().splitlines()[0]
        assert first == "# yaml-language-server: $schema=./keepstone.schema.json"
        assert (tmp_path / "keepstone.schema.json").read_text() == (
            DOCS / "keepstone.schema.json"
        ).read_text()


class TestErrors:
    """The one door: a class of error, an exit code, and never a traceback."""

    @pytest.mark.parametrize(
        ("error", "code", "stderr"),
        [
            (UsageError("no", hint="yes"), 2, "error: no\nhint: yes\n"),
            (PolicyError("no"), 2, "error: no\n"),
            (LedgerError("`a` does not verify"), 3, "error: `a` does not verify\n"),
            (StoreError("a\x1b[31mb"), 3, "error: a·[31mb\n"),
        ],
    )
    def test_an_error_of_ours(
        self, error: KeepstoneError, code: int, stderr: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
    ) -> None:
        assert run_raising(error, monkeypatch) == code
        assert tuple(capsys.readouterr()) == ("", stderr)

    def test_a_fault_of_ours_tells_its_kind_only(
        self, monkeypatch: pytest.MonkeyPatch, capsys: Capture
    ) -> None:
        assert run_raising(ZeroDivisionError("a customer's text"), monkeypatch) == 3
        stderr = capsys.readouterr().err
        assert "internal fault `ZeroDivisionError`" in stderr
        assert "customer" not in stderr

    def test_a_fault_is_shown_whole_on_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KEEPSTONE_DEBUG", "1")
        with pytest.raises(ZeroDivisionError):
            run_raising(ZeroDivisionError("x"), monkeypatch)

    def test_an_interruption(self, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
        assert run_raising(KeyboardInterrupt(), monkeypatch) == 130
        assert capsys.readouterr().err.strip() == "error: interrupted"


def run_raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command that raises `error`."""

    def command() -> None:
        raise error

    monkeypatch.setattr("keepstone.cli.policy.policy", click.Command("policy", callback=command))
    return main(["policy"])


class TestOutput:
    def test_a_table_loses_control_characters_and_markup_is_text(self, capsys: Capture) -> None:
        emit([{"name_of": "[red]a[/red]\x1b[0m", "on": True, "many": ("a", "b"), "none": None}])
        head, _, row = capsys.readouterr().out.rstrip("\n").split("\n")
        assert head.split("   ")[0] == "name of"
        assert row.split() == ["[red]a[/red]·[0m", "yes", "a,", "b"]

    def test_one_object_is_a_table_of_fields(self, capsys: Capture) -> None:
        emit({"a": 1, "b": None})
        assert [line.split() for line in capsys.readouterr().out.splitlines()[2:]] == [["a", "1"], ["b"]]

    def test_json_is_whole(self, capsys: Capture) -> None:
        emit([{"a": (1, {"b": None}), "c": Path("x")}], "json", columns=("a",))
        assert json.loads(capsys.readouterr().out) == [{"a": [1, {"b": None}], "c": "x"}]

    def test_nothing_is_nothing(self, capsys: Capture) -> None:
        emit([])
        assert capsys.readouterr().out == ""

    def test_a_pipe_gets_one_line_for_each_row(self, capsys: Capture) -> None:
        emit([{"a": "x" * 500, "b": "y"}])
        assert len(capsys.readouterr().out.splitlines()) == 3
