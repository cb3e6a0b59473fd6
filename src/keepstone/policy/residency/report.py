"""Every upstream and destination of every model with its verdict, and what ends soon. Pure."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta

from msgspec import Struct

from keepstone.policy.model_ids import is_pattern
from keepstone.policy.residency.routing import Reach, reach_of, weigh
from keepstone.policy.residency.rules import ResidencyRules
from keepstone.policy.residency.verdict import Basis, Facts, Says
from keepstone.policy.rules import ModelRoute

SOON = timedelta(days=90)
LookUp = Callable[[str, str], Reach]


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
    rules: ResidencyRules, models: Iterable[ModelRoute], facts: Facts, look_up: LookUp, model_id: str = ""
) -> list[Row]:
    """Return the rows of some models; `model_id` stands for what a caller would write."""
    found: list[Row] = []
    for model in models:
        asked = model_id or model.id
        for upstream in model.upstreams:
            found += _rows(rules, facts, upstream, asked, model.upstream_id(upstream, asked), look_up)
    return found


def _rows(
    rules: ResidencyRules, facts: Facts, upstream: str, asked: str, model_id: str, look_up: LookUp
) -> Iterator[Row]:
    reach = Reach(source="the upstream's region, the pattern names no model")
    if not is_pattern(model_id):
        reach = reach_of(rules.sites[upstream], upstream, model_id, look_up)
    for word in weigh(rules, facts, upstream, reach).words:
        place, verdict = word.destination, word.verdict
        yield Row(
            asked,
            upstream,
            place.region or ("here" if rules.sites[upstream].here else place.country or "unknown"),
            place.country,
            verdict.jurisdiction,
            verdict.says.value,
            verdict.basis.value,
            verdict.article,
            verdict.because,
            verdict.until,
            reach.source or "the policy",
            verdict.path,
        )
    if reach.unknown:
        yield Row(
            asked, upstream, "unknown", "", ", ".join(facts.jurisdictions), Says.COULD_NOT_TELL.value,
            Basis.NONE.value, "", reach.unknown, None, "nobody", "",
        )  # fmt: skip


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
