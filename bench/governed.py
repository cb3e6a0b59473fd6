"""Keepstone as it takes part: everything on, in four ways, and as pass-through, which inspects nothing."""

import re
import shlex
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.launch import Launch, Settings, free_port
from bench.process import BenchError, Child

_POLICIES = Path(__file__).parent / "policies"
_NOBODY = "http://127.0.0.1:9\n"  # the upstream that stands in the policies
_KEY_LINE = re.compile(r"^export AWS_BEARER_TOKEN_BEDROCK=(\S+)$", re.MULTILINE)
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIABENCHMARK0EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "benchmark/not/a/real/secret/EXAMPLE",
    "AWS_EC2_METADATA_DISABLED": "true",
    "BENCH_UPSTREAM_TOKEN": "benchmark-not-a-real-token-EXAMPLE",
}


class Way(NamedTuple):
    """One way to run Keepstone; `name` is that of its files."""

    name: str
    policy: str = "strict"
    durability: str = "strict"
    tls: bool = False
    workers: int = 1

    def launch(self, settings: Settings) -> Launch:
        """Write the policy, forget the last run's record, and say how to start and to ask it."""
        port = free_port()
        home = settings.folder / f"keepstone-{self.name}"
        shutil.rmtree(home, ignore_errors=True)
        policy = settings.folder / f"{self.name}.yaml"
        policy.write_text(self._text(settings.upstream))
        command = shlex.split(settings.command.format(policy=policy, home=home, port=port))
        command += [] if self.tls else ["--plain-http"]  # as the peers speak it
        command += ["--workers", str(self.workers)] if self.workers > 1 else []
        return Launch(
            command,
            _ENVIRONMENT,
            port,
            "/health/ready",
            _first_key,
            home=home,
            inspects=self.policy == "strict",
            scheme="https" if self.tls else "http",
        )

    def source(self) -> Path:
        """The policy as it lies in the repository, before the upstream's port is filled in."""
        return _POLICIES / f"{self.policy}.yaml"

    def _text(self, upstream: int) -> str:
        text = self.source().read_text()
        if _NOBODY not in text:
            raise BenchError(f"`{self.source()}` has no upstream to fill in")
        text = text.replace(_NOBODY, f"http://127.0.0.1:{upstream}\n")
        return text.replace("durability: strict", f"durability: {self.durability}")


def _first_key(child: Child) -> Mapping[str, str]:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        match = _KEY_LINE.search(child.log.read_text())
        if match:
            return {"Authorization": f"Bearer {match[1]}"}
        time.sleep(0.05)
    raise BenchError("keepstone printed no first key within 10 s")
