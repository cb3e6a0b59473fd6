"""Terraform, run in a deployment's folder: it is read line by line, what it refuses becomes an error."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keepstone.core.errors import DeployError

LEAST = (1, 5)
_INSTALL = "install Terraform 1.5 or newer, or name it in KEEPSTONE_TERRAFORM"
_HINTS = (
    (
        "no valid credential sources",
        "the AWS credentials are missing: `aws sts get-caller-identity` has to work",
    ),
    ("invalidclienttokenid", "the AWS credentials are not valid: `aws sts get-caller-identity` has to work"),
    ("expiredtoken", "the AWS credentials have expired: sign in again"),
    ("accessdenied", "the AWS identity may not do that; docs/deploy.md says which rights it takes"),
    ("unauthorizedoperation", "the AWS identity may not do that; docs/deploy.md says which rights it takes"),
    (
        "error acquiring the state lock",
        "somebody else is at it; if nobody is, `terraform force-unlock ID` in the folder",
    ),
    ("state lock", "somebody else is at it; if nobody is, `terraform force-unlock ID` in the folder"),
    ("saved plan is stale", "something changed since it was planned: run `keepstone deploy plan` again"),
    (
        "failed to query available provider",
        "the registry cannot be reached; a mirror goes into Terraform's CLI configuration",
    ),
    (
        "could not connect to",
        "the registry cannot be reached; a mirror goes into Terraform's CLI configuration",
    ),
    ("no such host", "a name does not resolve: is there a network, and is the region right?"),
    ("request send failed", "AWS cannot be reached: is there a network, and a proxy if one is needed?"),
    ("connection refused", "AWS cannot be reached: is there a network, and a proxy if one is needed?"),
    ("unsupported state file format", "the state file is damaged; its backup lies beside it"),
    ("state snapshot", "the state file is damaged or of a newer Terraform; its backup lies beside it"),
)
_OUR_KEYS = "ks_"
_LEADS_TO_US = frozenset(
    {"AWS_BEARER_TOKEN_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"}
)
_PROGRESS = frozenset({"apply_start", "apply_progress", "apply_complete", "apply_errored", "change_summary"})
_MODULE = "module.bedrock_solution."
_USUAL = "mend it, then `keepstone deploy plan` and `apply` go on from what there is"
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that Terraform found: how bad, in short, in full, and about which resource or place."""

    severity: str
    summary: str
    detail: str
    about: str


