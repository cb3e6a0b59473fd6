"""`keepstone policy`: check the document, explain it or one decision, test it, print its JSON schema."""

from pathlib import Path

import click

from keepstone.cli.output import emit, format_option, safe, talk
from keepstone.cli.policy_diff import diff
from keepstone.cli.policy_replay import replay
from keepstone.cli.policy_test import test
from keepstone.cli.residency import residency
from keepstone.core.errors import UsageError
from keepstone.core.exchange import Operation
from keepstone.core.principal import Principal
from keepstone.core.settings import from_environment
from keepstone.policy.compile import compile_policy
from keepstone.policy.explain.decision import explain_decision
from keepstone.policy.explain.document import explain_document
from keepstone.policy.load import LoadedPolicy, load
from keepstone.policy.problems import InvalidPolicyError, Problem
from keepstone.policy.rules import CallFacts
from keepstone.policy.schema_json import schema_text

_COLUMNS = ("position", "severity", "path", "message", "hint")


@click.group()
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
        digest, problems = loaded.hash, loaded.warnings
    except InvalidPolicyError as error:
        problems = error.problems
    refused = not digest or (strict and bool(problems))
    rows = [_row(each) for each in problems]
    if output_format == "json":
        emit({"valid": bool(digest), "passed": not refused, "hash": digest, "problems": rows}, "json")
    else:
        emit(rows, columns=_COLUMNS)
        if digest:
            click.echo(f"valid: {digest}")
        _tell_excerpts(problems)
    ctx.exit(2 if refused else 0)


@policy.command(
    epilog="Example: keepstone policy explain --role analyst --model anthropic.claude-x --data-class Internal"
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--env", "environment", default=None, help="Lay keepstone.<env>.yaml over the file.")
@click.option("--role", "roles", multiple=True, help="Decide a call by a holder of this role; repeatable.")
@click.option("--model", default="", help="The model id of the call.")
@click.option(
    "--operation",
    type=click.Choice([each.value for each in Operation]),
    default=Operation.CONVERSE.value,
    show_default=True,
)
@click.option("--data-class", "label", default=None, help="The class that the call states.")
@format_option
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    file: Path | None,
    environment: str | None,
    roles: tuple[str, ...],
    model: str,
    operation: str,
    label: str | None,
    output_format: str,
) -> None:
    """Say in plain language what FILE means, or, with --role, how one call is decided and why.

    Exits 1 when the call is refused.
    """
    if not roles and (model or label is not None):
        raise UsageError("a call is explained for a caller", hint="add --role, once for each role it holds")
    loaded = _load(file, environment)
    if not roles:
        _explain_document(loaded, output_format)
        return
    compiled = compile_policy(loaded)
    principal = Principal(id="explained", kind="question", roles=roles)
    try:
        data_class = compiled.effective_class(principal, label)
    except ValueError as error:
        raise UsageError(f"--data-class: {error}") from error
    _explain_call(ctx, loaded, CallFacts(principal, Operation(operation), model, data_class), output_format)


@policy.command(epilog="Example: keepstone policy schema > keepstone.schema.json")
def schema() -> None:
    """Print the JSON Schema of the document, for editors."""
    click.echo(schema_text(), nl=False)


policy.add_command(test)
policy.add_command(diff)
policy.add_command(replay)
policy.add_command(residency)


def _load(file: Path | None, environment: str | None) -> LoadedPolicy:
    settings = from_environment()
    return load(file or settings.policy, settings.environment if environment is None else environment)


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


def _tell_excerpts(problems: tuple[Problem, ...]) -> None:
    """Show the lines the problems stand on; what is wrong with them says the table."""
    for problem in problems:
        if problem.excerpt:
            talk(f"\n{problem.position}\n{problem.excerpt}")


def _explain_document(loaded: LoadedPolicy, output_format: str) -> None:
    sections = explain_document(loaded.document)
    if output_format == "json":
        emit({"hash": loaded.hash, "sections": sections}, "json")
        return
    for section in sections:
        click.echo(safe(section.title))
        for sentence in section.sentences:
            click.echo(f"  {safe(sentence)}")
        click.echo()
    click.echo(loaded.hash)


def _explain_call(ctx: click.Context, loaded: LoadedPolicy, facts: CallFacts, output_format: str) -> None:
    decision, considered = explain_decision(compile_policy(loaded), facts)
    if output_format == "json":
        emit(
            {
                "outcome": decision.outcome,
                "data_class": facts.data_class.label,
                "reasons": decision.reasons,
                "considered": considered,
            },
            "json",
        )
    else:
        click.echo(f"{decision.outcome}: {safe(decision.reason.message)}")
        emit(decision.reasons, columns=("code", "path", "message"))
        click.echo()
        emit(considered)
    ctx.exit(0 if decision.allowed else 1)
