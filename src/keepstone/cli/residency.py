"""`keepstone policy residency`: where the data of calls may go, destination by destination."""

import time
from datetime import UTC, date, datetime
from pathlib import Path

import click

from keepstone.cli.output import emit, format_option, talk
from keepstone.core.errors import UsageError
from keepstone.core.settings import from_environment
from keepstone.gateway.profiles import load_snapshot
from keepstone.policy.compile import CompiledPolicy, compile_policy
from keepstone.policy.load import load
from keepstone.policy.named_models import model_ids
from keepstone.policy.residency.addresses import shipped
from keepstone.policy.residency.asked import Atlas
from keepstone.policy.residency.report import Row, endings, report, sides
from keepstone.policy.residency.routing import Reach
from keepstone.policy.residency.rules import ResidencyRules
from keepstone.policy.residency.verdict import NO_CONSENT, Consent, ConsentState, Facts, Says
from keepstone.policy.rules import ModelRoute

_COLUMNS = (
    "model", "upstream", "destination", "country", "data_of", "verdict", "basis", "article", "valid_until",
)  # fmt: skip


@click.command(epilog="Example: keepstone policy residency --date 2031-12-28 --model amazon.nova-lite-v1:0")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--env", "environment", default=None, help="Lay keepstone.<env>.yaml over the file.")
@click.option(
    "--home", type=click.Path(path_type=Path), default=None, help="Where the gateway has its state."
)
@click.option("--date", "day", default=None, help="Judge this day, such as 2027-01-31; today by default.")
@click.option("--model", "model_id", default="", help="Only this model id, as a caller writes it.")
@click.option("--role", "roles", multiple=True, help="Whose calls: holders of this role; repeatable.")
@click.option("--jurisdiction", default="", help="As if a call stated this in X-Keepstone-Jurisdiction.")
@click.option("--purpose", default="", help="As if a call stated this purpose.")
@click.option("--consent-given", is_flag=True, help="As if an explicit consent for the purpose was given.")
@format_option
@click.pass_context
def residency(
    ctx: click.Context,
    *,
    file: Path | None,
    environment: str | None,
    home: Path | None,
    day: str | None,
    model_id: str,
    roles: tuple[str, ...],
    jurisdiction: str,
    purpose: str,
    consent_given: bool,
    output_format: str,
) -> None:
    """Show each upstream and destination with verdict, basis, article and the last day it holds.

    Without --model, every entry of `models` is judged: a pattern by each of its ids that the policy or AWS
    names, and by what holds for all the others. Destinations of inference profiles are those that AWS told
    the gateway of (its home folder). Warns of what ends within 90 days. Exits 1 when something is refused, 3
    when something could not be told.
    """
    settings = from_environment()
    chosen = settings.environment if environment is None else environment
    policy = compile_policy(load(file or settings.policy, chosen))
    rules = policy.residency
    if rules is None:
        hint = "without one nothing bounds where calls are computed; docs/residency.md shows how to write one"
        raise UsageError("the policy has no `residency`, so nothing is judged", hint=hint)
    consent = NO_CONSENT
    if consent_given:
        everywhere = tuple(sorted({each for one in rules.instruments for each in one.countries}))
        consent = Consent(ConsentState.GIVEN, (purpose,), everywhere, explicit=True)
    facts = Facts(rules.jurisdictions_of(roles, jurisdiction), _day(day), purpose, consent)
    snapshot = home / settings.profiles.name if home else settings.profiles
    now_ns = 0 if day else time.time_ns()
    rows = report(rules, _models(policy, model_id), facts, _atlas(policy, snapshot, rules, now_ns), model_id)
    ending = endings(rules, rows, facts.day)
    if output_format == "json":
        emit({"day": str(facts.day), "hash": policy.hash, "rows": rows, "ending": ending}, "json")
    else:
        emit(rows, columns=_COLUMNS)
        _tell_sides(rows)
        for reason in dict.fromkeys(f"{each.verdict}: {each.because}" for each in rows if _fails(each)):
            talk(reason)
        for each in ending:
            talk(f"warning: {each.what} ends on {each.ends}")
    ctx.exit(_status(rows))


def _fails(row: Row) -> bool:
    return row.verdict != Says.YES.value


def _status(rows: list[Row]) -> int:
    found = {each.verdict for each in rows}
    if Says.NO.value in found:
        return 1
    return 3 if Says.COULD_NOT_TELL.value in found else 0


def _day(stated: str | None) -> date:
    if stated is None:
        return datetime.now(UTC).date()
    try:
        return date.fromisoformat(stated)
    except ValueError as error:
        raise UsageError("--date: expected a day such as `2027-01-31`") from error


def _models(policy: CompiledPolicy, model_id: str) -> tuple[ModelRoute, ...]:
    if not model_id:
        return policy.routes
    found = policy.model(model_id)
    if found is None:
        raise UsageError(f"--model: no entry of `models` fits `{model_id}`")
    return (found,)


def _atlas(policy: CompiledPolicy, snapshot: Path, rules: ResidencyRules, now_ns: int) -> Atlas:
    """Return what is known of ids: by the policy, by what AWS told the gateway, by the shipped table.

    An answer that is too old at `now_ns` counts as none, as in a gateway; 0 takes all as they stand.
    """
    answers = {(each.upstream, each.profile): each for each in load_snapshot(snapshot)}

    def look_up(upstream: str, profile: str) -> Reach:
        answer = answers.get((upstream, profile))
        unknown = f"the gateway has not heard from AWS where profile `{profile}` computes"
        if answer is not None and not answer.failure:
            when = datetime.fromtimestamp(answer.read_at_ns / 1e9, UTC).date()
            if now_ns < answer.read_at_ns + rules.max_age_ns:
                return Reach(answer.regions, f"GetInferenceProfile, {when}")
            unknown = f"what AWS said of profile `{profile}` on {when} is older than `destinations.max_age`"
        regions = shipped(profile) if rules.shipped_table else ()
        return Reach(regions, "shipped table", assumed=True) if regions else Reach(unknown=unknown)

    told: dict[str, list[str]] = {}
    for upstream, profile in answers:
        told.setdefault(upstream, []).append(profile)
    return Atlas(look_up, told, model_ids(policy.document), rules.shipped_table)


def _tell_sides(rows: list[Row]) -> None:
    """Say which models were judged how, so that nothing that was left open reads as allowed."""
    found = sides(rows)
    for says, what in (
        (Says.YES, "may be used at every upstream"),
        (Says.NO, "may not be used at every upstream"),
        (Says.COULD_NOT_TELL, "could not be judged everywhere"),
    ):
        if found[says]:
            talk(f"{what}: {', '.join(found[says])}")
