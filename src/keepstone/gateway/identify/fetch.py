"""The one door to identity providers: small JSON answers over verified TLS, in a thread of its own.

Rare and short, so the standard library's client will do: no redirects, no proxies, no compression, bounded in
size and time.
"""

import http.client
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from keepstone.core.errors import IdentityError

TIMEOUT_S = 5.0
MAX_BYTES = 1024 * 1024


def fetch_json(
    url: str, ca_bundle: str = "", *, form: Mapping[str, str] | None = None, authorization: str = ""
) -> dict[str, Any]:
    """GET a JSON object, or POST `form` for one; raise `IdentityError` for anything else; blocks."""
    headers = {"accept": "application/json", "user-agent": "keepstone"}
    if authorization:
        headers["authorization"] = authorization
    body = None
    if form is not None:
        body = urlencode(form)
        headers["content-type"] = "application/x-www-form-urlencoded"
    connection, host, target = _connection(url, ca_bundle)
    try:
        connection.request("GET" if form is None else "POST", target, body, headers)
        answer = connection.getresponse()
        raw = answer.read(MAX_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise IdentityError(f"`{host}` cannot be reached: {type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise IdentityError(f"`{host}` answered with status {answer.status}")
    if len(raw) > MAX_BYTES:
        raise IdentityError(f"`{host}` answered with more than {MAX_BYTES} bytes")
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise IdentityError(f"`{host}` did not answer with JSON") from error
    if not isinstance(found, dict):
        raise IdentityError(f"`{host}` did not answer with a JSON object")
    return found


def _connection(url: str, ca_bundle: str) -> tuple[http.client.HTTPConnection, str, str]:
    """Return an unopened connection, the host for messages, and the request's target."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise IdentityError("an address of the identity provider is not a URL") from error
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "https" and host:
        return (
            http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=_tls(ca_bundle)),
            host,
            target,
        )
    if parts.scheme == "http" and host:
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S), host, target
    raise IdentityError("an address of the identity provider is not an http or https URL")


def _tls(ca_bundle: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_bundle:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise IdentityError(f"cannot read the certificate authorities in `{ca_bundle}`") from error
    return context
