"""The `residency` section in plain sentences, and what it leaves open."""

from collections.abc import Iterator, Sequence

from keepstone.policy.schema.document import Policy


def residency_sentences(policy: Policy) -> Iterator[str]:
    """Yield what the section means, nothing for a document without one."""
    section = policy.residency
    if section is None:
        return
    default = section.jurisdictions or policy.organisation.jurisdictions
    yield f"A call carries data of {_listed(default)} unless its caller's role or its header says more."
    for role, codes in section.roles.items():
        yield f"Calls by holders of {role} carry data of {_listed(codes)}."
    for code, rule in section.rules.items():
        yield f"Data of {code} stays in {_listed(rule.stay_in)}."
    for each in section.transfers:
        until = f" until {each.until}" if each.until else ""
        purposes = f", for {_listed(each.purposes)} only" if each.purposes else ""
        yield (
            f"`{each.name}` ({each.kind}) lets data of {_listed(each.jurisdictions)} go to "
            f"{_listed(each.countries)} by {_listed(each.upstreams)} from {each.since}{until}{purposes}."
        )
    if section.consent is not None:
        needing = [*section.consent.needed_for, *section.consent.explicit_for]
        yield f"Calls for {_listed(needing) or 'no purpose'} need a consent of the register."
    yield "Every upstream and every destination of an inference profile is checked on every call."


def residency_gaps(policy: Policy) -> Iterator[str]:
    """Yield what a reader may think is protected and is not."""
    if policy.residency is None:
        yield "Nothing bounds in which countries calls are computed."
    elif policy.residency.destinations.when_unknown == "shipped-table":
        yield "Where AWS has not said where an inference profile computes, a shipped table is believed."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
