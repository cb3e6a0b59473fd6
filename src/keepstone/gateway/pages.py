"""What the gateway serves to GET: metrics and health; nothing that tells who called or what was said."""

from keepstone.gateway.metrics import Metrics

TEXT = b"text/plain; charset=utf-8"
PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


Page = tuple[int, list[tuple[bytes, bytes]], bytes]


def page(path: str, metrics: Metrics, *, unready: str, text: bytes = b"") -> Page:
    """Return status, headers and body of a page; `unready` says why no call can be served, if so.

    `text` are the metrics if somebody else has rendered them.
    """
    status, kind, body = 200, TEXT, b"ok\n"
    match path:
        case "/metrics":
            kind, body = PROMETHEUS, text or metrics.render()
        case "/health/live":
            pass
        case "/health/ready":
            if unready:
                status, body = 503, f"{unready}\n".encode()
        case _:
            status, body = 404, b"not found; model calls are POST requests\n"
    return _page(status, kind, body)


def problem(body: bytes) -> Page:
    """Return a page that cannot be shown at the moment: a scrape of a part would look like the whole."""
    return _page(503, TEXT, body)


def failed_page() -> Page:
    """Return a page in the place of one that failed."""
    return _page(500, TEXT, b"the gateway failed to serve this page\n")


def _page(status: int, kind: bytes, body: bytes) -> Page:
    return status, [(b"content-type", kind), (b"content-length", b"%d" % len(body))], body
