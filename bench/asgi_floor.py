"""The bare ASGI floor: the server that Keepstone ships, and an app that reads a body and hands it on.

The same uvicorn with the same loop, protocol and settings as `keepstone up`, and the same pool of upstream
connections. Nobody is asked who he is, nothing is parsed, looked at, counted, signed or written down. What
Keepstone costs beyond this is what it does for the call. `python -m bench.asgi_floor PORT UPSTREAM_PORT`.
"""

import asyncio
import gc
import sys
from typing import Any

import uvicorn
import uvloop

from bench.launch import WORK, Launch, Settings, free_port
from keepstone.cli.server import GC_THRESHOLDS, SWITCH_S
from keepstone.gateway.listener import BoundedHttp
from keepstone.gateway.upstreams.http import HttpPool, Origin

_PYTHON = WORK / "keepstone" / "bin" / "python"


def launch(settings: Settings) -> Launch:
    """Run this file on Keepstone's own interpreter, with its locked dependencies."""
    port = free_port()
    command = [str(_PYTHON), "-m", "bench.asgi_floor", str(port), str(settings.upstream)]
    return Launch(command, {}, port, "/")


class Floor:
    """Hands each POST on to the upstream, path and body as they came; answers a GET with an empty 200."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = await _whole(receive)
        status, answer = 200, b""
        if scope["method"] == "POST":
            path = scope["raw_path"].decode("latin-1")
            reply = await self._pool.post(path, (("content-type", "application/json"),), body)
            status, answer = reply.status, reply.body
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def _whole(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    return body


def main() -> int:
    """Serve until told to stop, tuned as `keepstone up` tunes itself."""
    port, upstream = int(sys.argv[1]), sys.argv[2]

    async def serve() -> None:
        app = Floor(HttpPool(Origin(f"http://127.0.0.1:{upstream}")))
        config = uvicorn.Config(
            app,
            port=port,
            http=BoundedHttp,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            backlog=2048,
        )
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        sys.setswitchinterval(SWITCH_S)
        await uvicorn.Server(config).serve()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
