"""How a deployment's folder is written: whole or not at all, by one process at a time; failures are told."""

import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from keepstone.core.errors import DeployError

LOCK = ".keepstone.lock"
ASIDE = ".writing-"
"""What begins the names of unfinished work."""
_UNFINISHED = re.compile(r"\.(writing|module)-[a-z0-9_]{8}")  # `.module-` is how earlier versions began it
_SPACE = "make room there, or name a folder on another disk with `--dir`"
_RIGHTS = "the folder has to be yours to write, or name another one with `--dir`"
_NO_FOLDER = "`--dir` names a folder, which may be new"
_HINTS = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: _SPACE,
    errno.EROFS: _RIGHTS,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.EISDIR: _NO_FOLDER,
    errno.ENAMETOOLONG: _NO_FOLDER,
}


@contextmanager
def told(path: Path, done: str, *, so: str = "nothing was changed") -> Iterator[None]:
    """Turn what the disk refuses into a `DeployError`: what could not be `done`, where, why, and what to do.

    `so` says what that means for what stands in AWS.
    """
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        hint = _HINTS.get(error.errno or 0, "look at the disk, and at the kernel's log")
        message = f"`{path}` cannot be {done}: {reason}"
        raise DeployError(message, hint=f"{hint}; {so}", code="deploy.disk") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only process that works in a deployment's folder; raise `DeployError` at once when another does.

    The kernel takes the lock away when a process ends, however it ends.
    """
    with ExitStack() as opened:
        with told(folder / LOCK, "locked"):
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            opened.callback(os.close, descriptor)
            _lock(descriptor, folder)
        yield


def _lock(descriptor: int, folder: Path) -> None:
    """Lock a file and say in it who does; raise `DeployError` with what another process said."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        who = f", process {pid}" if pid.isdecimal() else ""
        message = f"another `keepstone deploy` works in `{folder}`{who}"
        hint = "wait until it has ended; nothing was changed"
        raise DeployError(message, hint=hint, code="deploy.busy") from error
    with suppress(OSError):  # saying it helps the next one, and is no reason to refuse this one
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """Yield a folder beside what is there, to write into first; it is gone afterwards, whatever happened."""
    path = Path(tempfile.mkdtemp(dir=folder, prefix=ASIDE))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def is_unfinished(path: Path) -> bool:
    """Say whether a name is one of those that work in progress gets."""
    return _UNFINISHED.fullmatch(path.name) is not None


def clear(folder: Path) -> None:
    """Take away what a process that was killed has left unfinished; the caller is `alone`."""
    for path in filter(is_unfinished, folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def write(path: Path, text: str) -> None:
    """Write a new file that only its owner may read, and wait until it is on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def replace(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all."""
    with aside(path.parent) as fresh:
        write(fresh / path.name, text)
        (fresh / path.name).chmod(mode)
        (fresh / path.name).replace(path)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder's files, those of Terraform's own folders excepted; the first failure ends it."""
    for path in sorted(source.rglob("*")):
        inner = path.relative_to(source)
        if path.is_file() and not any(part.startswith(".terraform") for part in inner.parts):
            (target / inner.parent).mkdir(parents=True, exist_ok=True)
            (target / inner).write_bytes(path.read_bytes())
