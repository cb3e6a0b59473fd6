"""`keepstone policy replay`: the recorded calls against a changed policy."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keepstone.cli.output import emit, format_option, talk
from keepstone.core.errors import LedgerError, UsageError
from keepstone.core.settings import from_environment
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.duration import parse_duration
from keepstone.policy.load import load

if TYPE_CHECKING:
    from keepstone.gateway.replay import Replayed
    from keepstone.ledger.record import ExchangeRecord

_MOST_GROUPS = 10_000


@click.command(epilog="Example: keepstone policy replay --policy keepstone.new.yaml --since 7d --format json")
@click.option("--policy", "new", required=True, type=click.Path(path_type=Path), help="The changed document.")
@click.option(
    "--ledger", "directory", default=None, type=click.Path(path_type=Path), help="The ledger's folder."
)
@click.option("--since", default=None, help="Only later records: `7d` ago, or a time such as 2026-01-31.")
@click.option(
    "--recorded-under",
    "then",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A document of then, besides keepstone.yaml; repeatable.",
)
@click.option("--env", "environment", default=None, help="Lay the overlay of this name over each document.")
@format_option
@click.pass_context
def replay(
    ctx: click.Context,
    *,
    new: Path,
    directory: Path | None,
    since: str | None,
    then: tuple[Path, ...],
    environment: str | None,
    output_format: str,
) -> None:
    """Decide recorded calls anew and say which would be admitted, refused or sent elsewhere.

    Records hold no text: where the guardrails or the rules on residency differ from those of then, or the
    document of then is not at hand, the answer is that it cannot be told. Exits 1 when a call would change,
    3 when none would but some cannot be told.
    """
    from keepstone.gateway.replay import Replay

    settings = from_environment()
    env = settings.environment if environment is None else environment
    changed = compile_policy(load(new, env))
    known = _known((settings.policy, *then), env, given=then) | {changed.hash: changed}
    found = Replay(changed, known).feed(_records(directory or settings.ledger, _since(since)))
    _tell(found, output_format)
    ctx.exit(1 if found.changed else 3 if found.unknown or not found.calls else 0)


def _known(
    paths: tuple[Path, ...], environment: str, *, given: tuple[Path, ...]
) -> dict[str, CompiledPolicy]:
    """Return the documents of then by hash; only one that was named has to exist."""
    policies = [compile_policy(load(path, environment)) for path in paths if path in given or path.exists()]
    return {each.hash: each for each in policies}


def _records(directory: Path, since: str) -> "Iterator[ExchangeRecord]":
    """Yield the records, the oldest first; what is none of ours is told and left out."""
    from keepstone.ledger.record import decode
    from keepstone.ledger.view import folders
    from keepstone.ledger.whole import WholeReader

    def decoded() -> "Iterator[ExchangeRecord]":
        for index, data in WholeReader(directory).entries():
            try:
                record = decode(data)
            except LedgerError as error:
                talk(f"note: record {index}: {error.message}")
                continue
            if record.time >= since:
                yield record

    if len(folders(directory)) > 1:  # several workers wrote at once
        yield from sorted(decoded(), key=lambda each: each.time)
    else:
        yield from decoded()


def _since(text: str | None) -> str:
    """Return a time as records write it, in UTC; empty for all."""
    if text is None:
        return ""
    try:
        moment = datetime.fromtimestamp((time.time_ns() - parse_duration(text)) / 1e9, UTC)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            hint = "such as `7d`, or `2026-01-31T08:00:00+01:00`"
            raise UsageError(f"--since: `{text[:48]}` is neither a duration nor a time", hint=hint) from error
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _tell(found: "Replayed", output_format: str) -> None:
    groups = sorted(found.changed.items(), key=lambda each: -int(each[1][0]))[:_MOST_GROUPS]
    rows = [
        {
            "calls": count,
            "effect": effect.effect,
            "roles": effect.roles,
            "model": effect.model,
            "operation": effect.operation,
            "data_class": effect.data_class,
            "was": effect.was,
            "becomes": effect.becomes,
            "example": identity,
        }
        for effect, (count, identity) in groups
    ]
    untold = [{"calls": count, "because": because} for because, count in sorted(found.untold.items())]
    if output_format == "json":
        counts = {"calls": found.calls, "unchanged": found.unchanged, "changed": found.changes}
        emit(
            {**counts, "could_not_tell": found.unknown, "skipped": found.skipped}
            | {"changes": rows, "untold": untold},
            "json",
        )
        return
    emit(rows)
    for row in untold:
        talk(f"could not tell: {_calls(found.untold[str(row['because'])])}: {row['because']}")
    click.echo(
        f"{_calls(found.calls)}: {found.unchanged} unchanged, {found.changes} changed, "
        f"{found.unknown} could not be told; {found.skipped} never reached the policy"
    )
    if not found.calls:
        talk("there was nothing to replay")


def _calls(count: int) -> str:
    return f"{count} call{'s' * (count != 1)}"
