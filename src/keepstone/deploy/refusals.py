"""What Terraform refuses, in our words: which resource, why, and what to do about it."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from keepstone.core.errors import DeployError

_MOST = 1000
_VALID = "`aws sts get-caller-identity` has to work"
_RIGHTS = "`keepstone deploy iam-policy deployer` prints what it takes"
_NETWORK = "is there a network, a proxy if one is needed, and is the region right?"
_REGISTRY = "the registry cannot be reached; a mirror goes into Terraform's CLI configuration"
_LOCKED = (
    "somebody else is at it: wait until it has ended; if nobody is, `terraform force-unlock ID` in the folder"
)
_PLAN = "`keepstone deploy plan` makes a new one, and shows what it does"
_STATE = "the state is damaged, or of a newer Terraform; its backup or the bucket's older version is whole"
_MOVED = "`terraform init -migrate-state` in the folder takes the state along to where the policy has it now"
_ROOM = "make room on the disk; `errored.tfstate` in the folder, if there is one, holds what was made"
_PROFILE = "choose the right profile (`AWS_PROFILE`), or mend the policy; nothing was changed"
_STRANGER = re.compile(r"aws account id not allowed: ?([0-9]{12})")
_THERE = ("alreadyexists", "already exists", "alreadyowned", ".duplicate")
"""How AWS's services say that a name is taken; Bedrock's say conflict, and so they do of two that update."""
_USUAL = "mend it, then `keepstone deploy plan` and `apply` go on from what there is"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that Terraform found: how bad, in short, in full, and about which resource or place."""

    severity: str
    summary: str
    detail: str
    about: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was asked of Terraform: its command, in which folder, for which account if one is named."""

    command: str
    folder: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class _Sign:
    """Words by which a refusal is known, the code that our error gets, and what to do."""

    words: str
    code: str
    hint: str


# The first that fits counts, so what names its cause stands before what follows from others.
_SIGNS = (
    _Sign("no valid credential sources", "deploy.credentials", f"the AWS credentials are missing: {_VALID}"),
    _Sign("invalidclienttokenid", "deploy.credentials", f"the AWS credentials are not valid: {_VALID}"),
    _Sign("unrecognizedclient", "deploy.credentials", f"the AWS credentials are not valid: {_VALID}"),
    _Sign("invalidaccesskeyid", "deploy.credentials", f"the AWS credentials are not valid: {_VALID}"),
    _Sign("signaturedoesnotmatch", "deploy.credentials", f"the AWS secret key is wrong: {_VALID}"),
    _Sign("authfailure", "deploy.credentials", f"the AWS credentials are not valid: {_VALID}"),
    _Sign("expiredtoken", "deploy.credentials", "the AWS credentials have expired: sign in again"),
    _Sign("accessdenied", "deploy.denied", f"the AWS identity may not do that; {_RIGHTS}"),
    _Sign("unauthorizedoperation", "deploy.denied", f"the AWS identity may not do that; {_RIGHTS}"),
    _Sign("state lock", "deploy.locked", _LOCKED),
    _Sign("saved plan is stale", "deploy.stale_plan", f"something changed since it was planned: {_PLAN}"),
    _Sign("failed to read plan", "deploy.stale_plan", f"the plan is damaged: {_PLAN}"),
    _Sign("plan file", "deploy.stale_plan", _PLAN),
    _Sign("created by a different version", "deploy.stale_plan", f"another Terraform made the plan: {_PLAN}"),
    _Sign("no space left on device", "deploy.disk", _ROOM),
    _Sign("failed to query available provider", "deploy.unreachable", _REGISTRY),
    _Sign("could not connect to", "deploy.unreachable", _REGISTRY),
    _Sign("no such host", "deploy.unreachable", f"a name does not resolve: {_NETWORK}"),
    _Sign("request send failed", "deploy.unreachable", f"AWS cannot be reached: {_NETWORK}"),
    _Sign("connection refused", "deploy.unreachable", f"AWS cannot be reached: {_NETWORK}"),
    _Sign("i/o timeout", "deploy.unreachable", f"AWS does not answer: {_NETWORK}"),
    _Sign("backend configuration changed", "deploy.state", _MOVED),
    _Sign("unsupported state file format", "deploy.state", _STATE),
    _Sign("state snapshot", "deploy.state", _STATE),
)


def refused(attempt: Attempt, errors: Sequence[Diagnostic]) -> DeployError:
    """Return our error for what Terraform found: the first thing in full, how many more, and what to do."""
    whole = " ".join(f"{each.summary} {each.detail}" for each in errors).lower()
    strange = _STRANGER.search(whole)
    if strange is not None:
        wanted = f"`{attempt.account}`" if attempt.account else "another one"
        text = f"the credentials are of account `{strange[1]}`, the policy deploys to {wanted}"
        return DeployError(text, hint=_PROFILE, code="deploy.account")
    worst = errors[0]
    about = f" ({worst.about})" if worst.about else ""
    more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
    detail = " ".join(worst.detail.split())
    text = f"{worst.summary}{about}: {detail}" if detail else f"{worst.summary}{about}"
    sign = next((each for each in _SIGNS if each.words in whole), None) or _unsigned(attempt, errors)
    message = f"terraform {attempt.command}: {text[:_MOST].rstrip('.')}{more}"
    return DeployError(message, hint=sign.hint, code=sign.code)


def _unsigned(attempt: Attempt, errors: Sequence[Diagnostic]) -> _Sign:
    """Return what to do where nothing else is known: of what is there already, that it can be taken in."""
    there = [each.about for each in errors if each.about and _is_there(each)]
    if not there or attempt.command != "apply":
        return _Sign("", "deploy.terraform", _USUAL)
    imported = f"terraform -chdir={shlex.quote(attempt.folder)} import '{there[0]}' ID"
    more = "".join(f", the same for `{each}`" for each in there[1:])
    hint = (
        f"AWS has it, the state has not: if an apply of yours made it, `{imported}` takes it in{more} "
        "(the provider's page of its type says what ID is), and `keepstone deploy plan` and `apply` go on; "
        "if it is somebody else's, choose another name"
    )
    return _Sign("", "deploy.exists", hint)


def _is_there(error: Diagnostic) -> bool:
    said = f"{error.summary} {error.detail}".lower()
    return any(words in said for words in _THERE) or ("conflictexception" in said and "creat" in said)


def read_text(text: str) -> Diagnostic:
    """Return the first error of a text that is drawn in a box for people."""
    lines = [line.strip(" │╷╵") for line in text.splitlines()]
    lines = [line for line in lines if line] or ["no reason told"]
    at = next((number for number, line in enumerate(lines) if line.startswith("Error:")), 0)
    rest = " ".join(lines[at + 1 :])
    return Diagnostic("error", lines[at].removeprefix("Error:").strip(), rest, "")
