"""The tutorial, run as it stands: its commands, in order, on the test AWS and a simulated Bedrock.

Two things stand in for what only a real network has: the names of endpoints lead to the simulators, and the
gateway's process runs here rather than in the VPC.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.sts.models import sts_backends
from tests.deploy.tutorial import Step, missing, steps
from tests.services.terraform import Terraform, needs_terraform
from tests.simulators.aws.operations import ACCOUNT
from tests.simulators.aws.server import Aws, aws_server
from tests.simulators.bedrock import BedrockSimulator
from tests.simulators.behaviour import Behaviour
from tests.simulators.sigv4 import KeyPair

PAGE = Path(__file__).parents[2] / "docs" / "deploy-tutorial.md"
OVERLAY = "keepstone.deployed.yaml"
ROLE = "role/trial-bedrock-access"
DONE = "--- step done:"


class Issued:
    """The key pairs that the test AWS's STS has given out for the deployed role, as they come."""

    def __iter__(self) -> Iterator[KeyPair]:
        for each in sts_backends[ACCOUNT]["aws"].assumed_roles:
            if each.role_arn.endswith(ROLE):
                yield KeyPair(each.access_key_id, each.secret_access_key, each.session_token)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, pair: object) -> bool:
        return any(each == pair for each in self)


class Terminal:
    """A shell that keeps its variables from command to command."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its exit status and all that it printed."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"(exit $STATUS)\n{command}\nSTATUS=$?; echo; echo '{DONE}' $STATUS\n")
        self._shell.stdin.flush()
        printed = []
        for line in self._shell.stdout:
            if line.startswith(DONE):
                return int(line.removeprefix(DONE)), "".join(printed)
            printed.append(line)
        raise AssertionError(f"the shell ended: {''.join(printed)}")

    def close(self) -> None:
        """End the shell."""
        self._shell.communicate("exit\n", timeout=60)


class Gateway:
    """`keepstone up` on a free port; what it prints first is what a client exports."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        self._log = folder / "up.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*shlex.split(command), "--port", "0"],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        self.exports = "".join(self._process.stdout.readline() for _ in range(3))
        deadline = time.monotonic() + 10
        while "ready" not in self._log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)

    @property
    def printed(self) -> str:
        """All that it has said."""
        return self.exports + self._log.read_text()

    def close(self) -> None:
        """Stop it as Ctrl-C does."""
        self._process.terminate()
        self._process.communicate(timeout=60)


class Reader:
    """Somebody who does what the page says, in two terminals."""

    def __init__(self, folder: Path, aws: Aws, bedrock: BedrockSimulator) -> None:
        self.folder, self._aws, self._bedrock = folder, aws, bedrock
        self._environment = environment_of(folder, aws)
        self._operator, self._caller = (Terminal(folder, self._environment) for _ in range(2))
        self._gateway: Gateway | None = None

    def does(self, step: Step) -> tuple[int, str]:
        """Follow a step; return its exit status and what was printed."""
        for name, text in step.files.items():
            (self.folder / name).write_text(text)
        if step.command.startswith("keepstone up"):
            return 0, self._starts(step.command)
        if step.second or not step.command:
            return self._caller.run(step.command) if step.command else (0, "")
        self._stops()
        return self._operator.run(step.command)

    def _starts(self, command: str) -> str:
        """Start the gateway, after the endpoints' names were led here, as the VPC's DNS leads them."""
        overlay = self.folder / OVERLAY
        text = overlay.read_text()
        assert text.count(".vpce.amazonaws.com") == 3, text
        self._bedrock.guardrail = ":".join(re.findall(r'(?:id|version): "(.+)"', text))
        text = re.sub(r"(?m)^(    endpoint_url: ).*$", rf'\1"{self._bedrock.url}"', text)
        overlay.write_text(
            re.sub(r"(?m)^( +(?:control|sts)_endpoint_url: ).*$", rf'\1"{self._aws.url}"', text)
        )
        self._gateway = Gateway(command, self.folder, self._environment)
        self._caller.run(self._gateway.exports)
        return self._gateway.printed

    def _stops(self) -> None:
        """Stop the gateway, which has the operator's terminal."""
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None

    def close(self) -> None:
        """Close both terminals and the gateway."""
        self._stops()
        self._operator.close()
        self._caller.close()


def environment_of(folder: Path, aws: Aws) -> dict[str, str]:
    """What the page's reader has: the environment of `make setup`, and credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KEEPSTONE_"))}
    own = {
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "TF_CLI_CONFIG_FILE": Terraform(folder, folder.parent).environment["TF_CLI_CONFIG_FILE"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_PAGER": "",
        "PYTHONWARNINGS": "",
    }
    return {**kept, **aws.environment, **own}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    folder = tmp_path / "keepstone-vpc"
    folder.mkdir()
    with aws_server() as aws, BedrockSimulator(pairs=Issued(), bearers=()) as bedrock:
        bedrock.usually(Behaviour(text="A keystone is the stone at the top of an arch."))
        found = Reader(folder, aws, bedrock)
        try:
            yield found
        finally:
            found.close()


PRINTED = """\
valid: sha256:308f071aa326

index  time                 what
0      2026-11-21 17:17:20  Converse
ready
"""


@pytest.mark.parametrize(
    ("shown", "absent"),
    [
        (["valid: sha256:a008a43b7e50", "...", "ready"], []),
        (["0  2026-11-20 01:02:03   Converse"], []),
        (["0  …  Converse"], []),
        (["ready", "valid: sha256:a008a43b7e50"], ["valid: sha256:a008a43b7e50"]),
        (["valid"], ["valid"]),
        (["0 2026-11-21 17:17:20 CountTokens", "ready"], ["0 2026-11-21 17:17:20 CountTokens", "ready"]),
    ],
)
def test_what_a_page_shows_is_missed_when_it_is_not_printed(shown: list[str], absent: list[str]) -> None:
    assert missing(tuple(shown), PRINTED) == absent


def test_a_page_is_a_row_of_steps() -> None:
    page = (
        "Save this as `a.py`:\n\n```python\nx\n```\n\n```sh\nnot run\n```\n\n"
        "```console\n$ cat <<END\n$ no command\nEND\nout\n$ next\n```\n\n```console second\n$ other\n```\n"
    )
    assert list(steps(page)) == [
        Step("", files={"a.py": "x\n"}),
        Step("cat <<END\n$ no command\nEND", ("out",)),
        Step("next"),
        Step("other", second=True),
    ]


@needs_terraform
@pytest.mark.deploy_trial
def test_the_page_does_what_it_says(reader: Reader) -> None:
    wrong: list[str] = []
    last = 0
    with (reader.folder.parent / "transcript").open("w") as transcript:
        for step in steps(PAGE.read_text()):
            status, printed = reader.does(step)
            transcript.write(f"$ {step.command}\n{printed}[{status}]\n")
            transcript.flush()
            absent = missing(step.shown, printed)
            if absent:
                wrong.append(f"$ {step.command}\nexpected `{absent[0]}`, printed:\n{printed}")
            if last and not step.command.startswith("echo"):
                wrong.append(f"before `{step.command}` a command ended with {last}")
                break
            last = status
    assert wrong == [], "\n\n".join(wrong)
