"""The `residency` section in plain sentences, and what it leaves open."""

from collections.abc import Iterator

from keepstone.policy.explain.prose import listed
from keepstone.policy.schema.document import Policy


def residency_sentences(policy: Policy) -> Iterator[str]:
    """Yield what the section means, nothing for a document without one."""
    section = policy.residency
    if section is None:
        return
    default = section.jurisdictions or policy.organisation.jurisdictions
    yield f"A call carries data of {listed(default)} unless its caller's role or its header says more."
    for role, codes in section.roles.items():
        yield f"Calls by holders of {role} carry data of {listed(codes)}."
    for code, rule in section.rules.items():
        yield f"Data of {code} stays in {listed(rule.stay_in)}."
    for each in section.transfers:
        until = f" until {each.until}" if each.until else ""
        purposes = f", for {listed(each.purposes)} only" if each.purposes else ""
        yield (
            f"`{each.name}` ({each.kind}) lets data of {listed(each.jurisdictions)} go to "
            f"{listed(each.countries)} by {listed(each.upstreams)} from {each.since}{until}{purposes}."
        )
    if section.consent is not None:
        needing = [*section.consent.needed_for, *section.consent.explicit_for]
        yield f"Calls for {listed(needing) or 'no purpose'} need a consent of the register."
    yield "Every upstream and every destination of an inference profile is checked on every call."


def residency_gaps(policy: Policy) -> Iterator[str]:
    """Yield what a reader may think is protected and is not."""
    if policy.residency is None:
        yield "Nothing bounds in which countries calls are computed."
    elif policy.residency.destinations.when_unknown == "shipped-table":
        yield "Where AWS has not said where an inference profile computes, a shipped table is believed."
