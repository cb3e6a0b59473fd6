"""What was asked of the test AWS, as IAM actions, and whether the deployer's policy allows it."""

from collections.abc import Iterable
from typing import Any

_PREFIXES = {"efs": "elasticfilesystem", "elbv2": "elasticloadbalancing"}
"""What begins a service's actions, where the service has another name."""


def needed(called: Iterable[tuple[str, str]]) -> set[str]:
    """The actions of these operations."""
    return {_action(_PREFIXES.get(service, service), name) for service, name in called}


def granted(document: dict[str, Any]) -> set[str]:
    """The actions that a policy allows, on whatever resource."""
    return {action for statement in document["Statement"] for action in statement["Action"]}


def _action(service: str, name: str) -> str:
    """Budgets has two actions for most of its operations."""
    if service == "budgets" and "Tag" not in name:
        return f"budgets:{'View' if name.startswith('Describe') else 'Modify'}Budget"
    return f"{service}:{name}"
