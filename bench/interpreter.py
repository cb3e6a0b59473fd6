"""Prints the fastest build of this Python's minor version on the machine: `python -m bench.interpreter`.

Builds of one version differ by a fifth: distributors compile with profiles, a plain `./configure && make`
does not. Keepstone and LiteLLM are measured on the same one, the best that is here. `BENCH_PYTHON` names
another.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_NAME = f"python{sys.version_info.major}.{sys.version_info.minor}"
_USUAL = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
_WORK = """
import time
class Point:
    def __init__(self, x): self.x = x
    def moved(self, by): return Point(self.x + by)
def work():
    seen = {}
    for number in range(20000):
        point = Point(number).moved(3)
        seen[str(point.x % 100)] = [point.x, *seen.get(str(number % 100), ())][:4]
def timed():
    began = time.process_time(); work(); return time.process_time() - began
print(min(timed() for _ in range(15)))
"""


def candidates() -> Iterator[Path]:
    """Interpreters of this minor version: the running one's, those on the path, those in the usual places."""
    seen = set()
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *_USUAL]
    for path in (Path(sys.executable), *(Path(folder) / _NAME for folder in folders)):
        real = path.resolve()
        if real not in seen and os.access(real, os.X_OK):
            seen.add(real)
            yield real


def seconds(python: Path) -> float:
    """How long it takes for a fixed piece of work, infinite when it cannot do it."""
    done = subprocess.run(
        [str(python), "-I", "-c", _WORK], capture_output=True, text=True, check=False, timeout=60
    )
    try:
        return float(done.stdout)
    except ValueError:
        return float("inf")


def main() -> int:
    """Prints the path on stdout, what was compared on stderr."""
    taken = {path: seconds(path) for path in candidates()}
    for path, spent in taken.items():
        print(f"bench: {path}: {spent * 1000:.1f} ms", file=sys.stderr)
    print(min(taken, key=taken.__getitem__))
    return 0


if __name__ == "__main__":
    sys.exit(main())
