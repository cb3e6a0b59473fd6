"""Take from an image's files all that the gateway never runs: shells, package managers, set-uid programs.

Runs while the image is built, as its last step: `python bare.py ROOT`. What is left of programs is Python.
"""

import shutil
import stat
import sys
from pathlib import Path

PROGRAMS = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/sbin")
MANAGERS = (
    "etc/apt",
    "usr/lib/apt",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/perl5",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg/info",
    "var/log",
)
LOADER = {"ld.so", "ldconfig"}


def bare(root: Path) -> None:
    """Remove programs and package managers under a root, and every set-uid bit that is left."""
    for folder in PROGRAMS:
        _remove_programs(root / folder)
    for path in (root / "usr/local/bin").iterdir():
        if not path.name.startswith("python") or path.name.endswith("-config"):
            _remove(path)
    for path in root.glob("usr/local/lib/python3*/site-packages/*"):
        _remove(path)  # pip: the gateway has its own folder
    for folder in MANAGERS:
        _remove(root / folder)
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


def _remove_programs(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():  # Debian's /bin is a link to /usr/bin
        return
    for path in folder.iterdir():
        if path.name not in LOADER:
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    bare(Path(sys.argv[1]))
