"""The policy in plain language: a whole document, or one decision with every rule that was considered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from keepstone.core.decision import Decision
from keepstone.core.exchange import WITHOUT_MODEL, DataClass
from keepstone.policy.compile import CompiledPolicy
from keepstone.policy.detected import compile_classes
from keepstone.policy.duration import parse_duration
from keepstone.policy.explain_callers import explain_callers
from keepstone.policy.explain_routing import explain_routing
from keepstone.policy.model_ids import names_for_denial, names_of
from keepstone.policy.personas import PERSONAS
from keepstone.policy.residency.explain import residency_gaps, residency_sentences
from keepstone.policy.rules import Allowance, CallFacts, Denial
from keepstone.policy.schema.cache import Cache
from keepstone.policy.schema.document import Policy
from keepstone.policy.schema.guardrails import (
    Action,
    BlockAction,
    Directions,
    Guardrail,
    MaskStyle,
    PiiType,
    StreamScan,
)
from keepstone.policy.schema.identities import AllowRule, DenyRule, Role
from keepstone.policy.schema.limits import Limit
from keepstone.policy.schema.record import (
    Anchor,
    Content,
    Durability,
    FolderAnchor,
    S3Anchor,
    S3Store,
    WitnessAnchor,
)
from keepstone.policy.schema.store import Store
from keepstone.policy.schema.transforms import (
    AddSystem,
    AppendText,
    CapField,
    DefaultField,
    DropReasoning,
    RemoveField,
    RequestChange,
    ResponseChange,
    SetField,
    Transform,
)
from keepstone.policy.schema.upstreams import BedrockUpstream, DevUpstream, Model, OpenAIUpstream, Upstream


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its sentences."""

    title: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConsideredRule:
    """One rule that a decision looked at, and what it said about the call."""

    rule: str
    effect: str
    says: str


def explain_document(policy: Policy) -> tuple[Section, ...]:
    """Return the document as sections of plain sentences; the last one tells what is not protected."""
    roles = policy.identities.roles.items()
    sections = [
        Section("Organisation", tuple(_organisation(policy))),
        Section("Callers", tuple(explain_callers(policy.identities))),
        *(Section(f"Role {name}", tuple(_role(role))) for name, role in roles),
        Section("Purposes", tuple(_purposes(policy))),
        Section("Classes of content", tuple(_classes(policy))),
        Section("Models", tuple(_model(each, policy) for each in policy.models)),
        Section("Routing", tuple(explain_routing(policy))),
        *(
            Section(f"Guardrail {name}", tuple(_guardrail(guardrail)))
            for name, guardrail in policy.guardrails.items()
        ),
        Section("Changes", tuple(_transform(each) for each in policy.transforms)),
        Section("Cache", tuple(_cache(policy.cache)) if policy.cache else ()),
        Section("Limits", tuple(_limit(each) for each in policy.limits) or ("No limit is set.",)),
        Section("Counting", tuple(_counting(policy))),
        Section("Residency", tuple(residency_sentences(policy))),
        Section("Record", tuple(_record(policy))),
        Section("Not protected", tuple(_gaps(policy))),
    ]
    return tuple(each for each in sections if each.sentences)


def explain_decision(policy: CompiledPolicy, facts: CallFacts) -> tuple[Decision, tuple[ConsideredRule, ...]]:
    """Return the decision about a call and what each rule of its roles said, denials first."""
    considered = tuple(
        ConsideredRule(rule.path, "deny" if isinstance(rule, Denial) else "allow", _says(rule, facts))
        for rule in policy.admission.rules_of(facts.principal)
    )
    return policy.admit(facts), considered


def _says(rule: Allowance | Denial, facts: CallFacts) -> str:
    without_model = facts.operation in WITHOUT_MODEL
    if isinstance(rule, Denial):
        names = () if without_model else names_for_denial(facts.model_id)
        return "denies the call" if rule.hits(facts, names) else "does not apply"
    if not rule.may_operate(facts.operation):
        return f"does not speak of {facts.operation}"
    if without_model:
        return "allows the call"
    if not any(glob.matches_any(names_of(facts.model_id)) for glob in rule.globs):
        return "is about other models"
    if facts.data_class > rule.ceiling:
        return f"allows up to {rule.ceiling.label} only"
    return f"allows the call {rule.when.only_when}" if rule.when else "allows the call"


