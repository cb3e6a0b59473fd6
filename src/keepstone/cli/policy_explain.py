"""`keepstone policy explain`: the document in plain language, or how one call is decided and why."""

import shutil
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

import click

from keepstone.cli.output import emit, format_option, safe, talk
from keepstone.core.errors import UsageError
from keepstone.core.exchange import WITHOUT_MODEL, Operation
from keepstone.core.principal import Principal
from keepstone.core.settings import from_environment
from keepstone.policy.cases import instant
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.explain.decision import explain_decision
from keepstone.policy.explain.document import explain_document
from keepstone.policy.load import LoadedPolicy, load
from keepstone.policy.rules import CallFacts, Place

_NOT_ASKED = (
    "not asked here: guardrails, residency, step-up and limits; `keepstone policy test` asks all but limits"
)


@click.command(
    epilog="Example: keepstone policy explain --role desk --model anthropic.claude-x --purpose support"
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--env", "environment", default=None, help="Lay keepstone.<env>.yaml over the file.")
@click.option("--role", "roles", multiple=True, help="Decide a call by a holder of this role; repeatable.")
@click.option("--model", default="", help="The model id of the call.")
@click.option(
    "--operation",
    metavar="NAME",
    help="The operation that is called.",
    type=click.Choice([each.value for each in Operation]),
    default=Operation.CONVERSE.value,
    show_default=True,
)
@click.option("--data-class", "label", default=None, help="The class that the call states.")
@click.option("--purpose", default="", help="The purpose that the call states.")
@click.option(
    "--time", "moment", default="", help="When it comes: `2026-01-07T22:30:00+01:00`; now by default."
)
@click.option("--region", default="", help="May it go to an upstream in this region?")
@format_option
@click.pass_context
def explain(
    ctx: click.Context,
    /,
    *,
    file: Path | None,
    environment: str | None,
    roles: tuple[str, ...],
    output_format: str,
    **call: str | None,
) -> None:
    """Say in plain language what FILE means, or, with --role, how one call is decided and why.

    Exits 1 when the call is refused.
    """
    asked = [name for name, value in call.items() if value and name != "operation"]
    if not roles and asked:
        raise UsageError("a call is explained for a caller", hint="add --role, once for each role it holds")
    settings = from_environment()
    loaded = load(file or settings.policy, settings.environment if environment is None else environment)
    if not roles:
        _explain_document(loaded, output_format)
        return
    compiled = compile_policy(loaded)
    _explain_call(ctx, compiled, _facts(compiled, roles, call), call["region"] or "", output_format)


def _facts(policy: CompiledPolicy, roles: tuple[str, ...], call: Mapping[str, str | None]) -> CallFacts:
    principal = Principal(id="explained", kind="question", roles=roles)
    try:
        data_class = policy.effective_class(principal, call["label"])
    except ValueError as error:
        raise UsageError(f"--data-class: {error}") from error
    operation, model = Operation(call["operation"] or Operation.CONVERSE), call["model"] or ""
    if bool(model) == (operation in WITHOUT_MODEL):
        message = f"a call by {operation} names {'no' if model else 'a'} model"
        raise UsageError(message, hint="leave --model out" if model else "add --model, as a caller writes it")
    return CallFacts(
        principal,
        operation,
        model,
        data_class,
        call["purpose"] or "",
        _instant(call["moment"]),
    )


def _instant(stated: str | None) -> int:
    """Return a moment in nanoseconds, now for none; rules about times look at it."""
    if not stated:
        return time.time_ns()
    try:
        return instant(stated)
    except ValueError as error:
        message = "--time: expected a moment with its offset from UTC"
        raise UsageError(message, hint="such as `2026-01-07T22:30:00+01:00`") from error


def _explain_document(loaded: LoadedPolicy, output_format: str) -> None:
    sections = explain_document(loaded.document)
    if output_format == "json":
        emit({"hash": loaded.hash, "sections": sections}, "json")
        return
    for section in sections:
        click.echo(safe(section.title))
        for sentence in section.sentences:
            click.echo(_indented(safe(sentence)))
        click.echo()
    click.echo(loaded.hash)


def _indented(sentence: str) -> str:
    """Return a sentence below its heading; only a terminal breaks it, so that pipes see one a line."""
    if not sys.stdout.isatty():
        return f"  {sentence}"
    return textwrap.fill(
        sentence,
        shutil.get_terminal_size().columns,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _explain_call(
    ctx: click.Context, policy: CompiledPolicy, facts: CallFacts, region: str, output_format: str
) -> None:
    found = explain_decision(policy, facts, region)
    decision = found.decision
    if output_format == "json":
        emit(
            {
                "outcome": decision.outcome,
                "data_class": facts.data_class.label,
                "reasons": decision.reasons,
                "upstreams": [each.name for each in found.upstreams],
                "considered": found.considered,
            },
            "json",
        )
    else:
        click.echo(f"{decision.outcome}: {safe(decision.reason.message)}")
        if decision.allowed and found.upstreams:
            click.echo(f"it may go to: {', '.join(safe(_placed(each)) for each in found.upstreams)}")
        click.echo()
        emit(decision.reasons, columns=("code", "path", "message"))
        if found.considered:
            click.echo()
        emit(found.considered)
        talk(_NOT_ASKED)
    ctx.exit(0 if decision.allowed else 1)


def _placed(place: Place) -> str:
    return f"{place.name} ({place.region})" if place.region else place.name
