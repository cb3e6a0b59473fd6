"""`keepstone policy diff`: what two documents decide and set differently."""

import time
from pathlib import Path

import click

from keepstone.cli.output import emit, format_option, safe, talk
from keepstone.core.settings import from_environment
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.differences import PolicyDifference, compare
from keepstone.policy.load import load


@click.command(epilog="Example: keepstone policy diff keepstone.yaml keepstone.new.yaml")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--env", "environment", default=None, help="Lay the overlay of this name over both.")
@format_option
@click.pass_context
def diff(ctx: click.Context, *, old: Path, new: Path, environment: str | None, output_format: str) -> None:
    """Say what changes for whom when NEW takes the place of OLD.

    Every role, model, operation, class and purpose that one of them names is tried in both, and each moment
    at which a rule's time begins or ends. Exits 1 when they differ.
    """
    settings = from_environment()
    env = settings.environment if environment is None else environment
    found = compare(_read(old, env), _read(new, env), time.time_ns())
    if output_format == "json":
        emit({"different": not found.empty, "difference": found}, "json")
    else:
        _tell(found)
    ctx.exit(0 if found.empty else 1)


def _read(path: Path, environment: str) -> CompiledPolicy:
    return compile_policy(load(path, environment))


def _tell(found: PolicyDifference) -> None:
    for change in found.decisions:
        click.echo(safe(f"{change.effect}: {change.sentence}"))
    if found.decisions and found.settings:
        click.echo()
    emit(found.settings)
    if found.empty:
        click.echo("no difference")
    talk(f"{found.compared} calls compared")
    if found.cut:
        talk(f"not compared, since there are too many: {found.cut}")
