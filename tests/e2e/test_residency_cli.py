"""`keepstone policy residency`, the real command: rows, exit codes, dates, what ends soon."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_policy_cli import keepstone

POLICY = """\
version: 1
organisation: {name: Acme, jurisdictions: [EU]}
identities: {roles: {engineer: {allow: [{models: ["*"]}]}, swiss: {allow: [{models: ["*"]}]}}}
upstreams:
  frankfurt: {kind: bedrock, region: eu-central-1}
  zurich: {kind: bedrock, region: eu-central-2}
  london: {kind: bedrock, region: eu-west-2}
  virginia: {kind: bedrock, region: us-east-1}
models:
  - {id: home, upstreams: [frankfurt], upstream_ids: {frankfurt: anthropic.claude-x}}
  - id: near
    upstreams: [zurich, london]
    upstream_ids: {zurich: anthropic.claude-x, london: anthropic.claude-x}
  - {id: far, upstreams: [virginia], upstream_ids: {virginia: anthropic.claude-x}}
  - {id: "eu.anthropic.claude-x", upstreams: [frankfurt]}
residency:
  roles: {swiss: [CH]}
  transfers:
    - {name: certified, kind: dpf, jurisdictions: [EU], upstreams: [virginia], countries: [US],
       importer: Example Cloud, since: 2024-01-01, until: 2027-01-15}
"""
SNAPSHOT = {
    "answers": [
        {
            "upstream": "frankfurt",
            "asked": "eu-central-1 default public",
            "profile": "eu.anthropic.claude-x",
            "read_at_ns": 1_795_262_400_000_000_000,
            "regions": ["eu-west-1", "eu-west-2"],
        }
    ]
}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "keepstone.yaml"
    file.write_text(POLICY)
    return file


def asked(policy: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Its exit status and JSON."""
    home = str(policy.parent / "home")
    result = keepstone("policy", "residency", policy, "--home", home, "--format", "json", *options)
    return result.returncode, json.loads(result.stdout) if result.stdout else {}


def verdicts(found: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(row["upstream"], row["destination"]): row["verdict"] for row in found["rows"]}


@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        (["--model", "home"], 0, {("frankfurt", "eu-central-1"): "yes"}),
        (["--model", "near"], 0, {("zurich", "eu-central-2"): "yes", ("london", "eu-west-2"): "yes"}),
        (
            ["--model", "near", "--date", "2031-12-28"],
            1,
            {("zurich", "eu-central-2"): "yes", ("london", "eu-west-2"): "no"},
        ),
        (["--model", "far", "--date", "2027-01-15"], 0, {("virginia", "us-east-1"): "yes"}),
        (["--model", "far", "--date", "2027-01-16"], 1, {("virginia", "us-east-1"): "no"}),
        (["--model", "far", "--role", "swiss"], 1, {("virginia", "us-east-1"): "no"}),
        (["--model", "home", "--jurisdiction", "IN"], 3, None),
        (
            ["--model", "eu.anthropic.claude-x"],
            3,
            {("frankfurt", "eu-central-1"): "yes", ("frankfurt", "unknown"): "could not tell"},
        ),
    ],
)
def test_what_it_shows(
    policy: Path, options: list[str], status: int, expected: dict[tuple[str, str], str] | None
) -> None:
    code, found = asked(policy, *options)
    assert code == status
    if expected:
        assert verdicts(found) == expected


def test_it_knows_what_aws_told_the_gateway(policy: Path) -> None:
    home = policy.parent / "home"
    home.mkdir()
    (home / "inference-profiles.json").write_text(json.dumps(SNAPSHOT))
    code, found = asked(policy, "--model", "eu.anthropic.claude-x", "--date", "2026-11-21")
    assert code == 0
    assert {row["destination"] for row in found["rows"]} == {"eu-central-1", "eu-west-1", "eu-west-2"}
    assert {row["known_by"] for row in found["rows"]} == {"GetInferenceProfile, 2026-11-21"}


def test_an_answer_that_is_too_old_counts_as_none_today(policy: Path) -> None:
    home = policy.parent / "home"
    home.mkdir()
    now_ns = time.time_ns()
    for age_ns, status in ((0, 0), (2 * 86_400 * 10**9, 3)):
        answer = {**SNAPSHOT["answers"][0], "read_at_ns": now_ns - age_ns}
        (home / "inference-profiles.json").write_text(json.dumps({"answers": [answer]}))
        code, found = asked(policy, "--model", "eu.anthropic.claude-x")
        assert code == status
    assert "is older than `destinations.max_age`" in found["rows"][-1]["because"]


def test_a_pattern_is_judged_by_what_is_known_and_open_otherwise(policy: Path) -> None:
    policy.write_text(POLICY.replace('id: "eu.anthropic.claude-x"', 'id: "eu.*"'))
    code, found = asked(policy)
    assert code == 3
    rows = {row["destination"]: row["verdict"] for row in found["rows"] if row["model"] == "eu.*"}
    assert rows == {"eu-central-1": "yes", "unknown": "could not tell"}
    told = keepstone("policy", "residency", policy).stderr
    assert "could not be judged everywhere: eu.*" in told


def test_it_warns_of_what_ends_within_ninety_days(policy: Path) -> None:
    assert asked(policy, "--date", "2026-10-16")[1]["ending"] == []
    _, found = asked(policy, "--date", "2026-10-17")
    assert [(each["what"], each["ends"]) for each in found["ending"]] == [
        ("transfer `certified`", "2027-01-15")
    ]
    _, found = asked(policy, "--date", "2031-12-01", "--model", "near")
    assert found["ending"][0]["ends"] == "2031-12-27"
    table = keepstone("policy", "residency", policy, "--date", "2026-11-21")
    assert "warning: transfer `certified` ends on 2027-01-15" in table.stderr
    assert "GDPR Art. 45(3), Decision (EU) 2023/1795" in table.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--date", "tomorrow"], "expected a day"), (["--model", "unheard"], "no entry of `models`")],
)
def test_it_says_what_it_cannot_use(policy: Path, options: list[str], said: str) -> None:
    result = keepstone("policy", "residency", policy, *options)
    assert (result.returncode, said in result.stderr) == (2, True)


def test_without_the_section_it_says_so(policy: Path) -> None:
    policy.write_text(POLICY.partition("residency:")[0])
    result = keepstone("policy", "residency", policy)
    assert result.returncode == 2
    assert "has no `residency`" in result.stderr
