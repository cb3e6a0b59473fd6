"""Reading a call's body: bounded in size and in time, so that nobody can hold the gateway's memory."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.errors import KeepstoneError
from keepstone.gateway.call import Call

WHOLE = "keepstone.whole"
"""The entry of an ASGI scope by which the listener says that the whole request has arrived."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class CallerLeftError(KeepstoneError):
    """The caller closed the connection before its request was complete."""

    code = "request.caller_left"


async def read_body(call: Call, receive: Receive, *, whole: bool = False) -> Decision | None:
    """Read the whole body into the call; the refusal, if it is too large or does not come in time.

    `whole` says that it has arrived already, so that no clock need be set. Raises `CallerLeftError`.
    """
    bounds = call.active.policy.gateway
    declared = call.headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared[:20]) > bounds.max_request_bytes:
        return _too_large(bounds.max_request_bytes)
    try:
        if whole:
            body = _taken(await receive(), bounds.max_request_bytes)
        else:
            async with asyncio.timeout(bounds.body_timeout_s):
                body = await _receive_all(receive, bounds.max_request_bytes)
    except TimeoutError:
        message = f"the body did not arrive within {bounds.body_timeout_s:g} s"
        return Decision.refuse(ReasonCode.REQUEST_TIMED_OUT, message)
    if body is None:
        return _too_large(bounds.max_request_bytes)
    call.body = body
    return None


async def _receive_all(receive: Receive, most: int) -> bytes | None:
    """Return the body, or `None` as soon as it is longer than `most`."""
    message = await receive()
    if message.get("more_body"):
        body = bytearray(message.get("body", b""))
        while message.get("more_body") and len(body) <= most:
            message = await receive()
            body += message.get("body", b"")
        message["body"] = bytes(body)
    return _taken(message, most)


def _taken(message: MutableMapping[str, Any], most: int) -> bytes | None:
    """Return the whole body that a last message holds, or `None` when it is longer than `most`."""
    if message["type"] == "http.disconnect":
        raise CallerLeftError("the caller left before its request was complete")
    body: bytes = message.get("body", b"")
    return body if len(body) <= most else None


def _too_large(bound: int) -> Decision:
    return Decision.refuse(ReasonCode.REQUEST_TOO_LARGE, f"the body is larger than {bound} bytes")
