"""`x-forwarded-client-cert`: whom a mesh's proxy has verified, as Envoy writes it, believed from named peers.

The header is a list of elements, one for each proxy on the way, and the last one is what the proxy that
connects to us says of its own client. Only that counts: all before it are words of others. A peer that is
named here speaks for others and is never a caller itself.
"""

import math
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from keepstone.core.decision import Decision, ReasonCode
from keepstone.gateway.identify.certificate import PEER, PeerCertificate, spiffe_fits
from keepstone.policy.schema.callers import ForwardedCertificates

HEADER = b"x-forwarded-client-cert"
_HASH = re.compile(r"[0-9a-fA-F]{64}\Z")
UNREADABLE = Decision.refuse(
    ReasonCode.CREDENTIALS_UNKNOWN, "the proxy's `x-forwarded-client-cert` cannot be read"
)


class Forwarding:
    """The peers of one policy that are believed."""

    def __init__(self, config: ForwardedCertificates) -> None:
        self._loopback = config.loopback
        self._peers = config.peers

    def peer(self, scope: Mapping[str, Any]) -> PeerCertificate | Decision | None:
        """Return the certificate that a call counts as: what a believed proxy says, else its connection's."""
        own: PeerCertificate | None = scope.get(PEER)
        if not self._believed(scope, own):
            return own
        said = [value for name, value in scope["headers"] if name == HEADER]
        if not said:
            return None
        if len(said) > 1:
            return UNREADABLE
        return forwarded(said[0]) or UNREADABLE

    def _believed(self, scope: Mapping[str, Any], own: PeerCertificate | None) -> bool:
        if own is not None and any(spiffe_fits(each, own.spiffe_id) for each in self._peers):
            return True
        return self._loopback and own is None and _is_loopback(scope.get("client"))


def _is_loopback(client: tuple[str, int] | None) -> bool:
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def forwarded(value: bytes) -> PeerCertificate | None:
    """Return the certificate that the last element describes; `None` when that cannot be read."""
    try:
        pairs = list(_elements(value.decode("ascii")))[-1]
    except ValueError:
        return None
    hashes = [each for key, each in pairs if key == "hash"]
    uris = tuple(each for key, each in pairs if key == "uri" and each)
    dns = tuple(each for key, each in pairs if key == "dns" and each)
    if len(hashes) > 1 or not all(_HASH.match(each) for each in hashes) or not (hashes or uris or dns):
        return None
    digest = bytes.fromhex(hashes[0]) if hashes else b""
    thumbprint = urlsafe_b64encode(digest).rstrip(b"=").decode()
    return PeerCertificate(thumbprint, uris, dns, "", math.inf)


def _elements(text: str) -> Iterator[list[tuple[str, str]]]:
    """Yield the pairs of each element, keys in lower case; raise `ValueError` for what is no such list."""
    for element in _split(text, ","):
        pairs = []
        for pair in _split(element, ";"):
            key, equals, value = pair.strip(" \t").partition("=")
            if not equals or not key.isalpha():
                raise ValueError(pair)
            pairs.append((key.lower(), _unquoted(value)))
        yield pairs


def _split(text: str, at: str) -> Iterator[str]:
    """Yield the parts between separators that stand outside of quotes; keep quotes as they are."""
    begin, quoted, escaped = 0, False, False
    for place, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == at and not quoted:
            yield text[begin:place]
            begin = place + 1
    if quoted:
        raise ValueError("a quote is open")
    yield text[begin:]


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        if '"' in value or "=" in value:
            raise ValueError(value)
        return value
    inner = value[1:-1]
    if len(value) < 2 or not value.endswith('"') or re.search(r'(?<!\\)"', inner):
        raise ValueError(value)
    return inner.replace('\\"', '"')