def _organisation(policy: Policy) -> Iterator[str]:
    organisation = policy.organisation
    purpose = f" uses models for {organisation.use_case}" if organisation.use_case else " uses models"
    yield f"{organisation.name}{purpose}, in scope {organisation.scoping_matrix} of the Scoping Matrix."
    if organisation.jurisdictions:
        yield f"The law of {_listed(organisation.jurisdictions)} applies."
    yield f"A call that states no data class counts as {policy.data.default_class}."


def _purposes(policy: Policy) -> Iterator[str]:
    for name, purpose in policy.purposes.items():
        basis = f", on the basis of {purpose.legal_basis} (GDPR Art. 6)" if purpose.legal_basis else ""
        yield f"`{name}`: {purpose.description}{basis}."
    if policy.data.require_purpose:
        yield "A call that states none of these is refused."


def _classes(policy: Policy) -> Iterator[str]:
    """Say what each find makes of a call: what is noted and goes on counts in full, what is masked less."""
    classes = compile_classes(policy.data)
    yield "The highest of header, principal and content counts; what content raises is decided again."
    for data_class in reversed(DataClass):
        kinds = sorted(kind for kind, each in classes.table.items() if each is data_class)
        if kinds and data_class is not DataClass.PUBLIC:
            yield f"Found in clear, {_listed(kinds)} make a call {data_class.label}."
    if classes.masked is None:
        yield "A mask lowers nothing: the class of what was found stays."
    else:
        yield f"Masked, they make a call at most {classes.masked.label}."


def _role(role: Role) -> Iterator[str]:
    if role.description:
        yield f"Who: {role.description}."
    if role.persona is not None:
        yield f"Persona {role.persona.value}: {PERSONAS[role.persona].means}."
    for denial in role.deny:
        yield _denial(denial)
    for rule in role.allow:
        yield _allowance(rule)
    if not role.allow:
        yield "May call no model."


def _allowance(rule: AllowRule) -> str:
    how = "every operation" if "*" in rule.operations else _listed(rule.operations)
    return f"May use {_models(rule.models)} by {how}, with data up to {rule.max_data_class}{_when(rule)}."


def _denial(rule: DenyRule) -> str:
    how = "" if "*" in rule.operations else f" by {_listed(rule.operations)}"
    above = f" with data above {rule.above}" if rule.above else ""
    because = f" ({rule.because})" if rule.because else ""
    return f"Must not use {_models(rule.models)}{how}{above}{_when(rule)}{because}."


def _when(rule: AllowRule | DenyRule) -> str:
    purposes = f", for {' or '.join(rule.purposes)}" if rule.purposes else ""
    regions = f", in {' or '.join(rule.regions)}" if rule.regions else ""
    times = f", at {' or '.join(rule.times)}" if rule.times else ""
    return purposes + regions + times


def _model(model: Model, policy: Policy) -> str:
    ways = [
        f"`{name}` ({_where(policy.upstreams[name])})" for name in model.upstreams if name in policy.upstreams
    ]
    only = f", which must be in {' or '.join(model.regions)}" if model.regions else ""
    return (
        f"`{model.id}` is reached by {', then '.join(ways)}{only}; cleared up to {model.max_data_class}; "
        f"inspected by guardrail `{model.guardrail}`."
    )


def _where(upstream: Upstream) -> str:
    cleared = f", cleared up to {upstream.max_data_class}" if upstream.max_data_class else ""
    match upstream:
        case BedrockUpstream():
            return f"Amazon Bedrock in {upstream.region}{cleared}"
        case OpenAIUpstream():
            return f"the server at {upstream.base_url}{cleared}"
        case DevUpstream():
            return f"the development model, {upstream.behaviour}{cleared}"


