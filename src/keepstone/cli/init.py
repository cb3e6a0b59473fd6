"""`keepstone init`: a few questions, and a first policy with proportionate defaults."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from keepstone.cli.output import talk
from keepstone.cli.policy_test import DEFAULT_FILE
from keepstone.core.errors import UsageError
from keepstone.core.exchange import DataClass
from keepstone.core.settings import from_environment
from keepstone.policy.load import load_texts
from keepstone.policy.schema_json import schema_text
from keepstone.policy.template import Answers, UpstreamKind, UseCase, render
from keepstone.policy.template_cases import render_cases

_DEFAULT = Answers()
_SCHEMA_FILE = "keepstone.schema.json"
_ELSEWHERE = "name a file in a folder that exists and that you may write"


@click.command(
    epilog="Example: keepstone init --yes --use-case support --data-class Confidential --jurisdictions EU,DE"
)
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--organisation", default=None, help="Name of your organisation.")
@click.option("--use-case", type=click.Choice([each.value for each in UseCase]), default=None)
@click.option(
    "--data-class",
    type=click.Choice([each.label for each in DataClass], case_sensitive=False),
    default=None,
    help="The most sensitive data that calls will carry.",
)
@click.option("--jurisdictions", default=None, help="Such as EU,DE,US-CA; empty for none.")
@click.option(
    "--scope", type=click.IntRange(1, 5), default=None, help="Scope in the Security Scoping Matrix."
)
@click.option("--upstream", type=click.Choice([each.value for each in UpstreamKind]), default=None)
@click.option("--region", default=None, help="AWS region, for --upstream bedrock.")
@click.option("--url", default=None, help="Base URL up to /v1, for --upstream openai.")
@click.option("--schema", is_flag=True, help=f"Also write {_SCHEMA_FILE} and point editors at it.")
@click.option("--yes", is_flag=True, help="Ask nothing; take defaults for what is not given.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(file: Path | None, schema: bool, yes: bool, force: bool, **given: str | int | None) -> None:
    """Write a first policy to FILE, by default keepstone.yaml, from a few answers, and a table of cases."""
    target = file or from_environment().policy
    if target.exists() and not force:
        raise UsageError(f"`{target}` exists", hint="--force overwrites it")
    answers = _answers(given, ask=not yes, schema=f"./{_SCHEMA_FILE}" if schema else "")
    text = render(answers)
    _, warnings = load_texts([(str(target), text.encode("utf-8", "replace"))])
    if schema:
        _write(target.with_name(_SCHEMA_FILE), schema_text())
    _write(target, text)
    cases = target.with_name(DEFAULT_FILE.name)
    if not cases.exists():
        _write(cases, render_cases(answers))
    click.echo(str(target))
    for warning in warnings:
        talk(f"warning: {warning.message}")
    talk(f"`{cases.name}` holds cases for `keepstone policy test`")
    talk("next: `keepstone policy explain` says what it means, `keepstone up` starts the gateway")


def _answers(given: dict[str, str | int | None], *, ask: bool, schema: str) -> Answers:
    """Return the options' values, asking for the missing ones or taking defaults."""
    organisation = _value(given["organisation"], "Organisation", _DEFAULT.organisation, ask=ask)
    use_case = _value(given["use_case"], "Use case", _DEFAULT.use_case, ask=ask, choices=list(UseCase))
    labels = [each.label for each in DataClass]
    label = _value(
        given["data_class"], "Most sensitive data", _DEFAULT.data_class.label, ask=ask, choices=labels
    )
    jurisdictions = _value(given["jurisdictions"], "Jurisdictions, such as EU,DE,US-CA", "", ask=ask)
    scopes = ["1", "2", "3", "4", "5"]
    scope = _value(given["scope"], "Scoping Matrix scope", str(_DEFAULT.scope), ask=ask, choices=scopes)
    kinds = list(UpstreamKind)
    upstream = UpstreamKind(
        _value(given["upstream"], "Where calls go", _DEFAULT.upstream, ask=ask, choices=kinds)
    )
    wants_region = ask and upstream is UpstreamKind.BEDROCK
    wants_url = ask and upstream is UpstreamKind.OPENAI
    return Answers(
        organisation=organisation,
        use_case=UseCase(use_case),
        data_class=DataClass.parse(label),
        jurisdictions=_codes(jurisdictions),
        scope=int(scope),
        upstream=upstream,
        region=_value(given["region"], "AWS region", _DEFAULT.region, ask=wants_region),
        url=_value(given["url"], "Base URL", _DEFAULT.url, ask=wants_url),
        schema=schema,
    )


def _value(
    given: str | int | None, question: str, default: str, *, ask: bool, choices: Sequence[str] = ()
) -> str:
    if given is not None:
        return str(given)
    if not ask:
        return default
    kind = click.Choice([str(each) for each in choices], case_sensitive=False) if choices else str
    return str(click.prompt(question, default=default, type=kind, show_default=bool(default), err=True))


def _codes(text: str) -> tuple[str, ...]:
    codes = [each.strip().upper() for each in text.replace(" ", ",").split(",")]
    return tuple(dict.fromkeys("GB" if each == "UK" else each for each in codes if each))


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, so that a reader never sees half a policy."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be written: {(error.strerror or 'failed').lower()}", hint=_ELSEWHERE
        ) from error
