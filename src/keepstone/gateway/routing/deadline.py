"""How long a caller waits: what the policy allows, or less, if the call says so. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache

from keepstone.core.errors import RequestError

DEADLINE = b"x-keepstone-deadline-ms"
SDK_REQUEST = b"amz-sdk-request"
_MOST_DIGITS = 12


def seconds_left(headers: Mapping[bytes, bytes], allowed_s: float, elapsed_ns: int, wall_ns: int) -> float:
    """Return the seconds until a call's deadline, none or less when it is over.

    `amz-sdk-request` may hold the moment at which an AWS SDK gives up (`ttl`); one that cannot be read is
    passed over, it is a hint. Raises `RequestError` when `X-Keepstone-Deadline-Ms` is not a number.
    """
    left = allowed_s - elapsed_ns / 1e9
    stated = headers.get(DEADLINE)
    if stated is not None:
        if not stated.isdigit() or len(stated) > _MOST_DIGITS:
            message = f"header `{DEADLINE.decode()}` is not a number of milliseconds"
            raise RequestError(message)
        left = min(left, int(stated) / 1e3 - elapsed_ns / 1e9)
    sdk = headers.get(SDK_REQUEST)
    if sdk is not None and b"ttl=" in sdk:
        ends = _moment(sdk)
        if ends is not None:
            left = min(left, ends - wall_ns / 1e9 - elapsed_ns / 1e9)
    return left


@lru_cache(maxsize=64)
def _moment(sdk_request: bytes) -> float | None:
    """Return the epoch second in `ttl=20261121T101500Z; attempt=1`."""
    text = sdk_request.partition(b"ttl=")[2].partition(b";")[0].strip().decode("latin-1")
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
