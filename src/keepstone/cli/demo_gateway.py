"""The demo's gateway: `keepstone up` in a process of its own, as a user would start it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from keepstone.core.errors import KeepstoneError

START_S = 60
POLICY = """\
version: 1
organisation:
  name: Harbour Bank (a demonstration)
  use_case: an assistant for customer support
  jurisdictions: [EU]
identities:
  roles:
    assistant:
      description: the support assistant's backend
      allow:
        - models: ["acme.support-*", "acme.flaky"]
          max_data_class: Confidential
    trial:
      allow:
        - models: ["acme.support-*"]
upstreams:
  dev: {kind: dev}
  broken: {kind: dev, behaviour: failing}
models:
  - {id: acme.support-1, upstreams: [dev], max_data_class: Confidential}
  - {id: acme.flaky, upstreams: [broken, dev]}
  - {id: acme.research-1, upstreams: [dev]}
guardrails:
  default:
    pii:
      EMAIL: ANONYMIZE
      PHONE: ANONYMIZE
      CREDIT_DEBIT_CARD_NUMBER: ANONYMIZE
      INTERNATIONAL_BANK_ACCOUNT_NUMBER: ANONYMIZE
    credentials: BLOCK
    injection: {action: BLOCK, strength: MEDIUM}
limits:
  - {name: trial-calls, roles: [trial], window: 1m, requests: 2}
"""


@dataclass(frozen=True, slots=True)
class DemoGateway:
    """Where the gateway listens, and how to speak to it."""

    folder: Path
    url: str
    ca_bundle: str
    token: str
    policy_hash: str

    def client(self, token: str = "") -> Any:
        """Return an unmodified boto3 client, configured by nothing but what the two variables say."""
        os.environ["AWS_BEARER_TOKEN_BEDROCK"] = token or self.token
        os.environ["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"] = self.url
        os.environ["AWS_CA_BUNDLE"] = self.ca_bundle
        session = boto3.Session(region_name="eu-central-1")
        return session.client("bedrock-runtime", config=Config(retries={"total_max_attempts": 1}))

    def keys(self, *arguments: str) -> str:
        """Run `keepstone keys` against the demo's state and return what it printed."""
        command = [*_keepstone(), "keys", *arguments, "--home", str(self.folder / "home")]
        if arguments[0] == "create":
            command += ["--policy", str(self.folder / "keepstone.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)  # noqa: S603 - ours
        if done.returncode:
            raise KeepstoneError(f"`keepstone keys {arguments[0]}` failed: {done.stderr.strip()}")
        return done.stdout


@contextmanager
def running(folder: Path) -> Iterator[DemoGateway]:
    """Start the gateway, wait until it takes calls, and stop it gracefully at the end."""
    policy = folder / "keepstone.yaml"
    policy.write_text(POLICY)
    command = [*_keepstone(), "up", "--policy", str(policy), "--home", str(folder / "home"), "--port", "0"]
    with (folder / "gateway.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603
        try:
            yield _when_ready(process, folder)
        finally:
            process.terminate()
            try:
                process.wait(timeout=START_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _when_ready(process: "subprocess.Popen[str]", folder: Path) -> DemoGateway:
    found: dict[str, str] = {}
    assert process.stdout is not None  # noqa: S101 - it was asked for
    deadline = time.monotonic() + START_S
    while len(found) < 3:
        line = process.stdout.readline()
        if not line or time.monotonic() > deadline:
            raise KeepstoneError("the demo's gateway did not start", hint=f"see `{folder / 'gateway.log'}`")
        match = re.fullmatch(r"export (AWS_\w+)=(.+)\n", line)
        if match:
            found[match[1]] = match[2]
    return DemoGateway(
        folder,
        found["AWS_ENDPOINT_URL_BEDROCK_RUNTIME"],
        found["AWS_CA_BUNDLE"],
        found["AWS_BEARER_TOKEN_BEDROCK"],
        _policy_hash(folder),
    )


def _policy_hash(folder: Path) -> str:
    from keepstone.policy.load import load

    return load(folder / "keepstone.yaml").hash


def _keepstone() -> list[str]:
    return [sys.executable, "-m", "keepstone.cli.main"]
