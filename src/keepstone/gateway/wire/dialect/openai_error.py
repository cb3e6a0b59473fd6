"""Refusals as OpenAI's error object: which status and type each of AWS's becomes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from keepstone.core.decision import Reason, ReasonCode

_CREDENTIALS = frozenset(
    {
        ReasonCode.CREDENTIALS_MISSING,
        ReasonCode.CREDENTIALS_UNKNOWN,
        ReasonCode.CREDENTIALS_EXPIRED,
        ReasonCode.CREDENTIALS_REVOKED,
    }
)
_STATUS = {424: 502}  # a failed dependency is AWS's word for a bad gateway
_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def status_of(reason: Reason, status: int) -> int:
    """Return the status that clients of other protocols expect for one of AWS's."""
    if reason.code in _CREDENTIALS:
        return 401
    if reason.code is ReasonCode.REQUEST_TOO_LARGE:
        return 413
    if reason.code is ReasonCode.UPSTREAM_TIMED_OUT:
        return 504
    return _STATUS.get(status, status)


def error_document(reason: Reason, status: int) -> dict[str, Any]:
    """Return the error object; its `code` is our reason's."""
    status = status_of(reason, status)
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    message = f"{reason.message} (keepstone: {reason.code.value})"
    return {"error": {"message": message, "type": kind, "param": None, "code": reason.code.value}}


def openai_error(reason: Reason, status: int) -> tuple[int, bytes]:
    """Return status and body."""
    return status_of(reason, status), msgspec.json.encode(error_document(reason, status))
