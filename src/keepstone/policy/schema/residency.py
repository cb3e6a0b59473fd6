"""Where data may go: whose data it is, where it stays, on which grounds it may leave, consents."""

from typing import Annotated, Literal

from msgspec import Meta, field

from keepstone.policy.schema.words import Closed, Duration, Name

Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="a day, such as `2026-11-21`")]
Jurisdiction = Annotated[
    str,
    Meta(
        pattern=r"^([A-Z]{2}|EEA)(-[A-Z0-9]{1,3})?$",
        description="`EU` (where the GDPR is the law), a country (`CH`) or a part of one (`US-CA`)",
    ),
]
Place = Annotated[
    str,
    Meta(
        pattern=r"^([A-Z]{2}|EEA)$",
        description="an ISO 3166 code of a country, or `EU` or `EEA` for all their members",
    ),
]
Reach = Annotated[
    str,
    Meta(
        pattern=r"^([A-Z]{2}|EEA|\*)$",
        description="a country, `EU`, `EEA`, or `*` for any country there is",
    ),
]


class StayRule(Closed, frozen=True, kw_only=True):
    """Where the data of one jurisdiction stays, whatever else its law would allow."""

    stay_in: Annotated[tuple[Place, ...], Meta(min_length=1, description="countries and blocs")]
    because: Annotated[str, Meta(max_length=200, description="told to the refused caller")] = ""


class Transfer(Closed, frozen=True, kw_only=True):
    """One instrument on which data may leave its jurisdiction, for named upstreams and countries."""

    name: Annotated[Name, Meta(description="stands in verdicts and records")]
    kind: Annotated[
        Literal["scc", "bcr", "dpf", "adequacy", "consent"],
        Meta(
            description=(
                "`scc`: standard contractual clauses; `bcr`: binding corporate rules; `dpf`: the importer is "
                "certified under the Data Privacy Framework; `adequacy`: the importer is in the scope of a "
                "decision that covers some importers only; `consent`: explicit consent of the person"
            )
        ),
    ]
    jurisdictions: Annotated[
        tuple[Jurisdiction, ...], Meta(min_length=1, description="whose data the instrument covers")
    ]
    upstreams: Annotated[tuple[Name, ...], Meta(min_length=1, description="upstreams that the importer runs")]
    countries: Annotated[tuple[Reach, ...], Meta(min_length=1, description="where it may go")]
    importer: Annotated[str, Meta(max_length=200, description="who receives the data")] = ""
    assessment: Annotated[
        str, Meta(max_length=64, description="`scc`, `bcr`: name in `assessments`; required for them")
    ] = ""
    since: Annotated[Day, Meta(description="first day")]
    until: Annotated[
        Day | None, Meta(description="last day; `dpf`: the day on which the certification is due again")
    ] = None
    purposes: Annotated[
        tuple[Name, ...], Meta(description="covers calls that state one of these purposes; empty: any")
    ] = ()


class Assessment(Closed, frozen=True, kw_only=True):
    """A transfer impact assessment: what was found about the law and practice of the countries."""

    countries: Annotated[
        tuple[Reach, ...], Meta(min_length=1, description="whose law and practice were looked at")
    ]
    done: Annotated[Day, Meta(description="first day on which it may be relied on")]
    review_by: Annotated[Day, Meta(description="last day on which it may be relied on")]
    conclusion: Annotated[
        Literal["acceptable", "acceptable-with-measures", "not-acceptable"],
        Meta(description="what was found; `not-acceptable` permits nothing"),
    ]
    measures: Annotated[
        tuple[str, ...], Meta(description="supplementary measures that the conclusion rests on")
    ] = ()


class Consents(Closed, frozen=True, kw_only=True):
    """Consent as a condition: which purposes need it, and where the receipts are."""

    register: Annotated[
        str,
        Meta(
            min_length=1,
            description="file of JSON lines, one event each (ISO/IEC TS 27560); read again when it changes",
        ),
    ]
    needed_for: Annotated[
        tuple[Name, ...], Meta(description="purposes for which a call needs a given consent")
    ] = ()
    explicit_for: Annotated[
        tuple[Name, ...], Meta(description="purposes for which the consent must be explicit")
    ] = ()


class Destinations(Closed, frozen=True, kw_only=True):
    """How it is found out where an inference profile sends calls."""

    max_age: Annotated[
        Duration, Meta(description="an answer of GetInferenceProfile older than this counts as none")
    ] = "24h"
    when_unknown: Annotated[
        Literal["refuse", "shipped-table"],
        Meta(
            description=(
                "when AWS has not said: `refuse`, or rely on the table that comes with Keepstone, which is "
                "dated and may be behind"
            )
        ),
    ] = "refuse"


class Residency(Closed, frozen=True, kw_only=True):
    """Where the data of calls may go; without this section nothing is checked."""

    jurisdictions: Annotated[
        tuple[Jurisdiction, ...],
        Meta(description="whose data a call carries; by default those of the organisation; all must agree"),
    ] = ()
    roles: Annotated[
        dict[Name, tuple[Jurisdiction, ...]],
        Meta(description="role -> whose data its holders' calls carry, instead of the default"),
    ] = field(default_factory=dict)
    rules: Annotated[
        dict[Jurisdiction, StayRule], Meta(description="jurisdiction -> where its data stays")
    ] = field(default_factory=dict)
    transfers: Annotated[tuple[Transfer, ...], Meta(description="instruments on which data may leave")] = ()
    assessments: Annotated[
        dict[Name, Assessment], Meta(description="transfer impact assessments by name")
    ] = field(default_factory=dict)
    consent: Annotated[
        Consents | None, Meta(description="consent as a condition; absent: no purpose needs one")
    ] = None
    destinations: Destinations = Destinations()
