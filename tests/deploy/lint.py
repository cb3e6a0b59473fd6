"""checkov over all that we deploy: `make lint-module`. What it finds is mended, or says in the code why not.

It looks at the module with the gateway's, at the Dockerfile, at the chart as Helm renders it, and at what
the real provider plans for both examples. In a plan, and in what is rendered, no comments are left;
there, what it finds has to be a row of the table that the comments make: docs/module-findings.md.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from docs.module_findings import DEPLOYED, skips
from tests.deploy.roots import SOURCE
from tests.deploy.test_chart import CHART, MESH, SCALED, VALUES, helm
from tests.services.terraform import Terraform, needs_terraform
from tests.simulators.aws.server import aws_server

ROOT = Path(__file__).parents[2]
MODULE = DEPLOYED / "module"
EXAMPLES = Path(__file__).parent / "examples"
_INSTANCE = re.compile(r"\[[^\]]*\]$")


class Found(NamedTuple):
    """One finding: the rule, and the resource without its instance, or the file."""

    rule: str
    where: str


class Scan(NamedTuple):
    """What one run of checkov said."""

    passed: int
    failed: frozenset[Found]


def scanned(folder: Path, *frameworks: str) -> Scan:
    """Run checkov over a folder; it reaches for nothing outside."""
    done = subprocess.run(
        [
            ROOT / ".venv-lint" / "bin" / "checkov",
            *("--directory", folder, "--framework", *frameworks),
            *("--output", "json", "--quiet", "--compact", "--skip-download"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=folder,
    )
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    reports = told if isinstance(told, list) else [told]
    assert {each["check_type"] for each in reports} == set(frameworks), done.stderr
    assert not any(each["summary"]["parsing_errors"] for each in reports), done.stdout
    return Scan(sum(each["summary"]["passed"] for each in reports), frozenset(_found(reports)))


def _found(reports: Iterable[dict]) -> Iterator[Found]:
    for report in reports:
        for each in report["results"]["failed_checks"]:
            yield Found(each["check_id"], _where(report["check_type"], each))


def _where(kind: str, row: dict) -> str:
    if kind == "dockerfile":
        return "image" + row["file_path"]
    if kind == "kubernetes":
        return "chart/templates" + row["file_path"]
    return ".".join(_INSTANCE.sub("", row["resource"]).split(".")[-2:])


def bare(folder: Path, into: Path) -> Path:
    """Return a copy of a folder without the comments: what is found there, they have to explain."""
    shutil.copytree(folder, into)
    for path in into.rglob("*"):
        if path.is_file():
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(each for each in lines if "checkov:skip" not in each))
    return into


def explained(*parts: str) -> set[Found]:
    """Return what the comments in some parts of what is deployed leave, as a scan would name it."""
    return {Found(each.rule, each.resource or each.file) for each in skips() if each.file.startswith(parts)}


@pytest.fixture(scope="module")
def code() -> Scan:
    return scanned(MODULE, "terraform")


@pytest.fixture(scope="module")
def plans(tmp_path_factory) -> Scan:
    """The plans of both examples of the source, by the real provider on the test AWS."""
    folder = tmp_path_factory.mktemp("plans")
    (folder / "json").mkdir()
    with aws_server() as aws:
        for name in ("quick_start", "advanced"):
            root = folder / name
            shutil.copytree(MODULE, root / SOURCE)
            shutil.copy(MODULE / "versions.tf", root)
            shutil.copy(EXAMPLES / f"{name}.tf", root / "main.tf")
            terraform = Terraform(root, folder / "home")
            terraform.environment |= aws.environment
            done = terraform.run("init", "-input=false")
            assert done.code == 0, done.output
            (folder / "json" / f"{name}.json").write_text(json.dumps(terraform.plan()))
    return scanned(folder / "json", "terraform_plan")


def test_all_that_is_found_in_the_module_says_why(code) -> None:
    assert code.passed > 300
    assert code.failed == set()


@needs_terraform
def test_all_that_is_found_in_plans_says_why(plans) -> None:
    assert plans.passed > 300
    assert plans.failed - explained("module/") == set()


@needs_terraform
def test_no_reason_stands_in_the_module_that_nothing_needs(plans, tmp_path) -> None:
    found = scanned(bare(MODULE, tmp_path / "module"), "terraform").failed
    assert explained("module/") - found - plans.failed == set()


def test_all_that_is_found_in_the_image_says_why(tmp_path) -> None:
    scan = scanned(DEPLOYED / "image", "dockerfile")
    assert scan.passed > 50
    assert scan.failed == set()
    found = scanned(bare(DEPLOYED / "image", tmp_path / "image"), "dockerfile").failed
    assert found == explained("image/")


def test_all_that_is_found_in_the_chart_says_why(tmp_path) -> None:
    chart = helm.Chart.load(CHART)
    passed, failed = 0, set()
    for n, values in enumerate((VALUES, SCALED, MESH)):
        folder = tmp_path / str(n)
        folder.mkdir()
        for path, text in chart.render(values, name="gw", namespace="ai").items():
            if not path.endswith(".txt") and text.strip():
                (folder / Path(path).name).write_text(text)
        scan = scanned(folder, "kubernetes")
        passed, failed = passed + scan.passed, failed | scan.failed
    assert passed > 200
    assert failed == explained("chart/")
