"""What a state tells as a whole: whose account it is of, who planned, whether something is made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_TOLD_BY = "module.bedrock_solution.data.aws_caller_identity.this"
"""The module's own question; one of the user's may be put to another provider."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that credentials are of, and the ARN as which they act."""

    account: str
    arn: str


def caller_of(document: Mapping[str, Any]) -> Caller | None:
    """Return who planned, from a plan's JSON or a state's; none where it does not tell."""
    found = _resources(_root(document.get("prior_state") or document))
    told = next((each for each in found if each.get("address") == _TOLD_BY), None)
    values = (told or {}).get("values") or {}
    account, arn = values.get("account_id"), values.get("arn")
    return Caller(account, arn) if isinstance(account, str) and isinstance(arn, str) else None


def has_resources(state: Mapping[str, Any]) -> bool:
    """Say whether a state's JSON holds something that Terraform made."""
    return any(each.get("mode") == "managed" for each in _resources(_root(state)))


def _root(state: Mapping[str, Any]) -> Mapping[str, Any]:
    return (state.get("values") or {}).get("root_module") or {}


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources") or ()
    for child in module.get("child_modules") or ():
        yield from _resources(child)
