"""Signature Version 4 as AWS SDKs send it, checked with the secret of an access key that we issued.

Source: AWS IAM User Guide, "Create a signed AWS API request". The signature covers method, path, query, the
headers that count and the body's hash. SDKs do not declare that hash to Bedrock, so the body has to be read
before the caller is known; one that is declared is compared with what arrived.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from msgspec import Struct

from keepstone.core.decision import Decision, ReasonCode
from keepstone.core.keyed_hash import KeyedHash
from keepstone.policy.duration import seconds
from keepstone.policy.schema.callers import SigV4Rules

ALGORITHM = b"AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
SERVICE = "bedrock"
MAX_HEADER_BYTES = 4096
MAX_SIGNING_KEYS = 1024
_FIELDS = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([A-Za-z0-9]{16,128})/([0-9]{8})/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})"
    r"/aws4_request, *SignedHeaders=([a-z0-9;-]{1,2048}), *Signature=([0-9a-f]{64})"
)
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_HASH = re.compile(r"[0-9a-f]{64}")
_FREE = frozenset({b"x-amzn-trace-id"})
"""Headers that proxies add on the way and that no SDK signs."""
MISMATCH = Decision.refuse(
    ReasonCode.SIGNATURE_MISMATCH,
    "the signature does not match; check the secret access key, and that nothing on the way changes requests",
)


class SignedRequest(Struct, frozen=True):
    """What a signature may cover; `body` is `None` as long as it was not read."""

    method: str
    raw_path: bytes
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes | None = None


class Claimed(Struct, frozen=True):
    """What the authorization header says, not believed yet."""

    access_key: str
    date: str
    region: str
    service: str
    signed: tuple[str, ...]
    signature: str


class NeedsBody(Struct, frozen=True):
    """The body has to be read before the signature can be judged."""


class SigV4Verifier:
    """Checks signatures by the policy's rules; keeps the signing keys of the day."""

    def __init__(self, rules: SigV4Rules) -> None:
        self._regions = frozenset(rules.regions)
        self._skew = seconds(rules.skew)
        self._unsigned_allowed = rules.unsigned_payload == "allow"
        self._keys: dict[tuple[str, str, str], KeyedHash] = {}

    def claimed(self, request: SignedRequest, now: float) -> Claimed | Decision:
        """Return what the header claims, if it is of today, for us, and covers what counts."""
        header = request.headers.get(b"authorization", b"")
        match = _FIELDS.fullmatch(header.decode("latin-1")) if len(header) <= MAX_HEADER_BYTES else None
        if match is None:
            message = "the authorization header needs `Credential`, `SignedHeaders` and `Signature`"
            return Decision.refuse(ReasonCode.SIGNATURE_INCOMPLETE, message)
        access_key, date, region, service, signed, signature = match.groups()
        claimed = Claimed(access_key, date, region, service, tuple(signed.split(";")), signature)
        return (
            self._scope_refusal(claimed)
            or self._time_refusal(request.headers.get(b"x-amz-date", b"").decode("latin-1"), date, now)
            or _coverage_refusal(request.headers, claimed.signed)
            or claimed
        )

    def verify(self, request: SignedRequest, claimed: Claimed, secret: str) -> Decision | NeedsBody | None:
        """Return `None` for a signature that is right, else the refusal, or that the body is needed."""
        declared = request.headers.get(b"x-amz-content-sha256", b"").decode("latin-1")
        if declared == UNSIGNED:
            if not self._unsigned_allowed:
                message = f"`{UNSIGNED}` is not accepted; let the client sign the body"
                return Decision.refuse(ReasonCode.SIGNATURE_INCOMPLETE, message)
            return self._compare(request, claimed, declared, secret)
        if declared and not _HASH.fullmatch(declared):
            message = "`x-amz-content-sha256` is not a SHA-256 hash; signed chunks are not accepted"
            return Decision.refuse(ReasonCode.SIGNATURE_INCOMPLETE, message)
        if request.body is None:
            # a stranger who declares the hash is refused before the body is read
            return (self._compare(request, claimed, declared, secret) if declared else None) or NeedsBody()
        actual = hashlib.sha256(request.body).hexdigest()
        if declared and not hmac.compare_digest(declared, actual):
            return MISMATCH
        return self._compare(request, claimed, actual, secret)

    def _compare(
        self, request: SignedRequest, claimed: Claimed, payload_hash: str, secret: str
    ) -> Decision | None:
        canonical = canonical_request(request, claimed.signed, payload_hash)
        stamp = request.headers[b"x-amz-date"].decode("latin-1")
        scope = f"{claimed.date}/{claimed.region}/{claimed.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
        expected = self._signing_key(claimed, secret)(text.encode("latin-1")).hexdigest()
        return None if hmac.compare_digest(expected, claimed.signature) else MISMATCH

    def _signing_key(self, claimed: Claimed, secret: str) -> KeyedHash:
        name = claimed.access_key, claimed.date, claimed.region
        key = self._keys.get(name)
        if key is None:
            key = KeyedHash(b"AWS4" + secret.encode())
            for part in (claimed.date, claimed.region, claimed.service, "aws4_request"):
                key = KeyedHash(key(part.encode()).digest())
            if len(self._keys) >= MAX_SIGNING_KEYS:
                self._keys.clear()
            self._keys[name] = key
        return key

    def _scope_refusal(self, claimed: Claimed) -> Decision | None:
        if claimed.service != SERVICE:
            message = f"the signature is for another service, expected `{SERVICE}`"
            return Decision.refuse(ReasonCode.CREDENTIALS_FOR_ANOTHER, message)
        if self._regions and claimed.region not in self._regions:
            expected = ", ".join(f"`{each}`" for each in sorted(self._regions))
            message = f"the signature is for another region, expected {expected}"
            return Decision.refuse(ReasonCode.CREDENTIALS_FOR_ANOTHER, message)
        return None

    def _time_refusal(self, stamp: str, date: str, now: float) -> Decision | None:
        if not _STAMP.fullmatch(stamp) or not stamp.startswith(date):
            message = "`x-amz-date` is missing, malformed or of another day than the credential's scope"
            return Decision.refuse(ReasonCode.SIGNATURE_INCOMPLETE, message)
        try:
            then = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return Decision.refuse(ReasonCode.SIGNATURE_INCOMPLETE, "`x-amz-date` is no date")
        if abs(now - then) > self._skew:
            message = f"the request was not signed within {self._skew:g} s of now; check the client's clock"
            return Decision.refuse(ReasonCode.SIGNATURE_NOT_CURRENT, message)
        return None


