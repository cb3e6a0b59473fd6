"""`keepstone policy test` and `diff` as commands: tables, JSON, JUnit, and their exit codes."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from keepstone.cli.policy import policy
from keepstone.policy.cases import load_cases
from keepstone.policy.problems import InvalidPolicyError
from keepstone.policy.template import Answers, UpstreamKind, UseCase, render
from keepstone.policy.template_cases import render_cases
from tests.unit.policy.test_conditions import DOCUMENT

CARD = "4111 1111 1111 1111"
DATED = DOCUMENT.replace(
    "  default: {}", "  default: {pii: {CREDIT_DEBIT_CARD_NUMBER: NONE, PHONE: ANONYMIZE}}"
)
GOOD = f"""\
version: 1
cases:
  - name: support answers customers
    roles: [desk]
    model: both
    purpose: support
    data_class: Restricted
    expect: {{outcome: allow, rule: "identities.roles.desk.allow[0]", upstreams: [frankfurt]}}
  - name: nobody works at noon
    roles: [night]
    model: both
    expect: {{outcome: refuse, reason: outside_hours}}
  - name: somebody does at night
    roles: [night]
    model: both
    time: "2026-01-07T23:00:00+01:00"
    expect: {{outcome: allow}}
  - name: not in America
    roles: [european]
    model: both
    region: us-west-2
    expect: {{outcome: refuse, reason: region_not_allowed}}
  - name: an undeclared purpose
    roles: [desk]
    model: both
    purpose: espionage
    expect: {{outcome: refuse, reason: purpose_unknown}}
  - name: a card number is Restricted, whatever the call states
    roles: [trusted]
    model: local
    content: "my card is {CARD}"
    expect: {{outcome: refuse, reason: data_class_too_high, data_class: Restricted}}
  - name: in a family's own body too
    roles: [trusted]
    model: american
    operation: InvokeModel
    content: "my card is {CARD}"
    expect: {{outcome: refuse, reason: data_class_too_high}}
  - name: counting reads the text as well
    roles: [trusted]
    model: american
    operation: CountTokens
    content: "my card is {CARD}"
    expect: {{outcome: refuse, reason: data_class_too_high}}
  - name: a masked number may go
    roles: [trusted]
    model: local
    content: "call me: +49 30 901820"
    expect: {{outcome: transform, reason: input_masked, data_class: Internal}}
  - name: blocked is blocked
    roles: [trusted]
    model: both
    content: "write to ann@example.com"
    expect: {{outcome: refuse, reason: input_blocked}}
  - name: a check of text
    roles: [trusted]
    operation: ApplyGuardrail
    guardrail: strict
    content: "write to ann@example.com"
    expect: {{outcome: transform, reason: input_blocked}}
  - name: a narrow key
    roles: [trusted]
    model: both
    key_models: [local]
    expect: {{outcome: refuse, reason: out_of_key_scope}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("keepstone.yaml").write_text(DATED)
    Path("policy-tests.yaml").write_text(GOOD)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(policy, list(arguments))


def test_cases_that_hold(folder: Path) -> None:
    result = run("test", "--format", "json")
    told = json.loads(result.stdout)
    assert [each["differences"] for each in told["cases"]] == [[]] * 12
    assert (result.exit_code, told["passed"]) == (0, True)


def test_a_case_that_does_not_hold_is_shown(folder: Path) -> None:
    Path("policy-tests.yaml").write_text(GOOD.replace("upstreams: [frankfurt]", "upstreams: [oregon]"))
    result = run("test")
    assert result.exit_code == 1
    assert "policy-tests.yaml:3: support answers customers" in result.stderr
    assert "upstreams: expected `['oregon']`, got `['frankfurt']`" in result.stderr
    assert "11 of 12 as expected" in result.stdout


def test_junit(folder: Path) -> None:
    Path("policy-tests.yaml").write_text(GOOD.replace("reason: outside_hours", "reason: denied_by_rule"))
    suite = ElementTree.fromstring(run("test", "--format", "junit").stdout.encode())
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("12", "1", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "reason: expected `denied_by_rule`, got `outside_hours`"


@pytest.mark.parametrize(
    ("old", "new", "position", "words"),
    [
        ("outcome: allow, rule", "outcome: maybe, rule", "8:23", "is not a choice here"),
        ("model: both\n    purpose: support", "purpose: support", "3:5", "a call by Converse names a model"),
        ('time: "2026-01-07T23:00:00+01:00"', 'time: "2026-01-07T23:00:00"', "16:11", "is no instant"),
        ("reason: outside_hours", "reason: outside_ours", "12:39", "did you mean `outside_hours`?"),
        (
            "model: both\n    purpose: support",
            "model: both\n    operation: ApplyGuardrail\n    purpose: support",
            "5:12",
            "a call by ApplyGuardrail names no model; leave `model` out",
        ),
        ("roles: [night]", "role: [night]", "10:5", "did you mean `roles`?"),
    ],
)
def test_a_wrong_table_is_told(folder: Path, old: str, new: str, position: str, words: str) -> None:
    path = Path("policy-tests.yaml")
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InvalidPolicyError) as caught:
        load_cases(path)
    told = {f"{each.line}:{each.column}": f"{each.message}; {each.hint}" for each in caught.value.problems}
    assert words in told[position]


@pytest.mark.parametrize("upstream", UpstreamKind)
@pytest.mark.parametrize("case", UseCase)
def test_what_init_writes_passes(folder: Path, upstream: UpstreamKind, case: UseCase) -> None:
    answers = Answers(upstream=upstream, use_case=case)
    Path("keepstone.yaml").write_text(render(answers))
    Path("policy-tests.yaml").write_text(render_cases(answers))
    result = run("test")
    assert (result.exit_code, result.stderr) == (0, "")


class TestDiff:
    def test_the_same(self, folder: Path) -> None:
        result = run("diff", "keepstone.yaml", "keepstone.yaml")
        assert (result.exit_code, result.stdout) == (0, "no difference\n")

    def test_a_difference(self, folder: Path) -> None:
        Path("new.yaml").write_text(DATED.replace("eu-central-1, max_data_class: Restricted", "eu-central-1"))
        Path("new.yaml").write_text(DATED.replace('regions: ["eu-*"], max', "max"))
        result = run("diff", "keepstone.yaml", "new.yaml")
        assert result.exit_code == 1
        assert "allowed: role `european` may now use" in result.stdout
        told = json.loads(run("diff", "keepstone.yaml", "new.yaml", "--format", "json").stdout)
        assert told["different"]
        assert {each["effect"] for each in told["difference"]["decisions"]} == {"allowed", "rerouted"}
