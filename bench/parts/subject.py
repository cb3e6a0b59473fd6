"""What several parts are about: the benchmark's policy and its caller."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Operation = Callable[[], object]
POLICY = Path(__file__).parents[1] / "policies" / "strict.yaml"


def compiled_policy() -> Any:
    """The policy with everything on, compiled."""
    load = import_module("keepstone.policy.load").load
    return import_module("keepstone.policy.compile").compile_policy(load(POLICY))


def caller() -> Any:
    """The caller with an API key."""
    return import_module("keepstone.core.principal").Principal("key:bench", "api-key", ("developer",))
