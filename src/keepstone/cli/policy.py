"""`keepstone policy`: check the document and print its JSON schema; each other command has its own file."""

from collections import Counter
from pathlib import Path

import click

from keepstone.cli.output import described, emit, format_option, talk
from keepstone.cli.policy_diff import diff
from keepstone.cli.policy_explain import explain
from keepstone.cli.policy_replay import replay
from keepstone.cli.policy_test import test
from keepstone.cli.residency import residency
from keepstone.core.settings import from_environment
from keepstone.policy.load import LoadedPolicy, load, located
from keepstone.policy.problems import InvalidPolicyError, Problem
from keepstone.policy.schema_json import schema_text


@click.group(
    epilog="""\b
Examples:
  keepstone policy check keepstone.yaml --env prod --strict
  keepstone policy explain --role analyst --model keepstone.dev
  keepstone policy test"""
)
def policy() -> None:
    """Check, explain and describe the policy document."""


@policy.command(epilog="Example: keepstone policy check keepstone.yaml --env prod --strict")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--env", "environment", default=None, help="Lay keepstone.<env>.yaml over the file.")
@click.option("--strict", is_flag=True, help="Let warnings fail the check.")
@format_option
@click.pass_context
def check(
    ctx: click.Context, *, file: Path | None, environment: str | None, strict: bool, output_format: str
) -> None:
    """Tell everything that is wrong with FILE, by default keepstone.yaml; exit 2 when it is refused."""
    digest = ""
    problems: tuple[Problem, ...] = ()
    try:
        loaded = _load(file, environment)
        _refuse_deployment(loaded)
        digest, problems = loaded.hash, loaded.warnings
    except InvalidPolicyError as error:
        problems = error.problems
    refused = not digest or (strict and bool(problems))
    if output_format == "json":
        rows = [_row(each) for each in problems]
        emit({"valid": bool(digest), "passed": not refused, "hash": digest, "problems": rows}, "json")
    else:
        _tell(problems, digest)
    ctx.exit(2 if refused else 0)


@policy.command(epilog="Example: keepstone policy schema > keepstone.schema.json")
def schema() -> None:
    """Print the JSON Schema of the document, for editors."""
    click.echo(schema_text(), nl=False)


policy.add_command(explain)
policy.add_command(test)
policy.add_command(diff)
policy.add_command(replay)
policy.add_command(residency)


def _load(file: Path | None, environment: str | None) -> LoadedPolicy:
    settings = from_environment()
    return load(file or settings.policy, settings.environment if environment is None else environment)


def _refuse_deployment(loaded: LoadedPolicy) -> None:
    """Raise `InvalidPolicyError` for a `deployment` that `keepstone deploy init` would refuse."""
    if loaded.document.deployment is None:
        return
    from keepstone.deploy.explained import faults_of

    if errors := located(loaded.files, faults_of(loaded.document)):
        raise InvalidPolicyError([*errors, *loaded.warnings])


def _row(problem: Problem) -> dict[str, object]:
    return {
        "position": problem.position,
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "severity": problem.severity.value,
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint,
    }


def _tell(problems: tuple[Problem, ...], digest: str) -> None:
    for problem in problems:
        click.echo(f"{described(problem)}\n")
    if problems:
        kinds = Counter(each.severity.value for each in problems)
        talk(", ".join(f"{number} {kind}{'s' * (number > 1)}" for kind, number in sorted(kinds.items())))
    if digest:
        click.echo(f"valid: {digest}")