def _guardrail(guardrail: Guardrail) -> Iterator[str]:
    for direction, phrase in (("input", "On the way to the model"), ("output", "On the way back")):
        blocked = [*_kinds(guardrail, direction, Action.BLOCK)]
        masked = [*_kinds(guardrail, direction, Action.ANONYMIZE)]
        if blocked:
            yield f"{phrase}, {_listed(blocked)} block the call."
        if masked:
            yield f"{phrase}, {_listed(masked)} are masked."
    if guardrail.injection.action is BlockAction.BLOCK:
        yield f"Prompt attacks block the call, at strength {guardrail.injection.strength}."
    if guardrail.masking.style is MaskStyle.SURROGATE:
        yield "The model reads stand-ins for masked text, the same for the same value of one caller."
        whom = (
            "every caller" if "*" in guardrail.masking.restore_to else _listed(guardrail.masking.restore_to)
        )
        yield f"Answers give the originals back to {whom or 'nobody'}; never passwords, PINs and keys."
    leak = guardrail.prompt_leak
    if leak is not None:
        becomes = {"BLOCK": "blocked", "ANONYMIZE": "masked", "NONE": "noted"}[leak.action]
        yield f"An answer with {leak.words} words in a row of its system prompt is {becomes}."
    if guardrail.stream is StreamScan.BUFFERED:
        yield "A stream is held until all of it was inspected."
    if guardrail.uninspectable == "block":
        yield "Images and documents that cannot be read are refused."


def _kinds(guardrail: Guardrail, direction: str, wanted: Action) -> Iterator[str]:
    """Yield what a guardrail looks for with one action in one direction."""
    for name, action in guardrail.pii.items():
        if _in_direction(action, direction) is wanted:
            yield name.value
    if _in_direction(guardrail.credentials, direction) is wanted:
        yield "credentials"
    for regex in guardrail.regexes:
        if _in_direction(regex.action, direction) is wanted:
            yield f"pattern `{regex.name}`"
    words = sum(_word_action(word, direction) == wanted for word in guardrail.words)
    if words:
        yield f"{words} custom word{'s' * (words > 1)}"


def _in_direction(action: Action | Directions, direction: str) -> Action:
    if isinstance(action, Directions):
        return action.input if direction == "input" else action.output
    return action


def _word_action(word: object, direction: str) -> str:
    if isinstance(word, str):
        return BlockAction.BLOCK
    return str(getattr(word, "action", None) or getattr(word, direction))


def _cache(cache: Cache) -> Iterator[str]:
    like = {"exact": "bytes", "words": "words", "semantic": "meaning"}[cache.match]
    whose = "the same caller" if cache.per == "principal" else "anyone in the organisation"
    where = _models(cache.models)
    yield f"On {where}, questions of the same {like} by {whose} get the same answer for {cache.ttl}."
    yield f"Calls above {cache.max_data_class} are neither kept nor answered from memory."


def _transform(transform: Transform) -> str:
    roles = "all roles" if "*" in transform.roles else _listed(transform.roles)
    changes = [f"request: {_change(each)}" for each in transform.request]
    changes += [f"answer: {_change(each)}" for each in transform.response]
    return f"`{transform.name}`: for {roles} on {_models(transform.models)}: {'; '.join(changes)}."


def _change(change: RequestChange | ResponseChange) -> str:
    match change:
        case SetField(path=path, to=value):
            return f"`{path}` is set to {value}"
        case DefaultField(path=path, to=value):
            return f"`{path}` is {value} unless stated"
        case CapField(path=path, at=bound):
            return f"`{path}` is at most {bound}"
        case RemoveField(path=path):
            return f"`{path}` is removed"
        case AddSystem(first=first):
            return f"a system prompt of ours stands {'before' if first else 'behind'} the caller's"
        case DropReasoning():
            return "the model's reasoning is left out"
        case AppendText():
            return "a text of ours stands behind it"
        case _:
            assert_never(change)


