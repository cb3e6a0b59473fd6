"""Whether AWS can be reached from here, for telling why nothing comes from it."""

import os
import socket
from urllib.parse import urlsplit

from keepstone.catalog.places import regions

_TRY_S = 5.0
_PROXIES = ("HTTPS_PROXY", "https_proxy")
_ENDPOINTS = ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")


def unreachable(region: str) -> str:
    """Say what cannot be reached and why, empty when a connection stands: a proxy, else the region's STS."""
    url = urlsplit(_first(region))
    host, port = url.hostname or "", url.port or (80 if url.scheme == "http" else 443)
    try:
        socket.create_connection((host, port), timeout=_TRY_S).close()
    except TimeoutError:
        return f"`{host}:{port}` does not answer"
    except (OSError, UnicodeError) as error:
        return (
            f"`{host}:{port}` cannot be reached: {(getattr(error, 'strerror', '') or 'no such host').lower()}"
        )
    return ""


def _first(region: str) -> str:
    """Return the URL at which the first connection is made."""
    endpoint, proxy = _set(_ENDPOINTS), _set(_PROXIES)
    if proxy and not endpoint.startswith("http:"):
        return proxy if "//" in proxy else f"//{proxy}"
    found = regions().get(region)
    return endpoint or f"https://sts.{region}.{found.dns_suffix if found else 'amazonaws.com'}"


def _set(names: tuple[str, ...]) -> str:
    """Return the first of these variables that is set."""
    return next(filter(None, (os.environ.get(each) for each in names)), "")
