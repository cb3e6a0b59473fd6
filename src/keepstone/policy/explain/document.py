"""The whole policy in plain language, section by section; the last one tells what is not protected."""

from collections.abc import Iterator
from dataclasses import dataclass

from keepstone.policy.explain.callers import explain_callers
from keepstone.policy.explain.changes import explain_cache, explain_transform
from keepstone.policy.explain.guardrails import explain_classes, explain_guardrail, guardrail_gaps
from keepstone.policy.explain.limits import explain_counting, explain_limit, limit_gaps
from keepstone.policy.explain.models import explain_model
from keepstone.policy.explain.prose import listed
from keepstone.policy.explain.record import explain_record, record_gaps
from keepstone.policy.explain.residency import residency_gaps, residency_sentences
from keepstone.policy.explain.roles import explain_role
from keepstone.policy.explain.routing import explain_routing
from keepstone.policy.schema.document import Policy


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its sentences."""

    title: str
    sentences: tuple[str, ...]


def explain_document(policy: Policy) -> tuple[Section, ...]:
    """Return the document as sections of plain sentences; the last one tells what is not protected."""
    roles = policy.identities.roles.items()
    sections = [
        Section("Organisation", tuple(_organisation(policy))),
        Section("Callers", tuple(explain_callers(policy.identities))),
        *(Section(f"Role {name}", tuple(explain_role(role))) for name, role in roles),
        Section("Purposes", tuple(_purposes(policy))),
        Section("Classes of content", tuple(explain_classes(policy))),
        Section("Models", tuple(explain_model(each, policy) for each in policy.models)),
        Section("Routing", tuple(explain_routing(policy))),
        *(
            Section(f"Guardrail {name}", tuple(explain_guardrail(guardrail)))
            for name, guardrail in policy.guardrails.items()
        ),
        Section("Changes", tuple(explain_transform(each) for each in policy.transforms)),
        Section("Cache", tuple(explain_cache(policy.cache)) if policy.cache else ()),
        Section("Limits", tuple(explain_limit(each) for each in policy.limits) or ("No limit is set.",)),
        Section("Counting", tuple(explain_counting(policy))),
        Section("Residency", tuple(residency_sentences(policy))),
        Section("Record", tuple(explain_record(policy))),
        Section("Not protected", tuple(_gaps(policy))),
    ]
    return tuple(each for each in sections if each.sentences)


def _organisation(policy: Policy) -> Iterator[str]:
    organisation = policy.organisation
    purpose = f" uses models for {organisation.use_case}" if organisation.use_case else " uses models"
    yield f"{organisation.name}{purpose}, in scope {organisation.scoping_matrix} of the Scoping Matrix."
    if organisation.jurisdictions:
        yield f"The law of {listed(organisation.jurisdictions)} applies."
    yield f"A call that states no data class counts as {policy.data.default_class}."


def _purposes(policy: Policy) -> Iterator[str]:
    for name, purpose in policy.purposes.items():
        basis = f", on the basis of {purpose.legal_basis} (GDPR Art. 6)" if purpose.legal_basis else ""
        yield f"`{name}`: {purpose.description}{basis}."
    if policy.data.require_purpose:
        yield "A call that states none of these is refused."


def _gaps(policy: Policy) -> Iterator[str]:
    """Yield what a reader may think is protected and is not."""
    yield from limit_gaps(policy)
    for name, guardrail in policy.guardrails.items():
        for gap in guardrail_gaps(guardrail, policy.data):
            yield f"Guardrail `{name}`: {gap}"
    yield from residency_gaps(policy)
    yield from record_gaps(policy)
    for name, upstream in policy.upstreams.items():
        url = getattr(upstream, "base_url", "") or getattr(upstream, "endpoint_url", "")
        if url.startswith("http://"):
            yield f"Calls to upstream `{name}` are not encrypted."
    yield "Names and postal addresses of people follow no pattern and are not found."
