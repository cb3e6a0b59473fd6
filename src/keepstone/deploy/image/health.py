"""Ask the gateway of this container whether it lives: exit 0, or 1. The image has no shell and no curl.

`KEEPSTONE_PORT` says where; `KEEPSTONE_PLAIN` set to 1 says that it speaks HTTP, behind a mesh's proxy.
"""

import http.client
import os
import ssl
import sys


def alive(port: int, *, plain: bool) -> bool:
    """Say whether the gateway on this machine answers `/health/live`."""
    unverified = ssl._create_unverified_context()  # noqa: S323, SLF001 - loopback, nothing is told or believed but a status
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=3)
        if plain
        else http.client.HTTPSConnection("127.0.0.1", port, timeout=3, context=unverified)
    )
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    port = int(os.environ.get("KEEPSTONE_PORT", "8080"))
    sys.exit(not alive(port, plain=os.environ.get("KEEPSTONE_PLAIN") == "1"))
