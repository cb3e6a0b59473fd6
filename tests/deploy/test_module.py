"""The module as Terraform itself reads it: its own tests, and the source's examples word for word."""

import re
import shutil
from pathlib import Path

import pytest
from tests.services.terraform import Terraform, needs_terraform

HERE = Path(__file__).parent
MODULE = Path(__file__).parents[2] / "src" / "keepstone" / "deploy" / "module"
SOURCE = "modules/solution-aws-bedrock-mgmt-runtime"

pytestmark = needs_terraform


def prepared(folder: Path, home: Path, test: str) -> Terraform:
    """Return a folder that is initialised: one of our test files and the mocks beside what it is about."""
    shutil.copytree(HERE / "tftest" / "mocks", folder / "tests" / "mocks")
    shutil.copy(HERE / "tftest" / f"{test}.tftest.hcl", folder / "tests")
    terraform = Terraform(folder, home)
    done = terraform.run("init", "-input=false", "-backend=false")
    assert done.code == 0, done.output
    return terraform


def passed(output: str) -> int:
    found = re.search(r"Success! (\d+) passed, 0 failed\.", output)
    return int(found[1]) if found else 0


@pytest.mark.parametrize(("test", "runs"), [("plan", 5), ("input", 55)])
def test_the_module_plans_as_it_says(tmp_path, test, runs) -> None:
    folder = tmp_path / "module"
    shutil.copytree(MODULE, folder)
    terraform = prepared(folder, tmp_path, test)
    done = terraform.run("test")
    assert passed(done.output) == runs, done.output
    assert terraform.run("validate").code == 0


NOTICES = {
    "quick_start": {
        "cidrs_are_as_written",
        "knowledge_base_latency_has_a_source",
        "segments_are_apart",
        "subnets_look_like_aws",
    },
    "advanced": {
        "knowledge_base_latency_has_a_source",
        "log_prefix_has_no_slash_at_an_end",
        "prompt_attacks_have_no_output",
        "subnets_look_like_aws",
    },
}
"""What each example is told at every plan, as a warning; `terraform test` calls it an error."""


@pytest.mark.parametrize("example", NOTICES)
def test_the_sources_example_plans_word_for_word(tmp_path, example) -> None:
    folder = tmp_path / "root"
    shutil.copytree(MODULE, folder / SOURCE)
    shutil.copy(HERE / "examples" / f"{example}.tf", folder / "main.tf")
    shutil.copy(
        MODULE / "versions.tf", folder
    )  # a root says which providers it has; the source leaves that out
    done = prepared(folder, tmp_path, "example").run("test")
    errors = re.findall(r"^Error: (.+)$", done.output, re.MULTILINE)
    assert set(errors) == {"Check block assertion failed"}, done.output
    assert set(re.findall(r'in check "(\w+)":$', done.output, re.MULTILINE)) == NOTICES[example]


def test_the_code_is_formatted(tmp_path) -> None:
    for folder in (MODULE, HERE / "tftest"):
        done = Terraform(folder, tmp_path).run("fmt", "-check", "-recursive")
        assert done.code == 0, done.output
