"""Who signed this request? Signature Version 4 recomputed by botocore's signer from what arrived.

The path that arrived is encoded once more before it is hashed, as every service but S3 wants it; the body's
hash is computed here and never believed; `host` and every `x-amz-*` header must be signed.
"""

import hmac
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from tests.simulators.behaviour import Failure
from tests.simulators.wire import Received

SKEW = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/, ]+)/(\d{8})/([^/, ]+)/([^/, ]+)/aws4_request, *"
    r"SignedHeaders=([a-z0-9;-]+), *Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """AWS credentials that the simulator knows."""

    access_key: str
    secret_key: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """Whom the simulator lets in, and for which scope."""

    pairs: Collection[KeyPair]
    bearers: Collection[str]
    region: str = "us-east-1"
    service: str = "bedrock"


def refusal(received: Received, accepted: Accepted, now: datetime) -> Failure | None:
    """Why AWS would not let this request in; None when it would."""
    authorization = received.header("authorization")
    if not authorization:
        return Failure(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if authorization.startswith("Bearer "):
        return _bearer_refusal(authorization.removeprefix("Bearer "), accepted)
    match = _AUTHORIZATION.fullmatch(authorization)
    if not match:
        message = "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters."
        return Failure(403, "IncompleteSignatureException", message)
    access_key, day, region, service, signed, signature = match.groups()
    pair = next((pair for pair in accepted.pairs if pair.access_key == access_key), None)
    if pair is None or received.header("x-amz-security-token") != pair.token:
        message = "The security token included in the request is invalid."
        return Failure(403, "UnrecognizedClientException", message)
    why = (
        _scope_fault(region, service, accepted)
        or _signed_headers_fault(received, signed.split(";"))
        or _date_fault(received, day, now)
        or _body_fault(received)
    )
    if not why and not hmac.compare_digest(
        _signature(received, signed.split(";"), pair, accepted), signature
    ):
        why = (
            "The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details."
        )
    return Failure(403, "InvalidSignatureException", why) if why else None


def _bearer_refusal(token: str, accepted: Accepted) -> Failure | None:
    if token in accepted.bearers:
        return None
    message = "Authentication failed: Please make sure your API Key is valid."
    return Failure(403, "AccessDeniedException", message)


def _scope_fault(region: str, service: str, accepted: Accepted) -> str | None:
    if region != accepted.region:
        return "Credential should be scoped to a valid region."
    if service != accepted.service:
        return f"Credential should be scoped to correct service: '{accepted.service}'."
    return None


def _signed_headers_fault(received: Received, signed: list[str]) -> str | None:
    if signed != sorted(set(signed)):
        return "'SignedHeaders' must be sorted and without repetition."
    if "host" not in signed:
        return "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    present = {name.lower() for name, _ in received.headers}
    loose = sorted(name for name in present - set(signed) if name.startswith("x-amz-"))
    absent = sorted(set(signed) - present)
    return f"headers unsigned: {loose}, signed but absent: {absent}" if loose or absent else None


def _date_fault(received: Received, day: str, now: datetime) -> str | None:
    stamp = received.header("x-amz-date") or ""
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return "Date must be in ISO-8601 'basic format'."
    if not stamp.startswith(day):
        return f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {stamp}"
    if signed_at < now - SKEW:
        return f"Signature expired: {stamp} is now earlier than {now - SKEW:%Y%m%dT%H%M%SZ}"
    if signed_at > now + SKEW:
        return f"Signature not yet current: {stamp} is still later than {now + SKEW:%Y%m%dT%H%M%SZ}"
    return None


def _body_fault(received: Received) -> str | None:
    stated = received.header("x-amz-content-sha256")
    if stated is not None and stated != sha256(received.body).hexdigest():
        return "The provided 'x-amz-content-sha256' header does not match what was computed."
    return None


def _signature(received: Received, signed: list[str], pair: KeyPair, accepted: Accepted) -> str:
    host = received.header("host")
    query = f"?{received.query}" if received.query else ""
    request = AWSRequest(
        method=received.method, url=f"http://{host}{received.path}{query}", data=received.body
    )
    request.context["timestamp"] = received.header("x-amz-date")
    chosen = HTTPHeaders()
    for name, value in received.headers:
        if name.lower() in signed:
            chosen.add_header(name.lower(), value)
    signer: Any = SigV4Auth(
        Credentials(pair.access_key, pair.secret_key, pair.token), accepted.service, accepted.region
    )
    signer.headers_to_sign = lambda _request: chosen  # what the client says it signed, in place of a guess
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))
