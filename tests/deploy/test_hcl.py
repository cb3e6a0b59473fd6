"""The module's code by rules of tflint's Terraform ruleset, and the reasons that stand in it for checkov."""

import re
from pathlib import Path

import pytest
from docs.module_findings import DEPLOYED, findings_page, skips
from tests.deploy.hcl import Module, read
from tests.deploy.hcl_rules import RULES

MODULE = DEPLOYED / "module"
FOLDERS = sorted({path.parent for path in MODULE.rglob("*.tf")})
SOUND = """\
terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

locals {
  name = "x-${var.name}"
}

data "aws_region" "this" {}

resource "aws_s3_bucket" "logs" {
  bucket = "${local.name}-${data.aws_region.this.id}" # not "${var.name}"
}
"""
VARIABLES = """\
variable "name" {
  description = "A name."
  type        = string

  validation {
    condition     = var.name != ""
    error_message = "Empty."
  }
}
"""
BROKEN = {
    "comment_syntax": "// why\n",
    "deprecated_index": "locals {\n  a = [local.name.0]\n  b = local.a\n}\n",
    "deprecated_interpolation": 'locals {\n  a = "${local.name}"\n  b = local.a\n}\n',
    "deprecated_lookup": "locals {\n  a = lookup(local.b, local.name)\n  b = local.a\n}\n",
    "documented_outputs": 'output "a" {\n  value = 1\n}\n',
    "documented_variables": 'variable "a" {\n  type = string\n}\n',
    "empty_list_equality": "locals {\n  a = local.name == []\n  b = local.a\n}\n",
    "module_pinned_source": 'module "a" {\n  source = "git::https://example.com/a"\n}\n',
    "naming_convention": 'resource "aws_s3_bucket" "someLogs" {\n}\n',
    "required_providers": 'resource "random_id" "a" {}\n',
    "required_version": "",
    "standard_module_structure": 'variable "a" {\n  type = string\n}\n',
    "typed_variables": 'variable "a" {\n  description = "A."\n}\n',
    "unused_declarations": 'variable "a" {\n  validation {\n    condition = var.a != ""\n  }\n}\n',
    "unused_required_providers": "",
    "workspace_remote": "locals {\n  a = terraform.workspace\n  b = local.a\n}\n",
}


def module(more: str = "", versions: str = SOUND) -> Module:
    return Module({"main.tf": versions, "variables.tf": VARIABLES, "more.tf": more})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_module_keeps_the_rule(folder: Path, rule) -> None:
    assert list(rule(Module.of(folder))) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_rule_finds_what_breaks_it(rule) -> None:
    bad = {
        "required_version": module(versions=SOUND.replace("required_version", "# ")),
        "unused_required_providers": Module({"main.tf": SOUND.partition("locals")[0]}),
    }
    assert list(rule(module())) == []
    assert list(rule(bad.get(rule.__name__) or module(BROKEN[rule.__name__])))


def test_strings_comments_and_templates_are_told_apart() -> None:
    found = read('a = "x # ${upper("y // ${var.z}")} $${no} \\"q" # "c"\nb = 1 / 2 /* d */\n')
    assert found.comments == ['# "c"', "/* d */"]
    assert "upper" in found.code
    assert "var.z" in found.code
    assert not {"no", "q", "#"} & set(re.findall(r"\w+|#", found.code))


def test_every_reason_stands_in_the_table_and_nothing_else() -> None:
    """`make check` says if the page is stale, this says if a comment is not read."""
    written = sum(text.count("checkov:skip") for text in texts())
    assert written == len(skips())
    assert len({(each.rule, each.resource, each.file) for each in skips()}) == written
    left = findings_page().split("## Left as it is")[1].split("## tflint")[0]
    rows = [line for line in left.splitlines() if line.startswith("| CKV")]
    assert len(rows) == written
    assert all(any(f"| {each.rule} |" in row and each.why in row for row in rows) for each in skips())


def test_every_reason_says_something() -> None:
    for each in skips():
        assert re.fullmatch(r"CKV2?_[A-Z0-9]+_\d+", each.rule), each
        assert len(each.why.split()) > 3, each
        assert not each.file.startswith("module/") or each.resource, each


def texts() -> list[str]:
    return [path.read_text() for path in DEPLOYED.rglob("*") if path.is_file() and path.suffix != ".pyc"]
