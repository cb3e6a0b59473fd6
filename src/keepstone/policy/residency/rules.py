"""The `residency` section as values that verdicts compare.

Codes of blocs are spread into their members here, so that a verdict only looks whether a country is in a set.
A jurisdiction's rules and instruments are those written for it, for a bloc it is part of, and for the country
it is a part of (`US` for `US-CA`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from keepstone.catalog.jurisdictions import countries_of
from keepstone.policy.duration import parse_duration
from keepstone.policy.residency.verdict import Basis
from keepstone.policy.schema import residency as schema
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.upstreams import BedrockUpstream, DevUpstream, OpenAIUpstream, Upstream

_GDPR = ("EU", "EEA")
_BASIS = {
    "scc": Basis.SCC,
    "bcr": Basis.BCR,
    "dpf": Basis.DPF,
    "adequacy": Basis.ADEQUACY,
    "consent": Basis.CONSENT,
}


@dataclass(frozen=True, slots=True)
class Stay:
    """Countries that the data of a jurisdiction does not leave."""

    jurisdiction: str
    countries: frozenset[str]
    because: str
    path: str


@dataclass(frozen=True, slots=True)
class Tia:
    """A transfer impact assessment."""

    name: str
    countries: frozenset[str]
    done: date
    review_by: date
    acceptable: bool


@dataclass(frozen=True, slots=True)
class Instrument:
    """One ground for leaving a jurisdiction; `assessment` is what it names, found or not."""

    name: str
    basis: Basis
    jurisdictions: tuple[str, ...]
    upstreams: frozenset[str]
    countries: frozenset[str]
    importer: str
    since: date
    until: date | None
    purposes: frozenset[str]
    assessment: str
    tia: Tia | None
    path: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where an upstream is: in an AWS `region`, in a `country`, or `here` inside the gateway."""

    region: str = ""
    country: str = ""
    here: bool = False


@dataclass(frozen=True, slots=True)
class ConsentRules:
    """Where receipts are, and which purposes need one."""

    register: str
    needed_for: frozenset[str]
    explicit_for: frozenset[str]


@dataclass(frozen=True, slots=True)
class ResidencyRules:
    """The section in force."""

    jurisdictions: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]
    stays: tuple[Stay, ...]
    instruments: tuple[Instrument, ...]
    sites: Mapping[str, Site]
    consent: ConsentRules | None
    max_age_ns: int
    shipped_table: bool

    def jurisdictions_of(self, roles: tuple[str, ...], stated: str = "") -> tuple[str, ...]:
        """Return whose data a call carries: by its caller's roles or the default, and what it states too."""
        found = {code: None for role in roles for code in self.roles.get(role, ())}
        if not found:
            found = dict.fromkeys(self.jurisdictions)
        if stated:
            found[stated] = None
        return tuple(found)


def covers(code: str, jurisdiction: str) -> bool:
    """Say whether what is written for `code` holds for the data of `jurisdiction`.

    As a jurisdiction, `EU` is where the GDPR is the law, which is the EEA: a rule for `EU` holds for Norway.
    """
    if code in _GDPR:
        return jurisdiction in _GDPR or jurisdiction in countries_of("EEA")
    return code == jurisdiction or jurisdiction.startswith(f"{code}-")


def compile_residency(policy: Policy) -> ResidencyRules | None:
    """Return the compiled section, `None` when the document has none."""
    section = policy.residency
    if section is None:
        return None
    consent = section.consent
    assessments = {name: _tia(name, each) for name, each in section.assessments.items()}
    return ResidencyRules(
        jurisdictions=section.jurisdictions or policy.organisation.jurisdictions,
        roles=dict(section.roles),
        stays=tuple(
            Stay(code, _spread(rule.stay_in), rule.because, f"residency.rules.{code}.stay_in")
            for code, rule in section.rules.items()
        ),
        instruments=tuple(
            _instrument(each, number, assessments) for number, each in enumerate(section.transfers)
        ),
        sites={name: site_of(each) for name, each in policy.upstreams.items()},
        consent=None
        if consent is None
        else ConsentRules(consent.register, frozenset(consent.needed_for), frozenset(consent.explicit_for)),
        max_age_ns=parse_duration(section.destinations.max_age),
        shipped_table=section.destinations.when_unknown == "shipped-table",
    )


def site_of(upstream: Upstream) -> Site:
    """Return where an upstream is, as far as the document says."""
    match upstream:
        case BedrockUpstream():
            return Site(region=upstream.region)
        case OpenAIUpstream():
            return Site(country=upstream.country)
        case DevUpstream():
            return Site(here=True)


def _instrument(each: schema.Transfer, number: int, assessments: Mapping[str, Tia]) -> Instrument:
    return Instrument(
        name=each.name,
        basis=_BASIS[each.kind],
        jurisdictions=each.jurisdictions,
        upstreams=frozenset(each.upstreams),
        countries=_spread(each.countries),
        importer=each.importer or "the importer",
        since=date.fromisoformat(each.since),
        until=None if each.until is None else date.fromisoformat(each.until),
        purposes=frozenset(each.purposes),
        assessment=each.assessment,
        tia=assessments.get(each.assessment),
        path=f"residency.transfers[{number}]",
    )


def _tia(name: str, each: schema.Assessment) -> Tia:
    return Tia(
        name,
        _spread(each.countries),
        date.fromisoformat(each.done),
        date.fromisoformat(each.review_by),
        each.conclusion != "not-acceptable",
    )


def _spread(codes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(country for code in codes for country in countries_of(code))
