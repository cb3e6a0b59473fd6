"""Terraform, run in a deployment's folder: it is read line by line, what it refuses becomes an error."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from keepstone.core.errors import DeployError
from keepstone.deploy.process import Ended, Listener, run
from keepstone.deploy.reach import unreachable
from keepstone.deploy.refusals import Attempt, Diagnostic, read_text, refused

_INSTALL = "install Terraform 1.5 or newer, or name it in KEEPSTONE_TERRAFORM"
_OUR_KEYS = "ks_"
_LEADS_TO_US = frozenset(
    {"AWS_BEARER_TOKEN_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"}
)
_PROGRESS = frozenset({"apply_start", "apply_progress", "apply_complete", "apply_errored", "change_summary"})
_MODULE = "module.bedrock_solution."
_PATIENCE_S = 30.0
"""Of silence, after which a run that has changed nothing is given up when AWS cannot be reached."""
_LONGEST_S = 180.0
"""The same when it can."""
_NETWORK = "is there a network, a proxy if one is needed, and is the region right? nothing was changed"
Told = Callable[[str], None]


class Terraform:
    """Runs the `terraform` of this machine; `told` hears its progress, or why there is none, line by line."""

    def __init__(self, folder: Path, told: Told, region: str = "", account: str = "") -> None:
        self._folder = folder
        self._told = told
        self._region = region
        self._account = account
        self._binary = _binary()

    def init(self) -> None:
        """Prepare the folder: backend, module and provider."""
        if not (self._folder / ".terraform" / "modules" / "modules.json").is_file():
            self._told("preparing the folder: backend, module, provider")
        self._plain("init", "-input=false", "-no-color")

    def plan(self, out: str) -> list[Diagnostic]:
        """Write a plan; return its warnings."""
        return self._watched("plan", "-input=false", f"-out={out}")

    def apply(self, plan: str) -> list[Diagnostic]:
        """Carry out a plan."""
        return self._watched("apply", "-input=false", plan)

    def destroy(self) -> list[Diagnostic]:
        """Take everything down."""
        return self._watched("apply", "-destroy", "-input=false", "-auto-approve")

    def show(self, plan: str) -> bytes:
        """Return a plan as JSON."""
        return self._plain("show", "-json", "-no-color", plan).out

    def state(self) -> dict[str, Any]:
        """Return what Terraform last wrote of what is there."""
        return dict(json.loads(self._plain("show", "-json", "-no-color").out))

    def outputs(self) -> dict[str, Any]:
        """Return the outputs of what is deployed."""
        found = json.loads(self._plain("output", "-json", "-no-color").out)
        return {name: each["value"] for name, each in found.items()}

    def _plain(self, command: str, *arguments: str) -> Ended:
        """Run what says nothing for machines on its way, and raise `DeployError` when it fails."""
        ended = self._run([command, *arguments], Listener(_unheard, self._wonder, self._wait))
        if ended.code:
            error = read_text(ended.err or ended.out.decode(errors="replace"))
            raise refused(self._attempt(command), [error])
        return ended

    def _watched(self, command: str, *arguments: str) -> list[Diagnostic]:
        """Run what reports as JSON, a line at a time; return its warnings, raise `DeployError` for errors."""
        found: list[Diagnostic] = []
        begun = False

        def line(text: str) -> None:
            nonlocal begun
            said = _read(text)
            begun = begun or _changes(said)
            found.extend(self._heard(said))

        def silence(seconds: float) -> None:
            why = self._wonder(seconds)
            if not begun and seconds >= (_PATIENCE_S if why else _LONGEST_S):
                text = f"terraform {command}: {why or 'AWS takes connections, and does not answer'}"
                raise DeployError(text, hint=_NETWORK, code="deploy.unreachable")

        ended = self._run([command, "-json", *arguments], Listener(line, silence, self._wait))
        errors = [each for each in found if each.severity == "error"]
        if ended.code:
            errors = errors or [read_text(ended.err or f"it ended with {ended.code}")]
            raise refused(self._attempt(command), errors)
        return found

    def _attempt(self, command: str) -> Attempt:
        return Attempt(command, str(self._folder), self._account)

    def _run(self, arguments: list[str], listener: Listener) -> Ended:
        return run([self._binary, *arguments], self._folder, _environment(), listener)

    def _heard(self, said: dict[str, Any]) -> Iterator[Diagnostic]:
        kind = said.get("type")
        if kind == "diagnostic":
            each = said["diagnostic"]
            about = each.get("address") or (each.get("range") or {}).get("filename", "")
            yield Diagnostic(each["severity"], each["summary"], each.get("detail", ""), about)
        elif kind in _PROGRESS and (said.get("hook") or {}).get("action") != "read":
            self._told(said.get("@message", "").replace(_MODULE, ""))

    def _wait(self) -> None:
        self._told("Terraform is told to end; it finishes what it has begun")

    def _wonder(self, seconds: float) -> str:
        """Tell that nothing was heard, and return why, empty where AWS can be reached."""
        why = unreachable(self._region) if self._region else ""
        self._told(f"nothing heard from Terraform for {seconds:.0f} s: {why or 'it waits for an answer'}")
        return why


def _unheard(_line: str) -> None:
    """Let a line pass that is read later, with all others."""


def _read(text: str) -> dict[str, Any]:
    """Return what a line says, nothing where it is one of the provider's own."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _changes(said: dict[str, Any]) -> bool:
    """Say whether a line tells of something that is about to change."""
    return said.get("type") == "apply_start" and (said.get("hook") or {}).get("action") != "read"


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