def _limit(limit: Limit) -> str:
    spent = [
        f"{bound} {unit}"
        for bound, unit in (
            (limit.requests, "requests"),
            (limit.tokens, "tokens"),
            (limit.input_tokens, "input tokens"),
            (limit.output_tokens, "output tokens"),
        )
        if bound is not None
    ]
    if limit.cost is not None:
        spent.append(f"{limit.cost:g} {limit.currency}")
    span = f"in a calendar {limit.per} ({limit.zone})" if limit.per else f"in {limit.window}"
    held = [
        f"{bound} {unit}"
        for bound, unit in ((limit.streams, "streams"), (limit.concurrent, "calls"))
        if bound is not None
    ]
    may = [f"spend {_listed(spent)} {span}"] * bool(spent) + [f"have {_listed(held)} open at once"] * bool(
        held
    )
    alerts = f"; alerts at {_listed([f'{each} %' for each in limit.alert_at])}" if limit.alert_at else ""
    whose = "the organisation" if limit.scope == "organisation" else f"each {limit.scope}"
    roles = "" if "*" in limit.roles else f" (calls by {_listed(limit.roles)})"
    models = "" if "*" in limit.models else f" on {_models(limit.models)}"
    return f"`{limit.name}`: {whose}{roles} may {' and '.join(may)}{models}{alerts}."


_UNCOUNTED = {
    "refuse": "calls that a limit applies to are refused.",
    "local": "each gateway counts by itself, up to {share} % of each limit.",
    "allow": "calls pass uncounted.",
}


def _counting(policy: Policy) -> Iterator[str]:
    if not policy.limits:
        return
    rates = policy.rates
    yield "What is counted lives in the gateway's memory, or in a store that several gateways share."
    meanwhile = _UNCOUNTED[rates.when_unavailable].format(share=rates.local_share)
    yield f"While a shared store is gone, {meanwhile}"
    how = "a token for four bytes" if rates.reserve == "estimate" else "a token for each byte"
    yield f"A call reserves {how}, and the output that it states, or {rates.assume_output} tokens."
    if any(limit.cost is not None for limit in policy.limits):
        verb = "refused" if rates.unpriced == "refuse" else "let through"
        yield f"Under a limit of money, a call of a model without a price is {verb}."


def _record(policy: Policy) -> Iterator[str]:
    if policy.record.durability is Durability.STRICT:
        yield "An answer leaves only after its record is on disk."
    if not policy.record.client:
        yield "Records do not say from which address a call came."
    if policy.record.store is not None:
        yield from _store(policy.record.store, policy.retention.ledger_days)
    if policy.record.anchors:
        names = ", ".join(f"`{_anchor_name(each)}`" for each in policy.record.anchors)
        yield f"Every {policy.record.anchor_every} signed checkpoints go to {names}."
    retention = policy.retention
    if retention.content is Content.NONE:
        yield f"Records are kept {retention.ledger_days} days; texts of calls are not stored."
        return
    yield f"Records are kept {retention.ledger_days} days."
    subject = retention.subject
    whose = {
        "principal": "the caller",
        "tenant": "the caller's tenant",
        "header": f"who the header `{subject.name}` names",
        "metadata": f"who `requestMetadata` names under `{subject.name}`",
    }[subject.source]
    yield (
        f"What is sent to models and what they answer is kept {retention.content_days} days, encrypted "
        f"under a key of its subject: {whose}."
    )
    if retention.envelope is not None:
        yield (
            f"These keys are wrapped by the KMS key `{retention.envelope.kms_key_id}`; an opened one is used "
            f"for {retention.envelope.cache} at most."
        )
    if subject.source != "principal":
        verb = "is refused" if subject.missing == "refuse" else "counts as the caller's own"
        yield f"A call that names no subject {verb}."
    if retention.content_failure == "refuse":
        yield "A call whose content cannot be kept is refused."


