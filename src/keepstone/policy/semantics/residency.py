"""What a well-formed `residency` section still gets wrong.

Days that are none, names that lead nowhere, instruments that can never help, and upstreams that no data may
ever be sent to, on any day and with any consent.
"""

from collections.abc import Iterator
from datetime import date, timedelta

from keepstone.catalog.jurisdictions import regime_of
from keepstone.catalog.places import country_of
from keepstone.policy.problems import Fault, Path, Severity
from keepstone.policy.residency.routing import Reach, destinations
from keepstone.policy.residency.rules import ResidencyRules, compile_residency, covers, site_of
from keepstone.policy.residency.transfer import judge
from keepstone.policy.residency.verdict import Consent, ConsentState, Destination, Facts, Says
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.residency import Residency, Transfer
from keepstone.policy.schema.upstreams import BedrockUpstream, OpenAIUpstream
from keepstone.policy.semantics.references import unknown, warning

_NEEDS_ASSESSMENT = ("scc", "bcr")
_ONE_DAY = timedelta(days=1)


def residency_faults(policy: Policy) -> Iterator[Fault]:
    """Yield every fault of the section; its meaning is only looked at when its days and names are sound."""
    section = policy.residency
    if section is None:
        return
    unsound = [*_days(section), *_names(section, policy), *_jurisdictions(section, policy)]
    yield from unsound
    yield from _places(policy)
    yield from _consents(section, policy)
    if not any(each.severity is Severity.ERROR for each in unsound):
        rules = compile_residency(policy)
        assert rules is not None  # noqa: S101 - there is a section
        yield from _useless(section)
        yield from _never_used(rules, policy)


def _days(section: Residency) -> Iterator[Fault]:
    spans: list[tuple[Path, str, str, str, str | None]] = [
        (("residency", "transfers", number), "since", each.since, "until", each.until)
        for number, each in enumerate(section.transfers)
    ]
    spans += [
        (("residency", "assessments", name), "done", each.done, "review_by", each.review_by)
        for name, each in section.assessments.items()
    ]
    for path, first_name, first, last_name, last in spans:
        found = {}
        for name, day in ((first_name, first), (last_name, last)):
            if day is not None and _day(day) is None:
                yield Fault((*path, name), f"`{day}` is no day of the calendar")
            elif day is not None:
                found[name] = day
        if len(found) == 2 and found[last_name] < found[first_name]:
            yield Fault((*path, last_name), f"`{last_name}` is before `{first_name}`")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _names(section: Residency, policy: Policy) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, each in enumerate(section.transfers):
        path: Path = ("residency", "transfers", number)
        if each.name in seen:
            yield Fault((*path, "name"), f"duplicate transfer `{each.name}`", "give each its own name")
        seen.add(each.name)
        for index, upstream in enumerate(each.upstreams):
            if upstream not in policy.upstreams:
                yield unknown((*path, "upstreams", index), "upstream", upstream, policy.upstreams)
        yield from _conditions(each, section, path)
    for path, purpose in _purposes(section):
        if purpose not in policy.purposes:
            yield unknown(path, "purpose", purpose, policy.purposes)
    for role in section.roles:
        if role not in policy.identities.roles:
            yield unknown(("residency", "roles", role), "role", role, policy.identities.roles)


def _purposes(section: Residency) -> Iterator[tuple[Path, str]]:
    for number, each in enumerate(section.transfers):
        yield from ((("residency", "transfers", number, "purposes"), name) for name in each.purposes)
    if section.consent is not None:
        for field in ("needed_for", "explicit_for"):
            yield from ((("residency", "consent", field), name) for name in getattr(section.consent, field))


def _conditions(transfer: Transfer, section: Residency, path: Path) -> Iterator[Fault]:
    """Yield what an instrument of its kind lacks."""
    if transfer.kind == "consent" and section.consent is None:
        yield Fault(path, "consent needs a register of consents", "set `residency.consent.register`")
    if transfer.kind == "dpf" and transfer.until is None:
        hint = "set `until` to the day on which the certification is due again"
        yield warning(path, f"`{transfer.name}` counts on a certification without an end", hint)
    needed = transfer.kind in _NEEDS_ASSESSMENT
    if needed and not transfer.assessment:
        hint = "add one to `residency.assessments` and name it (CJEU C-311/18)"
        yield Fault(path, f"`{transfer.name}` needs a transfer impact assessment", hint)
    elif transfer.assessment and transfer.assessment not in section.assessments:
        yield unknown((*path, "assessment"), "assessment", transfer.assessment, section.assessments)
    elif transfer.assessment and not needed:
        yield warning((*path, "assessment"), f"`{transfer.kind}` rests on no assessment")


