"""The deciding stages, in the order in which a call goes through them; each says no, or nothing.

A stage is a function of the call and of what the gateway holds. It fills the call with what it found out and
returns a refusal, or `None` to let the call go on. None of them waits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from keepstone.core.clock import Clock
from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import RequestError
from keepstone.core.exchange import DataClass, Operation
from keepstone.core.principal import Principal
from keepstone.gateway.admit import (
    admit_raised,
    decide_admission,
    may_state_purpose_later,
    purpose_of_body,
    purpose_of_headers,
    raise_class,
    states_purpose_in_body,
)
from keepstone.gateway.call import Call
from keepstone.gateway.charge import expected
from keepstone.gateway.dialects import (
    LISTINGS,
    UNKNOWN_PATH,
    V1,
    body_in_dialect,
    dialect_of,
    take_api_key,
)
from keepstone.gateway.identify.callers import MISSING
from keepstone.gateway.identify.pending import Pending
from keepstone.gateway.identify.sigv4 import ALGORITHM, SignedRequest
from keepstone.gateway.inspection import inspect_request, resolve_guardrails
from keepstone.gateway.keeping import subject_of
from keepstone.gateway.metrics import Metrics
from keepstone.gateway.ports import AlertSink, SharedRates
from keepstone.gateway.rates.budget import Budget
from keepstone.gateway.rates.lines import Demand, Reservation, Spent
from keepstone.gateway.residency import Question, ResidencyGuard
from keepstone.gateway.transforms import transform_request
from keepstone.gateway.trials import try_canary
from keepstone.gateway.wire import routes
from keepstone.gateway.wire.count_tokens import Counted, unwrap
from keepstone.gateway.wire.dialect.dialect import Asked
from keepstone.gateway.wire.slots import decode_document
from keepstone.gateway.wire.unserved import WHY, unserved
from keepstone.policy.step_up import unmet
from keepstone.store.keys import PREFIX, KeyRing

BEARER = b"bearer "
KEY_PREFIX = f"{PREFIX}_".encode()
NO_BEARER = Decision.refuse(
    ReasonCode.CREDENTIALS_MISSING,
    "the call carries no bearer token; set AWS_BEARER_TOKEN_BEDROCK to a key of this gateway",
)
DATA_CLASS = b"x-keepstone-data-class"
DATA_CLASS_NAME = DATA_CLASS.decode()


@dataclass(slots=True)
class Stores:
    """What the stages look things up in; they live as long as the gateway."""

    keys: KeyRing
    budget: Budget
    metrics: Metrics
    clock: Clock
    shared: SharedRates | None = None
    alerts: tuple[AlertSink, ...] = ()


Stage = Callable[[Call, Stores], Decision | None]


def identify(call: Call, stores: Stores) -> Decision | None:
    """Find out who calls: the holder of an API key, or of another proof that the policy accepts."""
    header = call.headers.get(b"authorization", b"")
    callers = call.active.callers
    now_ns = stores.clock.wall_ns()
    found: Principal | Decision | Pending
    if header[:7].lower() == BEARER:
        token = header[7:].strip()
        if callers is None or token.startswith(KEY_PREFIX):
            found = stores.keys.identify(token.decode("latin-1"), now_ns)
        else:
            operation = call.route.operation if call.route else None
            found = callers.bearer(token, now_ns, callers.peer(call.scope), operation)
    elif callers is None:
        found = NO_BEARER
    elif header.startswith(ALGORITHM):
        found = callers.signer(_signed(call), now_ns, stores.keys)
    else:
        found = MISSING if header else callers.holder(callers.peer(call.scope), now_ns)
    if isinstance(found, Principal):
        call.principal = found
        return None
    if isinstance(found, Pending):
        call.pending = found
        return found.refusal
    return found


def _signed(call: Call) -> SignedRequest:
    scope = call.scope
    body = call.body if call.body_read else None
    return SignedRequest(scope["method"], scope["raw_path"] or b"", scope["query_string"], call.headers, body)


def admit(call: Call, stores: Stores) -> Decision | None:
    """Decide whether this caller may use this model, by this operation, with this class of data."""
    route, policy = call.route, call.active.policy
    if route is None and call.unserved:
        return Decision.refuse(ReasonCode.OPERATION_NOT_SERVED, WHY[call.unserved])
    if route is None:
        return Decision.refuse(ReasonCode.OPERATION_UNKNOWN, "no operation that is served has this path")
    label = call.headers.get(DATA_CLASS)
    try:
        call.data_class, call.class_source = policy.classify(
            call.principal, label.decode("latin-1") if label else None
        )
    except ValueError:  # its text quotes the header, which may hold anything
        expected = ", ".join(each.label for each in DataClass)
        message = f"header `{DATA_CLASS_NAME}` names no data class, expected one of {expected}"
        return Decision.refuse(ReasonCode.REQUEST_MALFORMED, message)
    if policy.purposes:
        refusal = purpose_of_headers(call)
        if refusal is not None:
            return refusal
    call.model = policy.model(route.model_id) if route.model_id else None
    refusal = decide_admission(call)
    if refusal is not None and may_state_purpose_later(call, refusal):
        refusal = None
    if refusal is None and policy.step_up:
        return unmet(policy.step_up, call.principal, route.operation, route.model_id, call.wall_ns)
    return refusal


def admit_body(call: Call, stores: Stores) -> Decision | None:
    """Decide again with the purpose that the body states, where a policy knows purposes."""
    if not call.active.policy.purposes or not states_purpose_in_body(call):
        return None
    refusal = purpose_of_body(call)
    return refusal if refusal is not None else decide_admission(call)


def parse(call: Call, stores: Stores) -> Decision | None:
    """Decode the body, change it as the policy says, and find the guardrails that apply to it."""
    try:
        call.document = decode_document(call.body)
        if call.route is not None and call.route.operation is Operation.COUNT_TOKENS:
            call.counted = unwrap(call.document)
            call.document = call.counted.document
    except RequestError as error:
        return _malformed(call, error)
    return guard(call, stores)


def translate(call: Call, stores: Stores) -> Decision | None:
    """Read a body of another protocol as the Bedrock call that it stands for."""
    assert call.dialect is not None  # noqa: S101 - only such calls come this way
    try:
        taken = call.dialect.take(call.body, call.headers)
    except RequestError as error:
        return _malformed(call, error)
    call.route = routes.Route(taken.operation, taken.model_id)
    call.document = taken.document
    if taken.operation is Operation.COUNT_TOKENS:
        call.counted = Counted(Operation.CONVERSE, call.document)
    asked = Asked(call.id, taken.model_id, call.wall_ns // 1_000_000_000)
    call.spoken = body_in_dialect(taken.operation, taken.model_id, taken.writer(asked))
    return None


def _malformed(call: Call, error: RequestError) -> Decision:
    """Refuse a body that cannot be read; a compressed one is never unpacked, so no small one becomes huge."""
    message = error.message
    if call.headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        message = "the body is compressed (`content-encoding`), expected it as it is"
    return Decision.refuse(ReasonCode.REQUEST_MALFORMED, message)


def guard(call: Call, stores: Stores) -> Decision | None:
    """Change a translated call as the policy says, and find the guardrails that apply to it."""
    try:
        return resolve_guardrails(call) or transform_request(call)
    except RequestError as error:
        return Decision.refuse(ReasonCode.REQUEST_MALFORMED, error.message)


def budget(call: Call, stores: Stores) -> Decision | None:
    """Count the call against its limits, and reserve what it may use; a shared store is asked by `app`."""
    assert call.route is not None  # noqa: S101 - admit refuses a call without a route
    model_id = call.route.model_id
    limits = call.active.policy.limits_of(call.principal, model_id)
    if not limits:
        return None
    wanted = expected(call, limits)
    if not wanted.priced:
        if not call.active.policy.rates.allow_unpriced:
            message = "a limit of money applies, and the model has no price in its currency"
            return Decision.refuse(ReasonCode.PRICE_UNKNOWN, message)
        stores.metrics.unpriced.inc()
    if stores.shared is not None:
        lines = stores.budget.lines(limits, call.principal, model_id)
        call.demand = Demand(lines, wanted.amounts)
        return None
    now_ns = stores.clock.monotonic_ns()
    return counted(call, stores.budget.take(limits, call.principal, model_id, wanted.amounts, now_ns), stores)


def counted(call: Call, taken: Reservation | Spent, stores: Stores) -> Decision | None:
    """Let the call keep what it has taken, or refuse it; tell of the thresholds that this reached."""
    if taken.alerts:
        for sink in stores.alerts:
            sink.reached(taken.alerts, call.active.policy.hash)
    if isinstance(taken, Spent):
        call.retry_after = taken.retry_after
        return taken.decision
    call.reservation = taken
    return None


def keep(call: Call, stores: Stores) -> Decision | None:
    """Find out whose the content is, where the policy keeps it."""
    return None if call.active.policy.content is None else subject_of(call)


def inspect_input(call: Call, stores: Stores) -> Decision | None:
    """Look for what must not reach the model; mask what may reach it masked."""
    started = stores.clock.monotonic_ns()
    try:
        decision = inspect_request(call, stores.metrics)
    except RequestError as error:
        return Decision.refuse(ReasonCode.REQUEST_MALFORMED, error.message)
    finally:
        call.inspect_ns += stores.clock.monotonic_ns() - started
    if call.findings and raise_class(call) and decision is None:
        return admit_raised(call)
    return decision


def route(call: Call, stores: Stores) -> Decision | None:
    """Choose the upstreams that may be asked, in the order in which they are tried.

    Where a policy has rules on residency, only those are left whose every destination is allowed.
    """
    if call.model is None:  # the text goes to no model
        return None
    residency = call.active.residency
    if residency is None:
        call.candidates = call.cleared
    else:
        refusal = _narrow(call, stores, residency)
        if refusal is not None:
            return refusal
    if call.model.canary is not None:
        try_canary(call, call.model.canary)
    return None


def _narrow(call: Call, stores: Stores, residency: ResidencyGuard) -> Decision | None:
    """Leave the upstreams whose every destination is allowed."""
    assert call.model is not None  # noqa: S101 - the caller has just looked
    assert call.route is not None  # noqa: S101 - admit refuses a call without a route
    question = Question(
        call.principal.roles, call.route.model_id, call.model, call.cleared, call.purpose, call.headers
    )
    found = residency.route(question, call.wall_ns)
    if isinstance(found, Decision):
        if found.reason.code is ReasonCode.DESTINATION_PENDING:
            call.retry_after = 1
        return found
    call.candidates = found.candidates
    call.notes.append(found.note)
    if found.assumed:
        stores.metrics.assumed_destinations.inc()
    return None


BEFORE_BODY: tuple[tuple[str, Stage], ...] = (("identify", identify), ("admit", admit))
"""What is decided before a byte of the body is read, so that strangers cannot make the gateway work."""

AFTER_BODY: tuple[tuple[str, Stage], ...] = (
    ("parse", parse),
    ("admit", admit_body),
    ("budget", budget),
)
"""What is decided with the whole request at hand."""


class Way(NamedTuple):
    """The stages of a kind of call, up to its inspection."""

    before_body: tuple[tuple[str, Stage], ...]
    after_body: tuple[tuple[str, Stage], ...]


OF_BEDROCK = Way(BEFORE_BODY, AFTER_BODY)

OF_LISTING = Way(BEFORE_BODY, ())

OF_DIALECT = Way(
    (("identify", identify),),
    (
        ("parse", translate),
        ("admit", admit),
        ("admit", admit_body),
        ("parse", guard),
        ("budget", budget),
    ),
)
"""Other protocols name the model in the body: it is read for known callers only, and admitted after that."""

INSPECT: tuple[tuple[str, Stage], ...] = (("parse", keep), ("inspect", inspect_input), ("route", route))
"""The last words before `forward`; the output's inspection and `record` follow that."""


def decide(call: Call, stores: Stores, pipeline: tuple[tuple[str, Stage], ...]) -> Decision | None:
    """Run stages until one refuses; the call remembers which stage spoke last."""
    for name, stage in pipeline:
        call.stage = name
        decision = stage(call, stores)
        if decision is not None:
            call.decision = decision
            return decision
    return None


def begin(call: Call, method: str, raw_path: bytes) -> Way:
    """Give the call its route, if its path has one, and return the way that it goes."""
    call.route = routes.parse(method, raw_path)
    if call.route is not None:
        return OF_BEDROCK
    if method == "GET" and call.listed is not None:
        call.route = routes.Route(call.listed.operation)
        call.dialect = LISTINGS.get(call.listed.protocol)
        take_api_key(call.headers)
        return OF_LISTING
    call.dialect = dialect_of(method, raw_path, call.headers)
    if call.dialect is not None:
        return OF_DIALECT
    call.unserved = unserved(method, raw_path)
    if raw_path.startswith(V1):
        call.dialect = UNKNOWN_PATH
    return OF_BEDROCK
