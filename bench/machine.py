"""What the figures were taken on: the machine, and the versions of everything that took part."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec


class Machine(msgspec.Struct, frozen=True):
    """The machine of a run; `load` is the load average when it began."""

    cpu: str
    cores: int
    system: str
    load: float


def machine() -> Machine:
    """This machine, now."""
    named = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.release()}"
    return Machine(named[1] if named else platform.machine(), cores, system, round(os.getloadavg()[0], 2))


class Ticks(NamedTuple):
    """What all cores have done since the machine started, in clock ticks: all, idle, and interrupts."""

    all: int
    idle: int
    interrupts: int

    def busy_since(self, before: "Ticks") -> float:
        """The share of the machine that was in use since `before`, by whomever; 0 to 1."""
        return self._share(before, before.idle - self.idle)

    def others_since(self, before: "Ticks", own: float) -> float:
        """The share that was in use by others than those who took `own` ticks; interrupts serve them all."""
        return self._share(before, before.idle - self.idle + before.interrupts - self.interrupts - own)

    def _share(self, before: "Ticks", less: float) -> float:
        whole = self.all - before.all
        return min(1.0, max(0.0, (whole + less) / whole)) if whole else 0.0


def ticks(text: str | None = None) -> Ticks:
    """The machine's ticks now, or as an earlier `/proc/stat` told them."""
    first = (text or Path("/proc/stat").read_text()).splitlines()[0].split()[1:9]
    numbers = [int(each) for each in first]  # user nice system idle iowait irq softirq steal
    return Ticks(sum(numbers), numbers[3] + numbers[4], numbers[5] + numbers[6])


def versions(work: Path) -> dict[str, str]:
    """Name -> version of what is installed here; what is absent is left out."""
    found = {name: _or_empty(ask) for name, ask in _sources(work).items()}
    return {name: text for name, text in found.items() if text}


def _sources(work: Path) -> dict[str, Callable[[], str]]:
    portkey = work / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "package.json"
    ask_litellm = "import importlib.metadata as m; print(m.version('litellm'))"
    ask_python = "import sys; print(sys.version.split()[0])"
    return {
        "Keepstone": lambda: version("keepstone"),
        "Python": lambda: _output([str(work / "keepstone" / "bin" / "python"), "-c", ask_python]),
        "uvicorn": lambda: version("uvicorn"),
        "LiteLLM": lambda: _first_number([str(work / "litellm" / "bin" / "python"), "-c", ask_litellm]),
        "Ferro AI gateway": lambda: _first_number([str(work / "ferrogw" / "bin" / "ferrogw"), "version"]),
        "Portkey": lambda: str(json.loads(portkey.read_text())["version"]),
        "Node.js": lambda: _first_number(["node", "--version"]),
        "nginx": lambda: _first_number(["/usr/sbin/nginx", "-v"]),
        "wrk": lambda: _first_number(["wrk", "-v"]),
    }


def _first_number(command: list[str]) -> str:
    match = re.search(r"\d+(\.\d+)+", _output(command))
    return match[0] if match else ""


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return (done.stdout + done.stderr).strip()


def _or_empty(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except (OSError, ImportError, KeyError, ValueError):
        return ""
