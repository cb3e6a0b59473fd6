"""What the gateway serves to GET: metrics and health; nothing that tells who called or what was said."""

from keepstone.gateway.metrics import Metrics

TEXT = b"text/plain; charset=utf-8"
PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


def page(path: str, metrics: Metrics, *, unready: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of a page; `unready` says why no call can be served, if so."""
    status, kind, body = 200, TEXT, b"ok\n"
    match path:
        case "/metrics":
            kind, body = PROMETHEUS, metrics.render()
        case "/health/live":
            pass
        case "/health/ready":
            if unready:
                status, body = 503, f"{unready}\n".encode()
        case _:
            status, body = 404, b"not found; model calls are POST requests\n"
    return status, [(b"content-type", kind), (b"content-length", b"%d" % len(body))], body
