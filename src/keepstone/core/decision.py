"""What was decided about a call, and because of what."""

from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """The three answers of a deciding stage."""

    __hash__ = str.__hash__  # looked up several times a call; the enum's own is Python

    ALLOW = "allow"
    TRANSFORM = "transform"
    REFUSE = "refuse"


class ReasonCode(StrEnum):
    """Every reason for which Keepstone refuses or changes a call; stable, documented, counted in metrics."""

    __hash__ = str.__hash__  # looked up several times a call; the enum's own is Python

    # identify
    CREDENTIALS_MISSING = "credentials_missing"
    CREDENTIALS_UNKNOWN = "credentials_unknown"
    CREDENTIALS_EXPIRED = "credentials_expired"
    CREDENTIALS_REVOKED = "credentials_revoked"
    CREDENTIALS_NOT_YET_VALID = "credentials_not_yet_valid"
    CREDENTIALS_FOR_ANOTHER = "credentials_for_another"
    CREDENTIALS_INCOMPLETE = "credentials_incomplete"
    CREDENTIALS_NOT_BOUND = "credentials_not_bound"
    CREDENTIALS_REPLAYED = "credentials_replayed"
    SIGNATURE_INCOMPLETE = "signature_incomplete"
    SIGNATURE_MISMATCH = "signature_mismatch"
    SIGNATURE_NOT_CURRENT = "signature_not_current"
    IDENTITY_PROVIDER_UNAVAILABLE = "identity_provider_unavailable"
    # admit
    ALLOWED = "allowed"
    MODEL_UNKNOWN = "model_unknown"
    ROLE_UNKNOWN = "role_unknown"
    NO_RULE_ALLOWS = "no_rule_allows"
    DENIED_BY_RULE = "denied_by_rule"
    OUT_OF_KEY_SCOPE = "out_of_key_scope"
    DATA_CLASS_TOO_HIGH = "data_class_too_high"
    PURPOSE_REQUIRED = "purpose_required"
    PURPOSE_UNKNOWN = "purpose_unknown"
    PURPOSE_NOT_ALLOWED = "purpose_not_allowed"
    REGION_NOT_ALLOWED = "region_not_allowed"
    OUTSIDE_HOURS = "outside_hours"
    STEP_UP_REQUIRED = "step_up_required"
    # budget
    REQUEST_LIMIT_SPENT = "request_limit_spent"
    TOKEN_LIMIT_SPENT = "token_limit_spent"  # noqa: S105 - a reason, not a secret
    COST_LIMIT_SPENT = "cost_limit_spent"
    CONCURRENCY_LIMIT_SPENT = "concurrency_limit_spent"
    PRICE_UNKNOWN = "price_unknown"
    RATES_UNAVAILABLE = "rates_unavailable"
    # the request itself
    REQUEST_MALFORMED = "request_malformed"
    REQUEST_TOO_LARGE = "request_too_large"
    REQUEST_TIMED_OUT = "request_timed_out"
    OPERATION_NOT_SERVED = "operation_not_served"
    OPERATION_UNKNOWN = "operation_unknown"
    GUARDRAIL_UNKNOWN = "guardrail_unknown"
    SUBJECT_MISSING = "subject_missing"
    CONTENT_NOT_INSPECTABLE = "content_not_inspectable"
    TRANSFORM_IMPOSSIBLE = "transform_impossible"
    REQUEST_TRANSFORMED = "request_transformed"
    ANSWER_TRANSFORMED = "answer_transformed"
    # inspect
    INPUT_BLOCKED = "input_blocked"
    INPUT_MASKED = "input_masked"
    OUTPUT_BLOCKED = "output_blocked"
    OUTPUT_MASKED = "output_masked"
    OUTPUT_CLASS_TOO_HIGH = "output_class_too_high"
    # route, forward
    TRANSFER_ALLOWED = "transfer_allowed"
    TRANSFER_REFUSED = "transfer_refused"
    CONSENT_MISSING = "consent_missing"
    DESTINATION_UNKNOWN = "destination_unknown"
    DESTINATION_PENDING = "destination_pending"
    NO_UPSTREAM = "no_upstream"
    OPERATION_UNSUPPORTED_BY_UPSTREAM = "operation_unsupported_by_upstream"
    UPSTREAM_REFUSED = "upstream_refused"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    UPSTREAM_THROTTLED = "upstream_throttled"
    UPSTREAM_RESTS = "upstream_rests"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UPSTREAM_TIMED_OUT = "upstream_timed_out"
    UPSTREAM_MALFORMED = "upstream_malformed"
    ANSWERED_FROM_CACHE = "answered_from_cache"
    # record, run
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    LEDGER_UNCOPIED = "ledger_uncopied"
    CONTENT_UNAVAILABLE = "content_unavailable"
    OVERLOADED = "overloaded"
    SHUTTING_DOWN = "shutting_down"
    CALLER_LEFT = "caller_left"
    INTERNAL = "internal"


class Reason(Struct, frozen=True):
    """One ground of a decision: its code, a sentence for people, and the policy path it rests on."""

    code: ReasonCode
    message: str
    path: str = ""


class Decision(Struct, frozen=True):
    """An outcome and all its grounds, the deciding one first."""

    outcome: Outcome
    reasons: tuple[Reason, ...]

    @property
    def allowed(self) -> bool:
        """Say whether the call may go on."""
        return self.outcome is not Outcome.REFUSE

    @property
    def reason(self) -> Reason:
        """Return the deciding ground."""
        return self.reasons[0]

    @classmethod
    def refuse(cls, code: ReasonCode, message: str, path: str = "") -> "Decision":
        """Build a refusal with one ground."""
        return cls(Outcome.REFUSE, (Reason(code, message, path),))

    @classmethod
    def allow(cls, message: str, path: str = "") -> "Decision":
        """Build an admission that says which rule gave it."""
        return cls(Outcome.ALLOW, (Reason(ReasonCode.ALLOWED, message, path),))
