"""What checkov finds in what we deploy and we leave as it is: read from the comments that say why.

`# checkov:skip=RULE: why` stands in the block that it is about, where checkov looks for it. The page is
made of these comments; `make lint-module` fails for a finding that has none, and for a comment that
nothing needs.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

DEPLOYED = Path(__file__).parents[1] / "src" / "keepstone" / "deploy"
KINDS = ("*.tf", "*.yaml", "Dockerfile")

_SKIP = re.compile(r"checkov:skip=(\w+): (.+?)(?: \*/}})?$")
_BLOCK = re.compile(r'^(?:resource|data) "(\w+)" "(\w+)" \{$')

PAGE = """# Findings in the module

Tools that look for weaknesses in Terraform, images and charts find some in ours, too. What was one is
mended. What is left stands here with the reason, which is in the code as well, where checkov reads it.
`make lint-module` runs checkov over the module with the gateway's, over the plans of both examples, over
the Dockerfile, and over the chart as Helm renders it. It fails for a finding that is not in this table,
and for a row that nothing needs. checkov is no dependency of Keepstone: the command installs it into a
folder of its own.

## Mended

| rule | where | what changed |
| --- | --- | --- |
{mended}
## Left as it is

| rule | where | why |
| --- | --- | --- |
{left}
## tflint

tflint is not run: it comes as a binary, and by none of the package registries that the tests use. A test
of ours, `tests/deploy/test_hcl.py`, stands in for sixteen rules of its Terraform ruleset: unused
declarations, types and descriptions of variables, descriptions of outputs, required versions of Terraform
and of providers, providers that nothing uses, names, interpolation, indexes and lookups of old, comments,
sources of modules, workspaces, comparisons with an empty list, and files. It is no tflint: it reads the
code as `terraform fmt` leaves it. The rules of tflint's AWS ruleset have no stand-in but the provider's
own, in `terraform validate` and `terraform test`. Of `terraform_standard_module_structure` one thing is
not kept: variables stand in `variables_SUBJECT.tf`, because all in one file would be more than a thousand
lines.
"""
MENDED = (
    (
        "CKV_AWS_356",
        "`aws_iam_policy_document.access`",
        "the access role sees the models and profiles that it may invoke; only lists are of `*`",
    ),
    (
        "CKV_AWS_18",
        "`aws_s3_bucket.logs`",
        "CloudTrail records who reads objects of the bucket of logs, as these hold prompts",
    ),
)


class Skip(NamedTuple):
    """One finding that is left: the rule, the file, the resource (empty for a whole file), why."""

    rule: str
    file: str
    resource: str
    why: str


def skips() -> tuple[Skip, ...]:
    """Return every comment that tells checkov to leave something, sorted by file and place."""
    files = sorted(path for kind in KINDS for path in DEPLOYED.rglob(kind))
    return tuple(skip for path in files for skip in _skips(path))


def _skips(path: Path) -> Iterator[Skip]:
    resource = ""
    for line in path.read_text("utf-8").splitlines():
        block = _BLOCK.match(line)
        if block is not None or line == "}":
            resource = f"{block[1]}.{block[2]}" if block else ""
        found = _SKIP.search(line)
        if found is not None:
            yield Skip(found[1], path.relative_to(DEPLOYED).as_posix(), resource, found[2])


def findings_page() -> str:
    """Return the page of findings."""
    left = ((each.rule, _where(each), each.why) for each in sorted(skips()))
    return PAGE.format(mended=_rows(MENDED), left=_rows(left))


def _where(skip: Skip) -> str:
    return f"`{skip.resource}`, `{skip.file}`" if skip.resource else f"`{skip.file}`"


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