class Terraform:
    """Runs the `terraform` of this machine; `told` hears its progress, a line at a time."""

    def __init__(self, folder: Path, told: Told) -> None:
        self._folder = folder
        self._told = told
        self._binary = _binary()

    def init(self) -> None:
        """Prepare the folder: backend, module and provider."""
        if (self._folder / ".terraform" / "modules" / "modules.json").is_file():
            done = self._plain("init", "-input=false")
        else:
            self._told("preparing the folder: backend, module, provider")
            done = self._plain("init", "-input=false")
        if done.returncode:
            raise _refused("init", [Diagnostic("error", _first(done.stdout), _rest(done.stdout), "")])

    def plan(self, out: str, *options: str) -> list[Diagnostic]:
        """Write a plan; return its warnings."""
        return self._watched("plan", "-input=false", f"-out={out}", *options)

    def apply(self, plan: str) -> list[Diagnostic]:
        """Carry out a plan."""
        return self._watched("apply", "-input=false", plan)

    def destroy(self) -> list[Diagnostic]:
        """Take everything down."""
        return self._watched("apply", "-destroy", "-input=false", "-auto-approve")

    def show(self, plan: str = "") -> bytes:
        """Return a plan, or the state, as JSON."""
        done = self._plain("show", "-json", *([plan] if plan else []), mixed=False)
        if done.returncode:
            raise _refused("show", [Diagnostic("error", _first(done.stderr), _rest(done.stderr), "")])
        return done.stdout.encode()

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of what is deployed."""
        done = self._plain("output", "-json", mixed=False)
        if done.returncode:
            raise _refused("output", [Diagnostic("error", _first(done.stderr), _rest(done.stderr), "")])
        found = json.loads(done.stdout)
        return {name: each["value"] for name, each in found.items()}

    def _plain(self, *arguments: str, mixed: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - the user's own binary, and words of ours
            [self._binary, *arguments, "-no-color"] if arguments[0] != "show" else [self._binary, *arguments],
            cwd=self._folder,
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if mixed else subprocess.PIPE,
            text=True,
            check=False,
        )

    def _watched(self, command: str, *arguments: str) -> list[Diagnostic]:
        found: list[Diagnostic] = []
        with _started([self._binary, command, "-json", *arguments], self._folder) as process:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            for line in process.stdout:
                found += self._heard(line)
            code = process.wait()
        errors = [each for each in found if each.severity == "error"]
        if code:
            raise _refused(
                command, errors or [Diagnostic("error", f"terraform {command} ended with {code}", "", "")]
            )
        return found

    def _heard(self, line: str) -> Iterator[Diagnostic]:
        try:
            said = json.loads(line)
        except ValueError:
            return  # a line of the provider's own
        kind = said.get("type")
        if kind == "diagnostic":
            each = said["diagnostic"]
            about = each.get("address") or (each.get("range") or {}).get("filename", "")
            yield Diagnostic(each["severity"], each["summary"], each.get("detail", ""), about)
        elif kind in _PROGRESS and (said.get("hook") or {}).get("action") != "read":
            self._told(said.get("@message", "").replace(_MODULE, ""))


def _binary() -> str:
    named = os.environ.get("KEEPSTONE_TERRAFORM", "terraform")
    found = shutil.which(named)
    if found is None:
        raise DeployError(f"`{named}` is not on this machine", hint=_INSTALL)
    return found


def _environment() -> dict[str, str]:
    """Return our own environment, without what leads a client of the gateway to the gateway."""
    led = os.environ.get("AWS_BEARER_TOKEN_BEDROCK", "").startswith(_OUR_KEYS)
    kept = {name: value for name, value in os.environ.items() if not (led and name in _LEADS_TO_US)}
    return {**kept, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1", "TF_INPUT": "0"}


@contextmanager
def _started(command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start Terraform in a group of its own: an interrupt is passed on once, so that it can end in order."""
    with subprocess.Popen(  # noqa: S603 - the user's own binary, and words of ours
        command,
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            yield process
        finally:
            if process.poll() is None:
                _let_end(process)
            signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: object) -> None:
    """Be told to end as Ctrl-C tells it, so that Terraform is not left behind."""
    raise KeyboardInterrupt


def _let_end(process: subprocess.Popen[str]) -> None:
    """Interrupt Terraform once and wait while it finishes what it has begun; a second word would break it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        process.send_signal(signal.SIGINT)
        process.communicate()
    finally:
        signal.signal(signal.SIGINT, before)


def _refused(command: str, errors: Sequence[Diagnostic]) -> DeployError:
    worst = errors[0]
    about = f" ({worst.about})" if worst.about else ""
    more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
    detail = " ".join(worst.detail.split())
    text = f"{worst.summary}{about}: {detail}" if detail else f"{worst.summary}{about}"
    whole = " ".join(f"{each.summary} {each.detail}" for each in errors).lower()
    hint = next(
        (hint for sign, hint in _HINTS if sign in whole),
        "mend it, then `keepstone deploy plan` and `apply` go on from what there is",
    )
    return DeployError(
        f"terraform {command}: {text[:1000].rstrip('.')}{more}", hint=hint, code="deploy.terraform"
    )


def _first(text: str) -> str:
    lines = [line.strip(" │╷╵") for line in text.splitlines()]
    found = [line for line in lines if line.startswith("Error:")]
    return (
        found[0].removeprefix("Error:").strip()
        if found
        else next((line for line in lines if line), "no reason told")
    )


def _rest(text: str) -> str:
    lines = [line.strip(" │╷╵") for line in text.splitlines()]
    after = False
    kept = []
    for line in lines:
        if after and line:
            kept.append(line)
        after = after or line.startswith("Error:")
    return " ".join(kept)
