"""Refusals in AWS's own shape: which exception and status each reason code becomes, and its bytes.

Clients map the header `x-amzn-errortype` to their exception classes, so an unmodified SDK raises, say,
`ThrottlingException` and obeys `retry-after`. The reason code travels in the message and in a header.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

from keepstone.core.decision import Reason, ReasonCode

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class AwsError:
    """An exception's name and its HTTP status."""

    name: str
    status: int

    @property
    def event_type(self) -> str:
        """Return the name as it stands inside an event stream, such as `throttlingException`."""
        return self.name[0].lower() + self.name[1:]


_MODELLED = {  # bedrock-runtime's service model
    "AccessDeniedException": 403,
    "ConflictException": 400,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
_COMMON = {  # errors that every AWS service shares
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 400,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "RequestTimeoutException": 408,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
}

ERRORS: Mapping[str, AwsError] = MappingProxyType(
    {name: AwsError(name, status) for name, status in (_MODELLED | _COMMON).items()}
)
"""Every exception that the gateway can show or meet, by name."""

_BY_NAME: Mapping[str, tuple[ReasonCode, ...]] = {
    "MissingAuthenticationTokenException": (ReasonCode.CREDENTIALS_MISSING,),
    "UnrecognizedClientException": (
        ReasonCode.CREDENTIALS_UNKNOWN,
        ReasonCode.CREDENTIALS_REVOKED,
        ReasonCode.CREDENTIALS_NOT_YET_VALID,
        ReasonCode.CREDENTIALS_FOR_ANOTHER,
        ReasonCode.CREDENTIALS_INCOMPLETE,
        ReasonCode.CREDENTIALS_NOT_BOUND,
        ReasonCode.CREDENTIALS_REPLAYED,
    ),
    "IncompleteSignatureException": (ReasonCode.SIGNATURE_INCOMPLETE,),
    "InvalidSignatureException": (ReasonCode.SIGNATURE_MISMATCH, ReasonCode.SIGNATURE_NOT_CURRENT),
    "ExpiredTokenException": (ReasonCode.CREDENTIALS_EXPIRED,),
    "AccessDeniedException": (
        ReasonCode.ROLE_UNKNOWN,
        ReasonCode.NO_RULE_ALLOWS,
        ReasonCode.DENIED_BY_RULE,
        ReasonCode.OUT_OF_KEY_SCOPE,
        ReasonCode.DATA_CLASS_TOO_HIGH,
        ReasonCode.PRICE_UNKNOWN,
        ReasonCode.PURPOSE_REQUIRED,
        ReasonCode.PURPOSE_NOT_ALLOWED,
        ReasonCode.REGION_NOT_ALLOWED,
        ReasonCode.OUTSIDE_HOURS,
        ReasonCode.OUTPUT_CLASS_TOO_HIGH,
        ReasonCode.STEP_UP_REQUIRED,
        ReasonCode.TRANSFER_REFUSED,
        ReasonCode.CONSENT_MISSING,
        ReasonCode.DESTINATION_UNKNOWN,
    ),
    "ResourceNotFoundException": (ReasonCode.MODEL_UNKNOWN, ReasonCode.GUARDRAIL_UNKNOWN),
    "ThrottlingException": (
        ReasonCode.REQUEST_LIMIT_SPENT,
        ReasonCode.TOKEN_LIMIT_SPENT,
        ReasonCode.UPSTREAM_THROTTLED,
        ReasonCode.COST_LIMIT_SPENT,
        ReasonCode.CONCURRENCY_LIMIT_SPENT,
    ),
    "ValidationException": (
        ReasonCode.REQUEST_MALFORMED,
        ReasonCode.PURPOSE_UNKNOWN,
        ReasonCode.REQUEST_TOO_LARGE,
        ReasonCode.TRANSFORM_IMPOSSIBLE,
        ReasonCode.SUBJECT_MISSING,
        ReasonCode.CONTENT_NOT_INSPECTABLE,
        # Bodies that can say so carry the guardrail's own answer; these are the operations that cannot.
        ReasonCode.INPUT_BLOCKED,
        ReasonCode.OUTPUT_BLOCKED,
        ReasonCode.OPERATION_UNSUPPORTED_BY_UPSTREAM,
        ReasonCode.OPERATION_NOT_SERVED,
    ),
    "UnknownOperationException": (ReasonCode.OPERATION_UNKNOWN,),
    "RequestTimeoutException": (ReasonCode.REQUEST_TIMED_OUT, ReasonCode.CALLER_LEFT),
    "ModelErrorException": (ReasonCode.UPSTREAM_REFUSED, ReasonCode.UPSTREAM_MALFORMED),
    "ModelTimeoutException": (ReasonCode.UPSTREAM_TIMED_OUT, ReasonCode.DEADLINE_EXCEEDED),
    "ServiceUnavailableException": (
        ReasonCode.NO_UPSTREAM,
        ReasonCode.DESTINATION_PENDING,
        ReasonCode.UPSTREAM_UNAVAILABLE,
        ReasonCode.UPSTREAM_RESTS,
        ReasonCode.LEDGER_UNAVAILABLE,
        ReasonCode.LEDGER_UNCOPIED,
        ReasonCode.CONTENT_UNAVAILABLE,
        ReasonCode.RATES_UNAVAILABLE,
        ReasonCode.OVERLOADED,
        ReasonCode.SHUTTING_DOWN,
        ReasonCode.IDENTITY_PROVIDER_UNAVAILABLE,
    ),
    "InternalServerException": (
        ReasonCode.INTERNAL,
        # These are no refusals: to render one as an error would be our own fault.
        ReasonCode.ALLOWED,
        ReasonCode.TRANSFER_ALLOWED,
        ReasonCode.INPUT_MASKED,
        ReasonCode.OUTPUT_MASKED,
        ReasonCode.REQUEST_TRANSFORMED,
        ReasonCode.ANSWER_TRANSFORMED,
        ReasonCode.ANSWERED_FROM_CACHE,
    ),
}

WIRE: Mapping[ReasonCode, AwsError] = MappingProxyType(
    {code: ERRORS[name] for name, codes in _BY_NAME.items() for code in codes}
)
"""What each reason code becomes on the wire; total over `ReasonCode`."""

_STREAMED: Mapping[str, str] = {  # exceptions that are members of the response streams
    "InternalServerException": "internalServerException",
    "ModelErrorException": "modelStreamErrorException",
    "ModelStreamErrorException": "modelStreamErrorException",
    "ModelTimeoutException": "modelStreamErrorException",  # a member of InvokeModel's stream only
    "ServiceUnavailableException": "serviceUnavailableException",
    "ThrottlingException": "throttlingException",
    "ValidationException": "validationException",
}


def error_body(
    reason: Reason, error: AwsError, *, original_status: int | None = None, resource: str = ""
) -> bytes:
    """Return the JSON body; a model's error also says what the model's server answered, and which one."""
    body: dict[str, object] = {"message": f"{reason.message} (keepstone: {reason.code.value})"}
    if error.name in ("ModelErrorException", "ModelStreamErrorException") and original_status is not None:
        body["originalStatusCode"] = original_status
    if error.name == "ModelErrorException" and resource:
        body["resourceName"] = resource
    return msgspec.json.encode(body)


def render(
    reason: Reason,
    request_id: str,
    *,
    retry_after: int | None = None,
    original_status: int | None = None,
    resource: str = "",
) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of a refusal; `retry_after` is in whole seconds."""
    error = WIRE[reason.code]
    body = error_body(reason, error, original_status=original_status, resource=resource)
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-amzn-errortype", error.name.encode()),
        (b"x-amzn-requestid", request_id.encode("ascii", "replace")),
        (b"x-keepstone-reason", reason.code.value.encode()),
    ]
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(retry_after, 0)))
    return error.status, headers, body


def stream_exception(reason: Reason, *, original_status: int | None = None) -> tuple[str, bytes]:
    """Return type and payload of the exception that ends a stream for `reason`.

    Exceptions that the response streams do not know become `internalServerException`, which every client
    raises.
    """
    name = _STREAMED.get(WIRE[reason.code].name, "internalServerException")
    error = ERRORS[name[0].upper() + name[1:]]
    return name, error_body(reason, error, original_status=original_status)
