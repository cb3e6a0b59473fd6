"""A real PostgreSQL on a folder of its own: started, stopped and killed like a machine's."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root; where the tests do, it runs as this user."""


def binaries() -> Path:
    """The folder of the newest PostgreSQL that is here; `apt-get install postgresql` brings one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("pg_ctl")
    candidates = [*(path.parent for path in reversed(found)), *([Path(on_path).parent] if on_path else [])]
    if not candidates:
        message = "these tests need PostgreSQL's server: install it (Debian: `apt-get install postgresql`)"
        raise FileNotFoundError(message)
    return candidates[0]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """One server; `url` is good for as long as the object lives, whether it runs or not.

    `within` is a command that runs others in another place, such as a network namespace.
    """

    def __init__(self, host: str = "127.0.0.1", within: tuple[str, ...] = ()) -> None:
        self._host, self._within = host, within
        self.folder = Path(tempfile.mkdtemp(prefix="keepstone-pg-"))
        self.port = free_port()
        self.url = f"postgresql://keepstone@{host}:{self.port}/postgres"
        self._bin = binaries()
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-U", "keepstone", "--auth=trust", "--no-sync", "-D", str(self.folder / "data"))
        with (self.folder / "data/pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {host}/24 trust\n")

    def _run(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / name, *arguments],
            user=self._user,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> "Postgres":
        """Start and wait until it takes connections."""
        options = ("-h", self._host, "-p", str(self.port), "-k", str(self.folder), "-c", "fsync=off")
        command = [str(self._bin / "postgres"), "-D", str(self.folder / "data"), *options]
        if self._within and self._user:  # the place is for root to enter
            command = [*self._within, "setpriv", f"--reuid={self._user}", "--clear-groups", *command]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                user=None if self._within else self._user,
                cwd="/",
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 30
        ready = [self._bin / "pg_isready", "-q", "-h", self._host, "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)
        return self

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts its clients off in good order, SIGQUIT is a crash."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(30)

    def sql(self, statement: str) -> None:
        """Execute a statement as the database's owner."""
        done = subprocess.run(
            [self._bin / "psql", self.url, "-c", statement], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def freeze(self) -> None:
        """Let it answer nobody without hanging up, as behind a cut network."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for pid in [parent, *map(int, children)]:
            os.kill(pid, number)

    def close(self) -> None:
        """End it and remove its folder."""
        if self._process is not None:
            self.thaw()
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
