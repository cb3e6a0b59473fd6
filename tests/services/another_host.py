"""Another host: a network namespace with one link to ours, which can be cut, or swallow all that is sent.

Two ways in which networks fail. Cut: the link is down, both kernels know, and there is no way any more.
Swallowed: everything leaves and nothing arrives, as behind a switch that lost its tables; nobody is told.
Needs root and `ip` (Debian: `apt-get install iproute2`).
"""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_CLONE_NEWNET = 0x40000000
_NOBODY = "02:00:00:00:00:01"
_Made = TypeVar("_Made")


def ip(*arguments: str) -> None:
    """Run `ip`."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class AnotherHost:
    """A host at `address`; its names hold our process id, so that test runs do not meet."""

    def __init__(self) -> None:
        number = os.getpid()
        self.name = f"keepstone-{number}"
        self._ours, self._theirs = f"ks{number}", f"kt{number}"
        net = f"10.{64 + number // 16384 % 64}.{number // 64 % 256}"
        self.gateway = f"{net}.{number % 64 * 4 + 1}"
        self.address = f"{net}.{number % 64 * 4 + 2}"
        self.command = ("ip", "netns", "exec", self.name)

    def inside(self, make: Callable[[], _Made]) -> _Made:
        """Return what `make` returns there: a socket stays where it was made, whoever uses it."""
        with ThreadPoolExecutor(1) as thread:  # whose thread ends with the block, and with it its place
            thread.submit(self._enter).result()
            return thread.submit(make).result()

    def _enter(self) -> None:
        place = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(place, _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"`{self.name}` cannot be entered")
        finally:
            os.close(place)

    def cut(self) -> None:
        """Take the link down."""
        ip("link", "set", self._ours, "down")

    def swallow(self) -> None:
        """Let all that either sends go to a machine that is not there."""
        nowhere = ("lladdr", _NOBODY, "nud", "permanent")
        ip("neigh", "replace", self.address, "dev", self._ours, *nowhere)
        ip("-n", self.name, "neigh", "replace", self.gateway, "dev", self._theirs, *nowhere)

    def heal(self) -> None:
        """Let the link be well."""
        ip("link", "set", self._ours, "up")
        ip("neigh", "flush", "dev", self._ours, "nud", "permanent")
        ip("-n", self.name, "neigh", "flush", "dev", self._theirs, "nud", "permanent")

    def open(self) -> None:
        """Make it."""
        ip("netns", "add", self.name)
        ip("link", "add", self._ours, "type", "veth", "peer", "name", self._theirs, "netns", self.name)
        ip("addr", "add", f"{self.gateway}/30", "dev", self._ours)
        ip("link", "set", self._ours, "up")
        ip("-n", self.name, "addr", "add", f"{self.address}/30", "dev", self._theirs)
        ip("-n", self.name, "link", "set", self._theirs, "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def close(self) -> None:
        """Remove it, with its link, as much of it as there is."""
        for command in (("link", "del", self._ours), ("netns", "del", self.name)):
            subprocess.run(["ip", *command], check=False, capture_output=True)


@contextmanager
def another_host() -> Iterator[AnotherHost]:
    """A host that is always removed."""
    host = AnotherHost()
    try:
        host.open()
        yield host
    finally:
        host.close()
