"""Refusals as Anthropic's error object."""

from collections.abc import Mapping
from typing import Any

import msgspec

from keepstone.core.decision import Reason
from keepstone.gateway.wire.dialect.openai_error import status_of

_STATUS = {503: 529}  # Anthropic's own for an overloaded service; its SDK tries again after both
_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def error_document(reason: Reason, status: int) -> dict[str, Any]:
    """Return the error object."""
    kind = _TYPES.get(status_in(reason, status), "")
    if not kind:
        kind = "api_error" if status_in(reason, status) >= 500 else "invalid_request_error"
    message = f"{reason.message} (keepstone: {reason.code.value})"
    return {"type": "error", "error": {"type": kind, "message": message}}


def status_in(reason: Reason, status: int) -> int:
    """Return the status that Anthropic's clients expect for one of AWS's."""
    found = status_of(reason, status)
    return _STATUS.get(found, found)


def anthropic_error(reason: Reason, status: int, call_id: str) -> tuple[int, bytes]:
    """Return status and body; the body names the call, too."""
    document = {**error_document(reason, status), "request_id": call_id}
    return status_in(reason, status), msgspec.json.encode(document)