def _store(store: S3Store, days: int) -> Iterator[str]:
    yield (
        f"Every {store.interval} what was published is copied to `s3://{store.bucket}/{store.prefix}` and "
        f"locked there for {store.lock_days or days} days."
    )
    if store.when_behind == "refuse":
        yield f"Calls are refused while more than {store.most_behind} records of a log are not copied."


def _anchor_name(anchor: Anchor) -> str:
    match anchor:
        case S3Anchor():
            return f"s3://{anchor.bucket}/{anchor.prefix}"
        case FolderAnchor():
            return anchor.path
        case WitnessAnchor():
            return anchor.url
        case _:
            assert_never(anchor)


def _limit_gaps(policy: Policy) -> Iterator[str]:
    if not policy.limits:
        yield "Nothing bounds how much anyone spends."
    elif policy.rates.when_unavailable == "allow":
        yield "Limits bind nobody while the shared store is gone."
    if any(each.per or parse_duration(each.window) >= parse_duration("1h") for each in policy.limits):
        yield "What is counted in a gateway's memory, not in a shared store, is forgotten when it restarts."
    if policy.rates.unpriced == "allow" and any(limit.cost is not None for limit in policy.limits):
        yield "Limits of money do not see models without a price."


def _gaps(policy: Policy) -> Iterator[str]:
    """Yield what a reader may think is protected and is not."""
    yield from _limit_gaps(policy)
    for name, guardrail in policy.guardrails.items():
        for gap in _guardrail_gaps(guardrail):
            yield f"Guardrail `{name}`: {gap}"
    yield from residency_gaps(policy)
    yield from _record_gaps(policy)
    for name, upstream in policy.upstreams.items():
        url = getattr(upstream, "base_url", "") or getattr(upstream, "endpoint_url", "")
        if url.startswith("http://"):
            yield f"Calls to upstream `{name}` are not encrypted."
    yield "Names and postal addresses of people follow no pattern and are not found."


def _record_gaps(policy: Policy) -> Iterator[str]:
    if policy.record.durability is Durability.BOUNDED:
        yield f"A crash can lose the record of the last {policy.record.window}."
    if not policy.record.anchors and policy.record.store is None:
        yield "Whoever has the gateway's disk and the ledger's key can cut or rewrite the record unnoticed."
    if policy.record.store is not None and policy.record.store.when_behind == "go-on":
        yield "The copy of the record may fall behind without limit; a metric says how far."
    if policy.store.stale_for != Store().stale_for:
        yield f"A revoked key may work for {policy.store.stale_for} while a shared database does not answer."
    if policy.retention.content is Content.ENCRYPTED and policy.retention.content_failure == "proceed":
        yield "Content that cannot be kept is missing; its record says so."


def _guardrail_gaps(guardrail: Guardrail) -> Iterator[str]:
    seen = {name for name, action in guardrail.pii.items() if _acts_both_ways(action)}
    covered = set(seen)
    if _acts_both_ways(guardrail.credentials):  # `pii` may say otherwise of these two, and then counts
        covered |= {PiiType.AWS_ACCESS_KEY, PiiType.AWS_SECRET_KEY} - guardrail.pii.keys()
    missing = [each.value for each in PiiType if each not in covered]
    if not seen:
        yield "no personal data is masked or blocked in both directions."
    elif missing:
        yield f"passes in one direction or both: {_listed(missing)}."
    if not _acts_both_ways(guardrail.credentials):
        yield "credentials can pass."
    if guardrail.injection.action is BlockAction.NONE:
        yield "prompt attacks are noted, not blocked."
    if guardrail.stream is StreamScan.ASYNC:
        yield "streams leave before they are scanned: unmasked, and a find can only end them late."
    if guardrail.uninspectable == "allow":
        yield "images and documents pass uninspected."


def _acts_both_ways(action: Action | Directions) -> bool:
    return all(_in_direction(action, each) is not Action.NONE for each in ("input", "output"))


def _models(globs: Sequence[str]) -> str:
    return "every model" if "*" in globs else _listed([f"`{each}`" for each in globs])


def _listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
