"""Every upstream and destination of every model with its verdict, and what ends soon. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from msgspec import Struct

from keepstone.policy.residency.asked import Atlas, ids_of, reach_at, with_trials
from keepstone.policy.residency.consent import conditions
from keepstone.policy.residency.routing import weigh
from keepstone.policy.residency.rules import ResidencyRules
from keepstone.policy.residency.verdict import Destination, Facts, Says, Verdict
from keepstone.policy.rules import ModelRoute

SOON = timedelta(days=90)


class Row(Struct, frozen=True):
    """One jurisdiction's word on one destination of a model; `known_by` says how that is known."""

    model: str
    upstream: str
    destination: str
    country: str
    data_of: str
    verdict: str
    basis: str
    article: str
    because: str
    valid_until: date | None
    known_by: str
    path: str


class Ending(Struct, frozen=True):
    """Something that permits transfers and ends soon."""

    what: str
    ends: date
    path: str


def report(
    rules: ResidencyRules, models: Sequence[ModelRoute], facts: Facts, atlas: Atlas, model_id: str = ""
) -> list[Row]:
    """Return the rows of some models, with those that are tried beside them.

    A pattern is judged for each of its ids that is known, and for all the others together; `model_id` stands
    for what a caller would write.
    """
    found = [*_consents(rules, facts)]
    for model in models:
        for route in with_trials((model,)):
            for upstream in route.upstreams:
                asked = (
                    [model_id] if model_id else ids_of(route, upstream, _beside(route, model, models), atlas)
                )
                for each in asked:
                    found += _rows(rules, facts, route, (upstream, each), atlas)
    return found


def _beside(route: ModelRoute, model: ModelRoute, models: Sequence[ModelRoute]) -> list[ModelRoute]:
    """Return the entries as a trial's route stands among them: in the place of its model."""
    return [route if each is model else each for each in models]


def _consents(rules: ResidencyRules, facts: Facts) -> Iterator[Row]:
    """Yield what forbids every call, wherever it would go: a consent that it lacks."""
    for verdict in conditions(rules.consent, facts):
        if verdict.says is not Says.YES:
            yield _row(
                ("every model", "every upstream"), Destination("", ""), "anywhere", verdict, "the policy"
            )


def _rows(
    rules: ResidencyRules, facts: Facts, route: ModelRoute, at: tuple[str, str], atlas: Atlas
) -> Iterator[Row]:
    upstream, asked = at
    site = rules.sites[upstream]
    label = asked + route.id.removeprefix(route.name)
    reach = reach_at(site, upstream, route.upstream_id(upstream, asked), atlas)
    for word in weigh(rules, facts, upstream, reach).words:
        place = word.destination
        where = place.region or ("here" if site.here else place.country or "unknown")
        yield _row((label, upstream), place, where, word.verdict, reach.source or "the policy")
    if reach.unknown:
        says = Verdict(Says.COULD_NOT_TELL, ", ".join(facts.jurisdictions), "", reach.unknown)
        yield _row((label, upstream), Destination(upstream, ""), "unknown", says, "nobody")


def _row(of: tuple[str, str], place: Destination, where: str, verdict: Verdict, known_by: str) -> Row:
    return Row(
        *of,
        where,
        place.country,
        verdict.jurisdiction,
        verdict.says.value,
        verdict.basis.value,
        verdict.article,
        verdict.because,
        verdict.until,
        known_by,
        verdict.path,
    )


def sides(rows: Iterable[Row]) -> dict[Says, list[str]]:
    """Return the models by what is said of them at every upstream: the worst word counts."""
    found: dict[str, Says] = {}
    order = (Says.YES, Says.COULD_NOT_TELL, Says.NO)
    for row in rows:
        found[row.model] = max(found.get(row.model, Says.YES), Says(row.verdict), key=order.index)
    return {says: [model for model, word in found.items() if word is says] for says in order}


def endings(rules: ResidencyRules, rows: Iterable[Row], day: date) -> list[Ending]:
    """Return what ends within 90 days of `day`: instruments, assessments and the decisions that rows use."""
    last = day + SOON
    found: dict[tuple[str, date], Ending] = {}
    for each in rules.instruments:
        ends = [(each.until, f"transfer `{each.name}`")]
        if each.tia is not None:
            ends.append((each.tia.review_by, f"assessment `{each.tia.name}`"))
        for end, what in ends:
            if end is not None and day <= end <= last:
                found[what, end] = Ending(what, end, each.path)
    for row in rows:
        end = row.valid_until
        if end is not None and not row.path and row.verdict == Says.YES.value and day <= end <= last:
            found[row.article, end] = Ending(f"adequacy of {row.country}: {row.article}", end, "")
    return sorted(found.values(), key=lambda each: (each.ends, each.what))