def canonical_request(request: SignedRequest, signed: tuple[str, ...], payload_hash: str) -> bytes:
    """Return the text that a signature is about."""
    headers = request.headers
    lines = [f"{each}:{_trimmed(headers.get(each.encode(), b''))}\n" for each in signed]
    return (
        f"{request.method}\n{_canonical_path(request.raw_path)}\n{_canonical_query(request.query)}\n"
        f"{''.join(lines)}\n{';'.join(signed)}\n{payload_hash}"
    ).encode("latin-1")


@lru_cache(maxsize=512)
def _canonical_path(raw: bytes) -> str:
    """Encode the path as sent once more, which every service but S3 wants."""
    return quote(raw.partition(b"?")[0], safe="/-_.~")


def _canonical_query(query: bytes) -> str:
    pairs = sorted(each.partition("=")[::2] for each in query.decode("latin-1").split("&") if each)
    return "&".join(f"{name}={value}" for name, value in pairs)


def _trimmed(value: bytes) -> str:
    return " ".join(value.decode("latin-1").split())


def _coverage_refusal(headers: Mapping[bytes, bytes], signed: tuple[str, ...]) -> Decision | None:
    """Refuse a signature that leaves out what steers a call; anybody on the way could change that."""
    if b"x-amz-security-token" in headers:
        message = "temporary credentials of AWS are not known here; use an access key of this gateway"
        return Decision.refuse(ReasonCode.CREDENTIALS_UNKNOWN, message)
    covered = {each.encode() for each in signed}
    needed = {each for each in headers if each.startswith((b"x-amz", b"x-keepstone-"))} - _FREE | {b"host"}
    if needed <= covered and list(signed) == sorted(set(signed)):
        return None
    message = "the signature must cover `host` and every `x-amz-*` and `x-keepstone-*` header, in order"
    return Decision.refuse(ReasonCode.SIGNATURE_INCOMPLETE, message)
