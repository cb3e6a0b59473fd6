"""May the data of a jurisdiction go to this country, through this upstream, on this day? Pure.

The order of a lawyer: where the policy lets it stay; the law's home; an adequacy decision; then instruments,
each with its own conditions. The first yes counts. A no cites what came nearest: the instrument that fails,
the decision that ended or covers others only, else the general rule against transfers.
"""

from collections.abc import Iterator
from datetime import date

from keepstone.catalog.jurisdictions import Adequacy, Regime, countries_of, regime_of
from keepstone.catalog.places import ANYWHERE
from keepstone.policy.residency.rules import Instrument, ResidencyRules, Stay, covers
from keepstone.policy.residency.verdict import Basis, ConsentState, Destination, Facts, Says, Verdict


def judge(rules: ResidencyRules, jurisdiction: str, to: Destination, facts: Facts) -> Verdict:
    """Return the word of `jurisdiction` on one destination."""
    if rules.sites[to.upstream].here:
        because = "the development model runs inside the gateway"
        return Verdict(Says.YES, jurisdiction, "no transfer", because, Basis.HERE)
    if not to.country:
        because = f"nobody has said in which country {to.region or 'it'} is"
        return Verdict(Says.COULD_NOT_TELL, jurisdiction, "", because)
    stays = [each for each in rules.stays if covers(each.jurisdiction, jurisdiction)]
    for stay in stays:
        if to.country not in stay.countries:
            return _leaves(stay, jurisdiction, to)
    regime = regime_of(jurisdiction)
    if regime is None:
        return _without_law(stays, jurisdiction)
    if regime.free:
        return Verdict(Says.YES, jurisdiction, regime.articles.transfer, "nothing forbids it", Basis.FREE)
    if to.country in countries_of(regime.home):
        because = f"{to.country} is under the {regime.law}"
        return Verdict(Says.YES, jurisdiction, regime.articles.home, because, Basis.HOME)
    return _abroad(rules, regime, jurisdiction, to, facts)


def _leaves(stay: Stay, jurisdiction: str, to: Destination) -> Verdict:
    home = ", ".join(sorted(stay.countries)) if len(stay.countries) < 4 else "the countries of `stay_in`"
    because = f"data of {jurisdiction} stays in {home}" + (f": {stay.because}" if stay.because else "")
    return Verdict(Says.NO, jurisdiction, "the policy's `stay_in`", because, path=stay.path)


def _without_law(stays: list[Stay], jurisdiction: str) -> Verdict:
    if not stays:
        because = f"the catalogue holds no law of {jurisdiction}, and no rule says where its data stays"
        return Verdict(Says.COULD_NOT_TELL, jurisdiction, "", because, path="residency.rules")
    because = "`stay_in` names the country"
    return Verdict(Says.YES, jurisdiction, "the policy's `stay_in`", because, Basis.STAYS, stays[0].path)


def _abroad(
    rules: ResidencyRules, regime: Regime, jurisdiction: str, to: Destination, facts: Facts
) -> Verdict:
    decisions = [each for each in regime.adequacy if to.country in countries_of(each.country)]
    for decision in decisions:
        if not decision.needs and decision.holds(facts.day):
            article = f"{regime.articles.adequacy}, {decision.decision}"
            because = f"{to.country} is adequate" + (f" for {decision.scope}" if decision.scope else "")
            return Verdict(Says.YES, jurisdiction, article, because, Basis.ADEQUACY, until=decision.until)
    refusals: list[Verdict] = []
    for instrument in rules.instruments:
        if _speaks_of(instrument, jurisdiction, to):
            verdict = _instrument(instrument, regime, jurisdiction, to, facts)
            if verdict.says is Says.YES:
                return verdict
            refusals.append(verdict)
    refusals += _lapsed(regime, decisions, jurisdiction, to, facts.day)
    refusals.append(_forbidden(regime, jurisdiction, to))
    unsure = [each for each in refusals if each.says is Says.COULD_NOT_TELL]
    return (unsure or refusals)[0]


def _forbidden(regime: Regime, jurisdiction: str, to: Destination) -> Verdict:
    where = "not every region is" if to.country == ANYWHERE else f"{to.country} is neither"
    because = f"{where} adequate nor covered by an instrument of `residency.transfers`"
    return Verdict(Says.NO, jurisdiction, regime.articles.transfer, because, path="residency.transfers")


def _lapsed(
    regime: Regime, decisions: list[Adequacy], jurisdiction: str, to: Destination, day: date
) -> Iterator[Verdict]:
    """Yield what decisions about the country say, those in force first and the latest of the others."""
    for decision in sorted(decisions, key=lambda each: (each.holds(day), each.since), reverse=True):
        article = f"{regime.articles.adequacy}, {decision.decision}"
        if decision.holds(day):
            because = f"{to.country} is adequate for {decision.scope} only, and no instrument says so of it"
        elif day < decision.since:
            because = f"{to.country} is adequate from {decision.since} on"
        else:
            because = f"the adequacy of {to.country} ended on {decision.until}"
        yield Verdict(Says.NO, jurisdiction, article, because, path="residency.transfers")


def _speaks_of(instrument: Instrument, jurisdiction: str, to: Destination) -> bool:
    """Say whether an instrument is about this data, upstream and country at all."""
    return (
        to.upstream in instrument.upstreams
        and (to.country in instrument.countries or ANYWHERE in instrument.countries)
        and any(covers(each, jurisdiction) for each in instrument.jurisdictions)
    )


