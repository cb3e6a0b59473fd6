"""The reader of `terraform show -json` for a state: what Terraform found when it last looked."""

from collections.abc import Iterator, Mapping
from typing import Any

from keepstone.posture.readers.terraform.assembly import assembled
from keepstone.posture.readers.tree import merged
from keepstone.posture.readers.world import Raw, World
from keepstone.posture.snapshot import Provenance, Snapshot


def read_state(state: Mapping[str, Any], provenance: Provenance) -> Snapshot:
    """Return the resources of a state, those of nested modules too."""
    return assembled(World(state_raws(state["values"]["root_module"])), provenance)


def state_raws(module: Mapping[str, Any]) -> Iterator[Raw]:
    """Yield the resources of a module and of those below it."""
    waiting = [module]
    while waiting:
        at = waiting.pop(0)
        waiting += at.get("child_modules") or ()
        for each in at.get("resources") or ():
            values = merged(each.get("values"), None, each.get("sensitive_values"))
            if isinstance(values, Mapping):
                yield Raw(each["type"], each["address"], values)
