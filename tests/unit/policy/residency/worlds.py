"""Policies of one upstream to judge: instruments by name, rules on staying, consents by state."""

from datetime import date

import msgspec

from keepstone.policy.residency.rules import compile_residency
from keepstone.policy.residency.verdict import Consent, ConsentState, Facts
from keepstone.policy.schema.document import Policy

ALL = ["EU", "GB", "CH"]
ASSESSMENTS = {
    "us-in": {"countries": ["US", "IN"], "done": "2021-06-01", "review_by": "2030-01-01"},
    "any": {"countries": ["*"], "done": "2021-06-01", "review_by": "2040-01-01"},
    "elsewhere": {"countries": ["BR"], "done": "2021-06-01", "review_by": "2030-01-01"},
    "due": {"countries": ["US"], "done": "2021-06-01", "review_by": "2026-06-30"},
    "later": {"countries": ["US"], "done": "2027-01-01", "review_by": "2030-01-01"},
    "bad": {
        "countries": ["US"],
        "done": "2021-06-01",
        "review_by": "2030-01-01",
        "conclusion": "not-acceptable",
    },
}


def _transfer(kind, countries, since="2022-01-01", until="2027-12-31", **more):
    return {"kind": kind, "countries": countries, "since": since, "until": until, **more}


def _clauses(assessment, **more):
    return _transfer("scc", ["US", "IN"], assessment=assessment, **more)


INSTRUMENTS = {
    "scc": _clauses("us-in"),
    "scc-any": _transfer("scc", ["*"], until="2035-01-01", assessment="any"),
    "scc-no-tia": _clauses(""),
    "scc-tia-elsewhere": _clauses("elsewhere"),
    "scc-tia-due": _clauses("due"),
    "scc-tia-later": _clauses("later"),
    "scc-tia-bad": _clauses("bad"),
    "scc-elsewhere": _clauses("us-in", upstreams=["other"]),
    "scc-gb": _clauses("us-in", jurisdictions=["GB"]),
    "scc-support": _clauses("us-in", purposes=["support"]),
    "bcr": _transfer("bcr", ["US"], assessment="us-in"),
    "bcr-no-tia": _transfer("bcr", ["US"]),
    "dpf": _transfer("dpf", ["US"], since="2010-01-01", until="2027-06-30"),
    "dpf-eu": _transfer("dpf", ["US"], jurisdictions=["EU"]),
    "dpf-lapsed": _transfer("dpf", ["US"], until="2025-12-31"),
    "dpf-elsewhere": _transfer("dpf", ["US"], upstreams=["other"]),
    "dpf-india": _transfer("dpf", ["IN"]),
    "pipeda": _transfer("adequacy", ["CA"], since="2000-01-01"),
    "pipeda-elsewhere": _transfer("adequacy", ["CA"], upstreams=["other"]),
    "scope-us": _transfer("adequacy", ["US"]),
    "consent": _transfer("consent", ["US", "IN"]),
}
SUPPORT = ("support",)
CONSENTS = {
    "-": Consent(ConsentState.ABSENT),
    "given": Consent(ConsentState.GIVEN, SUPPORT, ("IN", "US"), explicit=True),
    "implicit": Consent(ConsentState.GIVEN, SUPPORT, ("IN", "US")),
    "told-of-elsewhere": Consent(ConsentState.GIVEN, SUPPORT, ("BR",), explicit=True),
} | {state.value: Consent(state) for state in ConsentState if state is not ConsentState.GIVEN}
UPSTREAM = "asked"


def policy(region, *, stay=(), instruments=(), jurisdictions=("EU",), consent=None):
    """Return a document with one Bedrock upstream; `stay` pairs jurisdictions with lists of places."""
    upstreams = {
        UPSTREAM: {"kind": "bedrock", "region": region},
        "other": {"kind": "bedrock", "region": "eu-west-1"},
    }
    transfers = [
        {"name": name, "jurisdictions": ALL, "upstreams": [UPSTREAM]} | INSTRUMENTS[name]
        for name in instruments
    ]
    section = {
        "jurisdictions": list(jurisdictions),
        "rules": {code: {"stay_in": list(places)} for code, places in stay},
        "transfers": transfers,
        "assessments": {
            name: {"conclusion": "acceptable-with-measures"} | each for name, each in ASSESSMENTS.items()
        },
        "consent": consent,
    }
    document = {
        "version": 1,
        "organisation": {"name": "Acme"},
        "identities": {"roles": {"engineer": {}}},
        "upstreams": upstreams,
        "models": [{"id": "*", "upstreams": [UPSTREAM]}],
        "residency": section,
    }
    return msgspec.convert(document, Policy)


def rules(region, **more):
    """Return the compiled section of such a document."""
    return compile_residency(policy(region, **more))


def facts(jurisdictions=("EU",), day="2026-11-21", purpose="", consent="-"):
    """Return what verdicts rest on."""
    return Facts(tuple(jurisdictions), date.fromisoformat(day), purpose, CONSENTS[consent])