def _jurisdictions(section: Residency, policy: Policy) -> Iterator[Fault]:
    default = section.jurisdictions or policy.organisation.jurisdictions
    if not default:
        hint = "set `residency.jurisdictions`, such as `[EU]`"
        yield Fault(("residency",), "nobody has said whose data calls carry", hint)
    named: list[tuple[Path, str]] = [(("residency", "jurisdictions"), each) for each in default]
    for role, codes in section.roles.items():
        named += [(("residency", "roles", role), each) for each in codes]
    for path, code in named:
        ruled = any(covers(each, code) for each in section.rules)
        if regime_of(code) is None and not ruled:
            hint = f"say where its data stays: `rules: {{{code}: {{stay_in: [...]}}}}`"
            yield Fault(path, f"the catalogue holds no law of `{code}`", hint)


def _places(policy: Policy) -> Iterator[Fault]:
    for name, upstream in policy.upstreams.items():
        path: Path = ("upstreams", name)
        match upstream:
            case OpenAIUpstream(country=""):
                message = f"nobody has said in which country `{name}` computes, so `residency` refuses it"
                yield warning(path, message, "set `country`, such as `DE`")
            case BedrockUpstream() if not country_of(upstream.region):
                message = f"the country of region `{upstream.region}` is not known, so `residency` refuses it"
                yield warning((*path, "region"), message)
            case _:
                continue


def _consents(section: Residency, policy: Policy) -> Iterator[Fault]:
    asked = section.consent
    shown = {*asked.needed_for, *asked.explicit_for} if asked else set()
    for name, purpose in policy.purposes.items():
        if purpose.legal_basis == "consent" and name not in shown:
            message = f"purpose `{name}` rests on consent, and no call for it has to show one"
            yield warning(("purposes", name), message, "name it in `residency.consent.needed_for`")


def _useless(section: Residency) -> Iterator[Fault]:
    for number, each in enumerate(section.transfers):
        path: Path = ("residency", "transfers", number)
        if each.kind == "consent":
            message = f"`{each.name}`: consent is a derogation for occasional transfers, not for every day"
            yield warning(path, message, "EDPB Guidelines 2/2018; prefer clauses with an assessment")
        assessment = section.assessments.get(each.assessment)
        if assessment is not None and assessment.conclusion == "not-acceptable":
            message = f"`{each.name}` rests on an assessment that finds the transfer not acceptable"
            yield warning((*path, "assessment"), message)


def _never_used(rules: ResidencyRules, policy: Policy) -> Iterator[Fault]:
    """Warn of upstreams in use that no data may ever reach, whoever calls."""
    used = {name for model in policy.models for name in model.upstreams if name in policy.upstreams}
    callers = [rules.jurisdictions, *rules.roles.values()]
    for name in policy.upstreams:
        site = site_of(policy.upstreams[name])
        places = destinations(name, site, Reach())
        if name not in used or not (places[0].country or site.here):
            continue
        if not any(_ever(rules, codes, places[0]) for codes in callers):
            said = ", ".join(dict.fromkeys(code for codes in callers for code in codes))
            message = f"`residency` never lets data of {said} go to upstream `{name}`"
            hint = "`keepstone policy residency` says why"
            yield warning(("upstreams", name), message, hint)


def _ever(rules: ResidencyRules, jurisdictions: tuple[str, ...], to: Destination) -> bool:
    """Say whether on some day, for some purpose and with the best consent, every jurisdiction agrees."""
    purposes = sorted({each for one in rules.instruments for each in one.purposes} or {"any"})
    consent = Consent(ConsentState.GIVEN, tuple(purposes), (to.country,), explicit=True)
    return any(
        all(
            judge(rules, code, to, Facts(jurisdictions, day, purpose, consent)).says is Says.YES
            for code in jurisdictions
        )
        for day in _turning_days(rules, jurisdictions)
        for purpose in purposes
    )


def _turning_days(rules: ResidencyRules, jurisdictions: tuple[str, ...]) -> list[date]:
    """Return the days on which some verdict may change: between them it is the same."""
    days = {date.max - _ONE_DAY}
    for each in rules.instruments:
        days.add(each.since)
        days |= {each.tia.done} if each.tia else set()
    for code in jurisdictions:
        regime = regime_of(code)
        days |= {each.since for each in regime.adequacy} if regime else set()
    return sorted(days)