def _instrument(
    instrument: Instrument, regime: Regime, jurisdiction: str, to: Destination, facts: Facts
) -> Verdict:
    """Return what one instrument gives: a yes until its nearest end, or the condition that fails."""
    articles, day, name = regime.articles, facts.day, instrument.name

    def no(article: str, because: str) -> Verdict:
        return Verdict(Says.NO, jurisdiction, article, because, instrument.basis, instrument.path)

    own = _clause(instrument, regime)
    if day < instrument.since:
        return no(own, f"`{name}` begins on {instrument.since}")
    if instrument.until is not None and day > instrument.until:
        what = "the certification of" if instrument.basis is Basis.DPF else f"`{name}` with"
        return no(own, f"{what} {instrument.importer} ended on {instrument.until}")
    if instrument.purposes and facts.purpose not in instrument.purposes:
        purpose = f"`{facts.purpose}`" if facts.purpose else "no stated purpose"
        return no(articles.purpose, f"`{name}` does not cover {purpose}")
    match instrument.basis:
        case Basis.SCC | Basis.BCR:
            return _assessed(instrument, regime, jurisdiction, to, day)
        case Basis.DPF | Basis.ADEQUACY:
            return _within_decision(instrument, regime, jurisdiction, to, day)
        case _:
            return _consented(instrument, regime, jurisdiction, to, facts)


def _clause(instrument: Instrument, regime: Regime) -> str:
    articles = regime.articles
    match instrument.basis:
        case Basis.SCC:
            return articles.scc
        case Basis.BCR:
            return articles.bcr
        case Basis.CONSENT:
            return articles.derogation
        case _:
            return articles.adequacy


def _assessed(
    instrument: Instrument, regime: Regime, jurisdiction: str, to: Destination, day: date
) -> Verdict:
    """Clauses and corporate rules need an assessment of the country's law that still holds."""
    name, tia = instrument.name, instrument.tia
    if tia is None:
        missing = f"`{name}` has no transfer impact assessment"
    elif to.country not in tia.countries and ANYWHERE not in tia.countries:
        missing = f"assessment `{tia.name}` is not about {to.country}"
    elif day < tia.done:
        missing = f"assessment `{tia.name}` is done on {tia.done}"
    elif day > tia.review_by:
        missing = f"assessment `{tia.name}` was to be reviewed by {tia.review_by}"
    elif not tia.acceptable:
        missing = f"assessment `{tia.name}` finds the transfer not acceptable"
    else:
        because = f"`{name}` with {instrument.importer}, assessment `{tia.name}`"
        until = min(tia.review_by, instrument.until) if instrument.until else tia.review_by
        article = _clause(instrument, regime)
        return Verdict(Says.YES, jurisdiction, article, because, instrument.basis, instrument.path, until)
    return Verdict(
        Says.NO, jurisdiction, regime.articles.assessment, missing, instrument.basis, instrument.path
    )


def _within_decision(
    instrument: Instrument, regime: Regime, jurisdiction: str, to: Destination, day: date
) -> Verdict:
    """A certification, or being in scope, counts only under a decision that asks for it and is in force."""
    needs = "certification" if instrument.basis is Basis.DPF else "scope"
    asked = [
        each for each in regime.adequacy if each.needs == needs and to.country in countries_of(each.country)
    ]
    for decision in asked:
        if decision.holds(day):
            article = f"{regime.articles.adequacy}, {decision.decision}"
            because = f"`{instrument.name}`: {instrument.importer} is among {decision.scope}"
            until = _earlier(decision.until, instrument.until)
            return Verdict(Says.YES, jurisdiction, article, because, instrument.basis, instrument.path, until)
    because = f"no decision on {to.country} that asks for a {needs} is in force"
    article = regime.articles.adequacy
    return Verdict(Says.NO, jurisdiction, article, because, instrument.basis, instrument.path)


def _consented(
    instrument: Instrument, regime: Regime, jurisdiction: str, to: Destination, facts: Facts
) -> Verdict:
    """Explicit consent to this transfer, given for this purpose, after being told of the risks there."""
    consent, article = facts.consent, regime.articles.derogation
    says = Says.NO
    if consent.state is ConsentState.UNREADABLE:
        says, because = Says.COULD_NOT_TELL, "the consent register cannot be read"
    elif consent.state is not ConsentState.GIVEN:
        because = f"the consent to the transfer is {consent.state.value}"
        if consent.state is ConsentState.WITHDRAWN:
            article = regime.articles.withdrawn
    elif not consent.explicit:
        because = "the consent is not explicit"
    elif to.country not in consent.countries:
        because = f"the person was not told of the risks of a transfer to {to.where}"
    elif not facts.purpose or facts.purpose not in consent.purposes:
        because, article = "the consent is not for the purpose of the call", regime.articles.purpose
    else:
        says, because = Says.YES, f"`{instrument.name}`: the person has consented explicitly"
    until = instrument.until if says is Says.YES else None
    return Verdict(says, jurisdiction, article, because, instrument.basis, instrument.path, until)


def _earlier(left: date | None, right: date | None) -> date | None:
    if left is None or right is None:
        return left or right
    return min(left, right)
